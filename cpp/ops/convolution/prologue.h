// Prologue: what a 1x1 convolution does to its input before it multiplies, channel by channel, while it brings a strip of the image into
// the cache: batch normalization and activation, or a factor for each sample and channel (squeeze and excitation).
#pragma once

#include <functional>

#include "ops/op.h"

namespace fastcnn {

bool has_prologue(const Attributes& attributes);

// The rules of a node with one, or without: `pointwise` says that the convolution has a 1x1 kernel without stride, padding and groups.
void check_prologue(const NodeView& node, bool pointwise);

// Rows of one channel block of one image, and where they go.
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
