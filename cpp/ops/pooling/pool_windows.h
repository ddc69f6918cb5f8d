// The windows of a pooling: the inputs that each output is computed from, one axis at a time. For max_pool and avg_pool, forward and
// backward.
//
// Windows are clipped to the pixels, so pooling reads no ring: a window may start in the padding, but padding has no values.
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
  bool adaptive = false;  // window i is [floor(i size / outputs), ceil((i + 1) size / outputs)), and the line above is unused

  Index span() const { return dilation * (kernel - 1) + 1; }  // pixels from the first tap of a window to the last
};

struct PoolGeometry {
  PoolAxis rows, columns;
  Shape output;

  double taps() const;  // upper bound of the pixels of all windows together
};

// Reads the attributes kernel, stride, padding, ceil_mode, dilation (optional), or adaptive, and checks every rule for a pooling of
// `input`.
PoolGeometry pool_geometry(std::string_view op, const Attributes& attributes, const Shape& input);

bool is_dilated(const Attributes& pool);

// One window for each output along an axis. The taps of a window are `step` inputs apart.
struct PoolWindows {
  std::vector<PoolWindow> windows;
  Index step = 1;
  std::vector<float> tap_scales = {};  // a weight for each tap, only for the gradient of an average
};

PoolWindows clipped_windows(const PoolAxis& axis);  // with scales of 1

// The band of a pooling. No value for an adaptive one, whose windows differ in size.
std::optional<Band> pool_band(const NodeView& node, const PoolAxis& rows, RowRange made);

using PoolKernel = void (*)(const Pool&);

// Binds to[i, j] = kernel(from[rows.windows[i], columns.windows[j]]) for every image and channel block. A unit is a row of one channel
// block; the kernel takes all rows of a block that a worker has at once.
Step bind_pool(const Operand& from, const Operand& to, PoolWindows rows, PoolWindows columns, PoolKernel kernel);

}  // namespace fastcnn
