// Row bands of sliding windows: some output rows of a convolution or pooling as the same op on the input rows that they need, with the part
// of the padding that these rows touch.
#pragma once

#include "ops/op.h"

namespace fastcnn {

// The windows of a convolution or pooling, down the rows.
struct RowWindows {
  Index size, outputs;  // rows of the input and of the output
  Index stride, span;   // rows from a window to the next, and rows of a window
  Index before, after;  // padding
  Index more = 0;       // rows behind a window that are read with it, fewer than `stride`
};

// The band of an op with one input image and an attribute "padding". No value where the windows see padding alone.
std::optional<Band> padded_band(const NodeView& node, const RowWindows& windows, RowRange made);

}  // namespace fastcnn
