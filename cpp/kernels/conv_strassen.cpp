// The kernels of 1x1 convolution by Strassen's method (ops/convolution/strassen.cpp): sums of the quarters of the input, and the products
// (pixels x input channels) times (input channels x output channels), with what is to be added to them before they are kept or finished.
// The register tile is that of conv_direct.cpp, R pixels x C vectors of output channels.
#include "kernels/kernels.h"
#include "kernels/next_weights.h"
#include "kernels/pixels.h"
#include "simd/clamp.h"

namespace fastcnn::FASTCNN_ISA {

namespace {

constexpr int kMostPixels[3] = {0, kRegisters == 32 ? 14 : 12, kRegisters == 32 ? 14 : 6};

// Sums of some pixels that lie side by side: keep = sums + keep_plus.
template <int R, int C>
FASTCNN_INLINE void keep(const StrassenProduct& unit, const Vec (&acc)[R][C], int64_t pixel) {
  const int64_t block_stride = int64_t{unit.pixels} * kLanes;
  float* kept = unit.keep + pixel * kLanes;
  const float* plus = unit.keep_plus + pixel * kLanes;
  unroll<C>([&](auto c) {
    unroll<R>([&](auto r) {
      const int64_t at = c * block_stride + r * kLanes;
      store(kept + at, unit.keep_plus ? acc[r][c] + load(plus + at) : acc[r][c]);
    });
  });
}

template <int R, int C>
FASTCNN_INLINE void finish(const StrassenProduct& unit, const Vec (&acc)[R][C], int64_t pixel, Clamp clamp) {
  const StrassenOutput& to = *unit.output;
  const Vec low = broadcast(clamp.low), high = broadcast(clamp.high);
  const int64_t *pixels = to.pixels + pixel, *residual_pixels = to.residual_pixels + pixel;
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

template <int R, int C>
void tile(const StrassenProduct& unit, int64_t pixel, Share next, Clamp clamp) {
  Vec acc[R][C];
  unroll<C>([&](auto c) { unroll<R>([&](auto r) { acc[r][c] = zero(); }); });
  const float *input = unit.input + pixel * kLanes, *weights = unit.weights;
  for (int ib = 0; ib < unit.input_blocks; ++ib, input += unit.input_block_stride) {
    for (int k = 0; k < kLanes; ++k, weights += C * kLanes) {
      Vec w[C];
      unroll<C>([&](auto c) { w[c] = load(weights + c * kLanes); });
      next.ask();
      unroll<R>([&](auto r) {
        const Vec x = broadcast(input[k + r * kLanes]);
        unroll<C>([&](auto c) { acc[r][c] = fma(x, w[c], acc[r][c]); });
      });
    }
  }
  if (unit.keep) keep<R, C>(unit, acc, pixel);
  if (unit.output) finish<R, C>(unit, acc, pixel, clamp);
}

using Tile = void (*)(const StrassenProduct&, int64_t, Share, Clamp);

template <int C, class>
struct Tiles;
template <int C, int... R>
struct Tiles<C, Sequence<R...>> {
  static constexpr Tile of[] = {nullptr, tile<R + 1, C>...};  // by number of pixels
};

// An activation that is no clamp, on finished outputs: one stretch of pixels that lie side by side after the other.
void activate_finished(const StrassenOutput& to, int64_t pixels, Activation activation) {
  for (int64_t begin = 0, end; begin < pixels; begin = end) {
    for (end = begin + 1; end < pixels && to.pixels[end] == to.pixels[end - 1] + kLanes;) ++end;
    for (int c = 0; c < to.blocks; ++c)
      activate_pixels(to.output + c * to.block_stride + to.pixels[begin], end - begin, kLanes, activation);
  }
}

}  // namespace

void strassen_multiply(const StrassenProduct& unit) {
  const Tile* tiles = unit.output_blocks == 2 ? Tiles<2, SequenceOf<kMostPixels[2]>>::of : Tiles<1, SequenceOf<kMostPixels[1]>>::of;
  const int most = kMostPixels[unit.output_blocks], parts = (unit.pixels + most - 1) / most;
  const Clamp clamp = clamp_of(unit.activation);
  const NextWeights next = {unit.weights, unit.next_weights, int64_t{unit.input_blocks} * kLanes, unit.output_blocks * kLanes, parts};
  for (int p = 0; p < parts; ++p) {
    const int from = unit.pixels * p / parts, to = unit.pixels * (p + 1) / parts;
    tiles[to - from](unit, from, next.of(p), clamp);
  }
  if (unit.output && !is_clamp(unit.activation)) activate_finished(*unit.output, unit.pixels, unit.activation);
}

void strassen_sums(const StrassenSums& unit) {
  for (int64_t block = 0; block < unit.blocks; ++block) {
    const float* upper = unit.upper + block * unit.block_stride;
    const float* lower = unit.lower + block * unit.block_stride;
    float* sums = unit.sums + block * unit.count;
    for (int64_t i = 0; i < unit.count; i += kLanes) {
      const Vec x11 = load(upper + i), x12 = load(upper + unit.second + i), x21 = load(lower + i), x22 = load(lower + unit.second + i);
      const Vec s1 = x21 + x22, s2 = s1 - x11;
      store(sums + i, s1);
      store(sums + unit.sum_stride + i, s2);
      store(sums + 2 * unit.sum_stride + i, x11 - x21);
      store(sums + 3 * unit.sum_stride + i, x12 - s2);
    }
  }
}

}  // namespace fastcnn::FASTCNN_ISA
