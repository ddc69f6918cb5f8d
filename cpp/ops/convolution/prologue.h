// Prologue: an element-wise op on the input of a 1x1 convolution, computed while a strip of the image is brought into the cache: batch
// normalization and activation, or a factor for each sample and channel (squeeze and excitation).
#pragma once

#include <functional>

#include "ops/op.h"

namespace fastcnn {

bool has_prologue(const Attributes& attributes);

// Checks the inputs and attributes of the prologue of a conv2d node, which may have none. pointwise: the convolution has a 1x1 kernel
// without stride, padding and groups.
void check_prologue(const NodeView& node, bool pointwise);

// Rows of one channel block of one image, and the memory for their results.
struct PrologueRows {
  Index image, block;
  const float* from;
  float* to;
  Index rows, pixels;            // pixels of a row
  Index from_stride, to_stride;  // from row to row
};
using Prologue = std::function<void(const RunContext&, const PrologueRows&)>;

Prologue bind_prologue(const BindScope& scope);

}  // namespace fastcnn
