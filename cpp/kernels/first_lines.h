// What the kernels of first layers share: sums over lines (arguments.h, PadLines) in registers. A pixel of a line is one float, so every
// load is a broadcast, and neighbouring output pixels are `Step` floats apart, known at compile time for the strides that networks have.
#pragma once

#include "kernels/kernels.h"
#include "simd/clamp.h"

namespace fastcnn::FASTCNN_ISA {

namespace {  // each file that includes this has tiles of its own

// Pixels of a tile by its output blocks, as in conv_direct.cpp: R x C accumulators, C weights, one broadcast, one to spare.
constexpr int kFirstPixels[3] = {0, kRegisters == 32 ? 14 : 12, kRegisters == 32 ? 14 : 6};
static_assert(kFirstPixels[1] <= kFirstTile && 2 * kFirstPixels[2] <= kFirstTile);

// acc[r][c] += sum over kernel rows, channels, taps of x[row, channel, tap + r Step] (broadcast) * weights[row, channel, tap][c]
template <int R, int C, int Step>
FASTCNN_INLINE void add_lines(Vec (&acc)[R][C], const ConvFirst& unit, int kernel_rows, int channels, const float* x,
                              const float* weights) {
  const int64_t step = Step ? Step : unit.pixel_step;
  for (int i = 0; i < kernel_rows; ++i, x += unit.tap_row) {
    const float* line = x;
    for (int k = 0; k < channels; ++k, line += unit.line) {
      const float* tap = line;
      for (int j = 0; j < unit.kernel_w; ++j, tap += unit.tap_column, weights += C * kLanes) {
        Vec w[C];
        unroll<C>([&](auto c) { w[c] = load(weights + c * kLanes); });
        forget_loads();
        unroll<R>([&](auto r) {
          const Vec pixel = broadcast(tap[r * step]);
          unroll<C>([&](auto c) { acc[r][c] = fma(pixel, w[c], acc[r][c]); });
        });
      }
    }
  }
}

// A table of Tile<R, C, Step>::run by R, for the step at hand.
template <template <int, int, int> class Tile, int C, int Step, class>
struct FirstTiles;
template <template <int, int, int> class Tile, int C, int Step, int... R>
struct FirstTiles<Tile, C, Step, Sequence<R...>> {
  static constexpr decltype(&Tile<1, C, Step>::run) of[] = {nullptr, Tile<R + 1, C, Step>::run...};
};

template <template <int, int, int> class Tile, int C>
FASTCNN_INLINE auto first_tiles(int64_t pixel_step) {
  using Pixels = SequenceOf<kFirstPixels[C]>;
  if (pixel_step == 1) return FirstTiles<Tile, C, 1, Pixels>::of;
  if (pixel_step == 2) return FirstTiles<Tile, C, 2, Pixels>::of;
  if (pixel_step == 4) return FirstTiles<Tile, C, 4, Pixels>::of;
  return FirstTiles<Tile, C, 0, Pixels>::of;
}

// Calls body(blocks, first, first column, columns) for each tile of a row: output blocks in twos, as few widths as fit, as even as can be.
template <class Body>
FASTCNN_INLINE void for_each_tile(const ConvFirst& unit, Body&& body) {
  for (int block = 0; block < unit.output_blocks; block += 2) {
    const int blocks = unit.output_blocks - block < 2 ? 1 : 2;
    const int most = kFirstPixels[blocks], tiles = (unit.columns + most - 1) / most;
    for (int t = 0; t < tiles; ++t) {
      const int from = (int)((int64_t)unit.columns * t / tiles), to = (int)((int64_t)unit.columns * (t + 1) / tiles);
      body(block, blocks, from, to - from);
    }
  }
}

}  // namespace

}  // namespace fastcnn::FASTCNN_ISA
