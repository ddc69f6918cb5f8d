// The positions of a convolution, forward and backward, along one axis at a time. No data, no layout.
#pragma once

#include <vector>

#include "ops/op.h"

namespace fastcnn {

struct Conv2dGeometry {
  Index N, C, H, W;  // input
  Index O, OH, OW;   // output
  Index KH, KW;      // kernel
  Index stride_h, stride_w, dilation_h, dilation_w;
  Index top, left, bottom, right;  // padding
  Index groups;

  Index span_h() const { return dilation_h * (KH - 1) + 1; }  // rows from the first tap to the last
  Index span_w() const { return dilation_w * (KW - 1) + 1; }
  Index macs() const { return N * O * OH * OW * (C / groups) * KH * KW; }
  bool depthwise() const { return groups == C && groups == O; }
};

// The geometry of a node from its attributes, input shape (N, C, H, W) and weight shape (O, C / groups, KH, KW). Checks every rule of a
// convolution.
Conv2dGeometry conv2d_geometry(const Attributes& attributes, const Shape& input, const Shape& weight);

// Sets stride, dilation, padding and groups from the attributes of these names.
void set_windows(Conv2dGeometry& geometry, const Attributes& attributes, std::string_view op);

// The attributes of a convolution with stride 1, no dilation and no groups.
Attributes plain_windows(std::vector<Index> padding);

// A walk over the outputs along one axis: output out_first + r out_step, for r < count, is the sum over the taps i < taps of the input at
// in_first + r in_step + i tap_step, weighted by kernel entry kernel_first + i kernel_step.
//
// A forward convolution is one such walk. Its gradient for the input is `stride` of them: inputs with the same remainder of (position +
// padding) by the stride meet the same kernel entries, and their gradient is an ordinary convolution of stride 1.
//
//   stride 2, kernel 3:  input  0 1 2 3 4 ..      even positions: entries 2, 0     odd positions: entry 1
struct AxisWalk {
  Index out_first, out_step, count;
  Index in_first, in_step;
  Index taps, tap_step;
  Index kernel_first, kernel_step;
};

// One walk down the rows and one along the columns.
struct WalkPair {
  AxisWalk row, column;
  Index taps() const { return row.taps * column.taps; }
};

AxisWalk forward_walk(Index outputs, Index kernel, Index stride, Index dilation, Index padding);
std::vector<AxisWalk> backward_walks(Index inputs, Index kernel, Index stride, Index dilation, Index padding);

// The largest distance from [0, size) at which the walk reads.
Index reach_outside(const AxisWalk& walk, Index size);

}  // namespace fastcnn
