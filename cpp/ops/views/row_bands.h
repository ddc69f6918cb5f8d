// Row bands of sliding windows: a convolution or pooling of the input rows that some output rows see, with the padding that is left there.
#pragma once

#include "ops/op.h"

namespace fastcnn {

// One axis of a convolution or pooling, down the rows.
struct RowWindows {
  Index size, outputs;  // rows of the input and of the output
  Index stride, span;   // from a window to the next; rows of a window
  Index before, after;  // padding
  Index more = 0;       // rows behind a window that are read with it, fewer than `stride`
};

// The band of an op with one image in and an attribute "padding"; nothing where the windows see padding alone.
std::optional<Band> padded_band(const NodeView& node, const RowWindows& windows, RowRange made);

}  // namespace fastcnn
