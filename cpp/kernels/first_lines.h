// Common parts of the kernels of first layers: sums over lines (arguments.h, PadLines) in register tiles. A pixel of a line is one
// float, so every load is a broadcast. Neighbouring output pixels are `Step` floats apart, which is known at compile time for the
// strides that networks have.
#pragma once

#include "kernels/kernels.h"
#include "kernels/register_tiles.h"
#include "simd/clamp.h"

namespace fastcnn::FASTCNN_ISA {

namespace {  // each file that includes this has tiles of its own

static_assert(kMostTilePixels[1] <= kFirstTile && 2 * kMostTilePixels[2] <= kFirstTile);

// acc[r][c] += sum over kernel rows, channels, taps of x[row, channel, tap + r Step] (broadcast) * weights[row, channel, tap][c]
// x: the lines (kernel rows, channels, line) from the tile's first pixel on; weights: (kernel rows, channels, kernel_w, C, lanes).
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
        add_products(acc, w, [&](auto r) { return tap[r * step]; });
      }
    }
  }
}

// Tile<C, Step>::of<R> by R, for the step of the unit.
template <template <int, int> class Tile, int C>
FASTCNN_INLINE auto first_tiles(int64_t pixel_step) {
  constexpr int most = kMostTilePixels[C];
  if (pixel_step == 1) return &kByPixels<Tile<C, 1>, most>[0];
  if (pixel_step == 2) return &kByPixels<Tile<C, 2>, most>[0];
  if (pixel_step == 4) return &kByPixels<Tile<C, 4>, most>[0];
  return &kByPixels<Tile<C, 0>, most>[0];
}

// Calls body(block, blocks, first pixel, pixels) for each tile of a row and two output blocks, or the one that is left.
template <class Body>
FASTCNN_INLINE void for_each_first_tile(const ConvFirst& unit, Body&& body) {
  for (int block = 0; block < unit.output_blocks; block += 2) {
    const int blocks = unit.output_blocks - block < 2 ? 1 : 2;
    for_each_tile(row_of_tiles(unit.columns, kMostTilePixels[blocks]),
                  [&](int, int first, int pixels) { body(block, blocks, first, pixels); });
  }
}

}  // namespace

}  // namespace fastcnn::FASTCNN_ISA
