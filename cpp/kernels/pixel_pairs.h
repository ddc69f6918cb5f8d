// Tiles of 1x1 convolutions whose second block of output channels is half empty: two pixels share a vector there.
//
//                  block 0     block 1: the 8 channels that exist
//     pixel 0    |  acc 0   |  shared 0, lower half
//     pixel 1    |  acc 1   |            upper half      for each input channel k:
//     pixel 2    |  acc 2   |  shared 1, lower half          shared[j] += (x[2j, k] in 8 lanes, x[2j + 1, k] in 8) * (w[k], w[k])
//       ...
//
// Two pixels take three products instead of four. Each output is summed in the same order as without pairs.
#pragma once

#include "kernels/register_tiles.h"
#include "simd/clamp.h"

namespace fastcnn::FASTCNN_ISA {

#if defined(FASTCNN_VEC_AVX512)

// `count` tiles of R pixels side by side, the tiles from `first` on of the unit.
template <int R>
void pair_tiles(const ConvDirect& unit, TileStart at, const Clamp& clamp, const NextWeights& next_weights, int first, int count) {
  constexpr int kPairs = (R + 1) / 2;
  for (int n = 0; n < count; ++n) {
    Vec acc[R], shared[kPairs];
    unroll<R>([&](auto r) { acc[r] = load(unit.bias); });
    unroll<kPairs>([&](auto j) { shared[j] = load_twice(unit.bias + kLanes); });
    const float* weights = unit.weights;
    const float* block = at.input;
    Share next = next_weights.of(first + n);
    for (int ib = 0; ib < unit.input_blocks; ++ib, block += unit.input_block_stride) {
      const int channels = ib + 1 < unit.input_blocks ? unit.block_channels : unit.last_channels;
      for (int k = 0; k < channels; ++k, weights += 2 * kLanes) {
        const Vec w = load(weights);
        const Vec half = load_twice(weights + kLanes);
        next.prefetch();
        unroll<kPairs>([&](auto j) {
          constexpr int even = 2 * j;
          constexpr int odd = even + 1 < R ? even + 1 : even;
          const Vec x = broadcast(block[k + even * kLanes]);
          const Vec y = broadcast(block[k + odd * kLanes]);
          acc[even] = fma(x, w, acc[even]);
          if constexpr (odd != even) acc[odd] = fma(y, w, acc[odd]);
          shared[j] = fma(joined(x, y), half, shared[j]);
        });
      }
    }
    const NarrowVec low = broadcast_narrow(clamp.low), high = broadcast_narrow(clamp.high);
    unroll<R>([&](auto r) {
      NarrowVec rest = r % 2 ? upper_half(shared[r / 2]) : lower_half(shared[r / 2]);
      if (at.residual) {
        acc[r] += load(at.residual + r * kLanes);
        rest += load_narrow(at.residual + unit.residual_block_stride + r * kLanes);
      }
      store(at.output + r * kLanes, min(broadcast(clamp.high), max(broadcast(clamp.low), acc[r])));
      store(at.output + unit.output_block_stride + r * kLanes, widened(min(high, max(low, rest))));
    });
    at.input += R * kLanes;
    at.output += R * kLanes;
    if (at.residual) at.residual += R * kLanes;
  }
}

#endif

}  // namespace fastcnn::FASTCNN_ISA
