// What the two kinds of batch normalization share: their checks, and the step of their backward.
#pragma once

#include <algorithm>
#include <functional>

#include "kernels/kernels.h"
#include "ops/op.h"
#include "ops/views/image_view.h"

namespace fastcnn {

// An input of one value a channel, by its place among the inputs; it may be left out.
struct ChannelArray {
  std::size_t index;
  const char* name;
};

// Input `image` must be (N, C, H, W) and each of the arrays (C,).
void check_batch_norm(std::string_view op, const NodeView& node, std::size_t image, std::initializer_list<ChannelArray> arrays);

float checked_eps(std::string_view op, const Attributes& attributes);

// The first inputs and the first output are images, the others plain.
LayoutWish layout_batch_norm(const NodeView& node, std::size_t images_in);

// From channel `first` on; nullptr for what is left out.
inline float* channel_data(const Operand& array, const RunContext& run, Index first) {
  return array.given ? array.data(run) + first : nullptr;
}

// Channels of a block that exist.
inline int channels_in(const TensorType& image, Index block) {
  return static_cast<int>(std::min<Index>(image.layout.block, image.C() - block * image.layout.block));
}

// A channel block of all images, as the kernels walk it.
inline BlockPixels pixels_of_block(const TensorType& image, Index block) {
  return {image.N(), image.H(), image.W(), channels_in(image, block)};
}
inline PixelStrides pixel_strides(const ImageView& image) { return {image.strides.batch, image.strides.row}; }

// Where 1 / sqrt(var + eps) of some channels stands: an array of the run, or its scratch (a value a lane), filled on the way.
using InverseStd = std::function<const float*(const RunContext& run, Index first, int channels)>;

// (dy, x, weight?, mean, ...) -> dx, dweight, dbias
Step bind_batch_norm_backward(const BindScope& scope, InverseStd inv_std, bool batch_statistics);

}  // namespace fastcnn
