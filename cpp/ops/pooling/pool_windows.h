// The windows of a pooling: which inputs each output sees, one axis at a time. Shared by max_pool and avg_pool, forward and backward.
//
// Windows are clipped to the pixels, so that pooling reads no ring: padding is where a window may start, never a value.
//
//   kernel 3, stride 2, padding 1, size 6      inputs    0 1 2 3 4 5
//                                              windows  (. 0 1)(1 2 3)(3 4 5)   ->   [0, 2) [1, 4) [3, 6)
#pragma once

#include <vector>

#include "kernels/kernels.h"
#include "ops/op.h"

namespace fastcnn {

struct PoolAxis {
  Index size = 0, outputs = 0;
  Index kernel = 1, stride = 1, before = 0, after = 0, dilation = 1;
  bool adaptive = false;  // output i sees the inputs [floor(i size / outputs), ceil((i + 1) size / outputs)); the line above is unused

  Index span() const { return dilation * (kernel - 1) + 1; }  // pixels from the first tap of a window to the last
};

struct PoolGeometry {
  PoolAxis rows, columns;
  Shape output;

  double taps() const;  // inputs seen by all outputs, at most
};

// Checks every rule of a pooling of `input`. Attributes: kernel, stride, padding, ceil_mode, dilation if there is one; or adaptive.
PoolGeometry pool_geometry(std::string_view op, const Attributes& attributes, const Shape& input);

bool is_dilated(const Attributes& pool);

// One window for each output along an axis; a tap is `step` inputs from the next.
struct PoolWindows {
  std::vector<PoolWindow> windows;
  Index step = 1;
  std::vector<float> tap_scales = {};  // only where each tap has a weight of its own: the gradient of an average
};

PoolWindows clipped_windows(const PoolAxis& axis);  // scales are 1

// Bands of a pooling; nothing for an adaptive one, whose windows differ in size.
std::optional<Band> pool_band(const NodeView& node, const PoolAxis& rows, RowRange made);

using PoolKernel = void (*)(const Pool&);

// to[i, j] = kernel of from[rows.windows[i], columns.windows[j]] in every image and channel block. A unit is a row of one channel block.
Step bind_pool(const Operand& from, const Operand& to, PoolWindows rows, PoolWindows columns, PoolKernel kernel);

}  // namespace fastcnn
