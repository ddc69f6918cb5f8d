// The parts that batch normalization with given and with batch statistics have in common: checks, and the step of the backward pass.
#pragma once

#include <algorithm>
#include <functional>

#include "kernels/kernels.h"
#include "ops/op.h"
#include "ops/views/image_view.h"

namespace fastcnn {

// An input with one value for each channel, by its index among the inputs. It may be left out.
struct ChannelArray {
  std::size_t index;
  const char* name;
};

// Checks that input `image` is (N, C, H, W) and that each of the arrays is (C,).
void check_batch_norm(std::string_view op, const NodeView& node, std::size_t image, std::initializer_list<ChannelArray> arrays);

float checked_eps(std::string_view op, const Attributes& attributes);

// The first inputs and the first output are images, the others plain.
LayoutWish layout_batch_norm(const NodeView& node, std::size_t images_in);

// The values of an array from channel `first` on; nullptr if the array is left out.
inline float* channel_data(const Operand& array, const RunContext& run, Index first) {
  return array.given ? array.data(run) + first : nullptr;
}

// The number of channels of a block that exist.
inline int channels_in(const TensorType& image, Index block) {
  return static_cast<int>(std::min<Index>(image.layout.block, image.C() - block * image.layout.block));
}

// A channel block of all images, as the kernels walk it.
inline BlockPixels pixels_of_block(const TensorType& image, Index block) {
  return {image.N(), image.H(), image.W(), channels_in(image, block)};
}
inline PixelStrides pixel_strides(const ImageView& image) { return {image.strides.batch, image.strides.row}; }

// Returns 1 / sqrt(var + eps) of some channels: an array of the run, or the worker's scratch, filled by the call.
using InverseStd = std::function<const float*(const RunContext& run, Index first, int channels)>;

// (dy, x, weight?, mean, ...) -> dx, dweight, dbias. batch_statistics: mean and variance depend on x, so dx has terms of them, too.
Step bind_batch_norm_backward(const BindScope& scope, InverseStd inv_std, bool batch_statistics);

}  // namespace fastcnn
