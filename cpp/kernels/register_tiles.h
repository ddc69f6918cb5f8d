// The common parts of kernels with register tiles. A tile of R pixels x C vectors of output channels is summed in registers:
//
//                    C vectors of output channels
//                 +-----------+-----------+
//     pixel 0     |  acc 0,0  |  acc 0,1  |     for each row k of weights:
//     pixel 1     |  acc 1,0  |  acc 1,1  |         acc[r][c] += input[pixel r, k] (broadcast) * weights[k][c]
//       ...       |           |           |
//     pixel R - 1 |           |           |
//                 +-----------+-----------+
//
// A row of pixels is cut into such tiles, with a function for each number of pixels. acc is indexed by constants only (unroll): an
// addressed array would lie on the stack.
#pragma once

#include "kernels/kernels.h"
#include "kernels/next_weights.h"
#include "simd/vec.h"

namespace fastcnn::FASTCNN_ISA {

// The most pixels of a tile, by its vectors of output channels. Registers: R x C accumulators, C weights, one broadcast, one to spare for
// ISAs that multiply and add apart.
//   32 registers: 14 x 2 + 2 + 2 = 32, or 9 x 3 + 3 + 1 = 31      16 registers: 6 x 2 + 2 + 2 = 16, or 12 x 1 + 1 + 2 = 15
constexpr int kMostTilePixels[4] = {0, kRegisters == 32 ? 14 : 12, kRegisters == 32 ? 14 : 6, 9};

// Where a tile starts.
struct TileStart {
  const float* input;     // the first tap of the tile's first pixel
  float* output;          // the tile's first pixel
  const float* residual;  // likewise, or nullptr
};

// acc[r][c] = start(c).
template <class V, int R, int C, class Start>
FASTCNN_INLINE void start_sums(V (&acc)[R][C], Start&& start) {
  unroll<C>([&](auto c) {
    const V value = start(c);
    unroll<R>([&](auto r) { acc[r][c] = value; });
  });
}

// acc[r][c] += pixel(r) w[c], where pixel(r) is a float.
template <class V, int R, int C, class Pixel>
FASTCNN_INLINE void add_products(V (&acc)[R][C], const V (&w)[C], Pixel&& pixel) {
  unroll<R>([&](auto r) {
    const V x = broadcast_as<V>(pixel(r));
    unroll<C>([&](auto c) { acc[r][c] = fma(x, w[c], acc[r][c]); });
  });
}

// Floats in a row of C vectors of weights: whole blocks.
template <class V, int C>
constexpr int kWeightRow = (C * static_cast<int>(sizeof(V) / sizeof(float)) + kLanes - 1) / kLanes * kLanes;

// acc[r][c] += sum over k < channels of input[at(k, r)] weights[k][c]; weights: (channels, kWeightRow). Returns the end of the weights.
template <class V, int R, int C, class At>
FASTCNN_INLINE const float* add_channels(V (&acc)[R][C], const float* input, At&& at, const float* weights, int channels, Share& next) {
  constexpr int lanes = sizeof(V) / sizeof(float);
  for (int k = 0; k < channels; ++k, weights += kWeightRow<V, C>) {
    V w[C];
    unroll<C>([&](auto c) { w[c] = load_as<V>(weights + c * lanes); });
    next.prefetch();
    add_products(acc, w, [&](auto r) { return input[at(k, r)]; });
  }
  return weights;
}

// A row of pixels as tiles: as few as possible, their widths as even as possible, the wider ones first.
struct RowOfTiles {
  int width, wide;  // pixels of a wide tile; number of wide tiles
  int narrower;     // number of tiles with one pixel less
  int count() const { return wide + narrower; }
};

FASTCNN_INLINE RowOfTiles row_of_tiles(int pixels, int most) {
  if (pixels == 0) return {0, 0, 0};
  const int count = (pixels + most - 1) / most;
  const int width = (pixels + count - 1) / count;
  const int narrower = width * count - pixels;
  return {width, count - narrower, narrower};
}

// Calls body(tile, first pixel, pixels, count) for the tiles of each width: `count` neighbours of so many pixels, from number `tile` on.
template <class Body>
FASTCNN_INLINE void for_each_width(RowOfTiles row, Body&& body) {
  if (row.wide) body(0, 0, row.width, row.wide);
  if (row.narrower) body(row.wide, row.wide * row.width, row.width - 1, row.narrower);
}

// Calls body(tile, first pixel, pixels) for each tile of a row.
template <class Body>
FASTCNN_INLINE void for_each_tile(RowOfTiles row, Body&& body) {
  for (int tile = 0, first = 0; tile < row.count(); ++tile) {
    const int pixels = row.width - (tile >= row.wide);  // no branch, or the compiler makes two loops of it, each with a copy of body
    body(tile, first, pixels);
    first += pixels;
  }
}

// kByPixels<Kind, Most>[R] is the function Kind::of<R>, for R = 1, .., Most.
template <class Kind, class>
struct ByPixels;
template <class Kind, int... R>
struct ByPixels<Kind, Sequence<R...>> {
  static constexpr decltype(+Kind::template of<1>) functions[] = {nullptr, Kind::template of<R + 1>...};
};
template <class Kind, int Most>
constexpr auto& kByPixels = ByPixels<Kind, SequenceOf<Most>>::functions;

}  // namespace fastcnn::FASTCNN_ISA
