// Depthwise convolution: every channel has a filter of its own, so a lane is a channel and nothing is broadcast. R output pixels are summed
// in registers over the taps; each tap's weights are loaded once for all of them.
#include "kernels/kernels.h"
#include "kernels/pixels.h"
#include "simd/vec.h"

namespace fastcnn::FASTCNN_ISA {

namespace {

constexpr int kMostPixels = kRegisters == 32 ? 14 : 8;  // one sum a pixel, and room for the weights and what is loaded ahead

template <int R, int Step>
void tile(const ConvDepthwise& unit, const float* input, float* output, const float* residual) {
  const int64_t step = Step ? Step : unit.pixel_step;
  Vec acc[R];
  const Vec bias = load(unit.bias);
  unroll<R>([&](auto r) { acc[r] = bias; });
  const float* weights = unit.weights;
  for (int i = 0; i < unit.kernel_h; ++i) {
    const float* tap = input + i * unit.tap_row;
    for (int j = 0; j < unit.kernel_w; ++j, tap += unit.tap_column, weights += kLanes) {
      const Vec w = load(weights);
      unroll<R>([&](auto r) { acc[r] = fma(w, load(tap + r * step), acc[r]); });
    }
  }
  unroll<R>([&](auto r) {
    if (residual) acc[r] += load(residual + r * kLanes);
    store(output + r * unit.output_pixel_stride, acc[r]);
  });
}

using Tile = void (*)(const ConvDepthwise&, const float*, float*, const float*);

template <int Step, class>
struct Tiles;
template <int Step, int... R>
struct Tiles<Step, Sequence<R...>> {
  static constexpr Tile of[] = {nullptr, tile<R + 1, Step>...};  // by number of pixels
};

const Tile* tiles_for(int64_t pixel_step) {
  using Pixels = SequenceOf<kMostPixels>;
  if (pixel_step == kLanes) return Tiles<kLanes, Pixels>::of;
  if (pixel_step == 2 * kLanes) return Tiles<2 * kLanes, Pixels>::of;
  return Tiles<0, Pixels>::of;
}

}  // namespace

void conv_depthwise(const ConvDepthwise& unit) {
  const Tile* tiles = tiles_for(unit.pixel_step);
  const int64_t tiles_a_row = ((int64_t)unit.columns + kMostPixels - 1) / kMostPixels;
  for (int row = 0; row < unit.rows; ++row) {
    float* output = unit.output + row * unit.output_row_stride;
    for (int64_t t = 0; t < tiles_a_row; ++t) {
      const int64_t from = unit.columns * t / tiles_a_row, to = unit.columns * (t + 1) / tiles_a_row;
      tiles[to - from](unit, unit.input + row * unit.row_step + from * unit.pixel_step, output + from * unit.output_pixel_stride,
                       unit.residual ? unit.residual + row * unit.residual_row_stride + from * kLanes : nullptr);
    }
    activate_pixels(output, unit.columns, unit.output_pixel_stride, unit.activation);
  }
}

}  // namespace fastcnn::FASTCNN_ISA
