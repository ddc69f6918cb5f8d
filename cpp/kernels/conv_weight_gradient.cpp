// The gradient of a convolution's filters: for each tap and pair of channels, the sum over all positions that the filter was used at.
//
// A unit keeps its (taps x lanes) sums in registers, one vector of output channels for each tap: at every position the gradient of the
// output is loaded once and multiplied by the input under each tap. Each image is summed by itself first, so that the error grows with the
// size of an image and the number of images, not with their product.
#include "kernels/kernels.h"
#include "simd/loops.h"

namespace fastcnn::FASTCNN_ISA {

namespace {

// T taps. input: the first tap of the unit's first pixel; dweight: (T, lanes). The offsets of adjacent taps are constants.
template <int T, bool Adjacent>
void gradient_of_taps(const ConvWeightGradient& unit, const float* input, float* dweight) {
  const int64_t tap_stride = Adjacent ? 1 : unit.tap_stride;
  Vec total[T] = {};
  for (int n = 0; n < unit.images; ++n) {
    Vec image[T] = {};
    for (int row = 0; row < unit.rows; ++row) {
      const float* x = input + n * unit.input_image_stride + row * unit.input_row_stride;
      const float* dy = unit.doutput + n * unit.doutput_image_stride + row * unit.doutput_row_stride;
      for (int column = 0; column < unit.columns; ++column, x += unit.input_pixel_stride, dy += kLanes) {
        const Vec d = load(dy);
        unroll<T>([&](auto t) { image[t] = fma(broadcast(x[t * tap_stride]), d, image[t]); });
      }
    }
    unroll<T>([&](auto t) { total[t] += image[t]; });
  }
  unroll<T>([&](auto t) { store(dweight + t * kLanes, total[t]); });
}

// Half of the registers hold the sums of an image, the others the totals.
constexpr int kMostTaps = kRegisters / 2;

}  // namespace

void conv_weight_gradient(const ConvWeightGradient& unit) {
  int64_t done = 0;
  if (unit.tap_stride == 1) {
    done = for_each_group<kMostTaps, 4, 3>(
        unit.taps, [&](auto taps, int64_t tap) { gradient_of_taps<taps, true>(unit, unit.input + tap, unit.dweight + tap * kLanes); });
  }
  for (int64_t tap = done; tap < unit.taps; ++tap)
    gradient_of_taps<1, false>(unit, unit.input + tap * unit.tap_stride, unit.dweight + tap * kLanes);
}

}  // namespace fastcnn::FASTCNN_ISA
