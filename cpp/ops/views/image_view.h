// ImageView: an operand with its strides, for steps that give kernels pointers into an image.
#pragma once

#include "ops/step.h"

namespace fastcnn {

struct ImageView {
  Operand operand;
  ImageStrides strides;  // zeros where the operand is plain or left out

  ImageView() = default;
  explicit ImageView(const Operand& image) : operand(image) {
    if (image.given && !image.type.layout.plain()) strides = image.type.strides();
  }

  Index all_blocks() const { return operand.type.N() * strides.blocks; }  // channel blocks of all images

  // Pixel (0, 0) of a channel block of an image; nullptr where the operand is left out.
  float* block(const RunContext& run, Index image, Index block) const {
    if (!operand.given) return nullptr;
    return operand.data(run) + strides.origin + image * strides.batch + block * strides.block;
  }

  // The same for channel block i, counted through all images.
  float* block(const RunContext& run, Index i) const {
    return operand.given ? operand.data(run) + strides.origin + strides.image(i) : nullptr;
  }
};

}  // namespace fastcnn
