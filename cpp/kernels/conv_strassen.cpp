// The kernels of 1x1 convolution by Strassen's method (ops/convolution/strassen.cpp): sums of the quarters of the input, and the products
// (pixels x input channels) times (input channels x output channels). Other products are added to a product before it is kept or finished.
// The register tile is that of register_tiles.h.
#include "kernels/kernels.h"
#include "kernels/pixels.h"
#include "kernels/register_tiles.h"
#include "simd/clamp.h"

namespace fastcnn::FASTCNN_ISA {

namespace {

// keep = sums + keep_plus for R pixels, from `pixel` on.
template <int R, int C>
FASTCNN_INLINE void keep(const StrassenProduct& unit, const Vec (&acc)[R][C], int64_t pixel) {
  const int64_t block_stride = int64_t{unit.pixels} * kLanes;
  float* kept = unit.keep + pixel * kLanes;             // (C, R, lanes)
  const float* plus = unit.keep_plus + pixel * kLanes;  // likewise
  unroll<C>([&](auto c) {
    unroll<R>([&](auto r) {
      const int64_t at = c * block_stride + r * kLanes;
      store(kept + at, unit.keep_plus ? acc[r][c] + load(plus + at) : acc[r][c]);
    });
  });
}

// output = act(sums + plus + bias + residual) for R pixels, from `pixel` on.
template <int R, int C>
FASTCNN_INLINE void finish(const StrassenProduct& unit, const Vec (&acc)[R][C], int64_t pixel, Clamp clamp) {
  const StrassenOutput& to = *unit.output;
  const Vec low = broadcast(clamp.low), high = broadcast(clamp.high);
  const int64_t* pixels = to.pixels + pixel;
  const int64_t* residual_pixels = to.residual_pixels + pixel;
  unroll<C>([&](auto c) {
    if (c >= to.blocks) return;
    const Vec bias = load(to.bias + c * kLanes);
    float* output = to.output + c * to.block_stride;
    const float* residual = to.residual + c * to.residual_block_stride;
    const float* plus = to.plus + (c * int64_t{unit.pixels} + pixel) * kLanes;
    unroll<R>([&](auto r) {
      Vec v = acc[r][c] + load(plus + r * kLanes) + bias;
      if (to.residual) v += load(residual + residual_pixels[r]);
      store(output + pixels[r], min(high, max(low, v)));
    });
  });
}

// input: (input_blocks, R, lanes), from `pixel` on of the unit's pixels.
template <int R, int C>
void tile(const StrassenProduct& unit, int64_t pixel, Share next, Clamp clamp) {
  Vec acc[R][C];
  start_sums(acc, [](auto) { return zero(); });
  const float* input = unit.input + pixel * kLanes;
  const float* weights = unit.weights;
  for (int ib = 0; ib < unit.input_blocks; ++ib, input += unit.input_block_stride)
    weights = add_channels(acc, input, [](int k, auto r) { return k + r * kLanes; }, weights, kLanes, next);
  if (unit.keep) keep<R, C>(unit, acc, pixel);
  if (unit.output) finish<R, C>(unit, acc, pixel, clamp);
}

template <int C>
struct TilesOf {
  template <int R>
  static constexpr auto of = tile<R, C>;
};

// An activation that is no clamp, on finished outputs: a call for each group of pixels that lie side by side.
void activate_finished(const StrassenOutput& to, int64_t pixels, Activation activation) {
  for (int64_t begin = 0, end; begin < pixels; begin = end) {
    end = begin + 1;
    while (end < pixels && to.pixels[end] == to.pixels[end - 1] + kLanes) ++end;
    for (int c = 0; c < to.blocks; ++c)
      activate_pixels(to.output + c * to.block_stride + to.pixels[begin], end - begin, kLanes, activation);
  }
}

}  // namespace

void strassen_multiply(const StrassenProduct& unit) {
  const auto* tiles = unit.output_blocks == 2 ? kByPixels<TilesOf<2>, kMostTilePixels[2]> : kByPixels<TilesOf<1>, kMostTilePixels[1]>;
  const RowOfTiles row = row_of_tiles(unit.pixels, kMostTilePixels[unit.output_blocks]);
  const Clamp clamp = clamp_of(unit.activation);
  const NextWeights next = {unit.weights, unit.next_weights, int64_t{unit.input_blocks} * kLanes, unit.output_blocks * kLanes, row.count()};
  for_each_tile(row, [&](int t, int first, int pixels) { tiles[pixels](unit, first, next.of(t), clamp); });
  if (unit.output && !is_clamp(unit.activation)) activate_finished(*unit.output, unit.pixels, unit.activation);
}

void strassen_sums(const StrassenSums& unit) {
  for (int64_t block = 0; block < unit.blocks; ++block) {
    const float* upper = unit.upper + block * unit.block_stride;
    const float* lower = unit.lower + block * unit.block_stride;
    float* sums = unit.sums + block * unit.count;
    for (int64_t i = 0; i < unit.count; i += kLanes) {
      const Vec x11 = load(upper + i), x12 = load(upper + unit.second + i);
      const Vec x21 = load(lower + i), x22 = load(lower + unit.second + i);
      const Vec s1 = x21 + x22;
      const Vec s2 = s1 - x11;
      store(sums + i, s1);
      store(sums + unit.sum_stride + i, s2);
      store(sums + 2 * unit.sum_stride + i, x11 - x21);
      store(sums + 3 * unit.sum_stride + i, x12 - s2);
    }
  }
}

}  // namespace fastcnn::FASTCNN_ISA
