// Prefetches the weights that are needed next into the L2 cache. They come from memory, so the last tiles of a unit each prefetch a share:
// a kernel that asked for all of them at once would wait.
#pragma once

#include "simd/vec.h"

namespace fastcnn::FASTCNN_ISA {

// A tile's share: `step` floats for each row of weights that the tile reads, at most two cache lines, from `from` on.
struct Share {
  const float* from;
  int64_t step;

  FASTCNN_INLINE void prefetch() {
    __builtin_prefetch(from, 0, 2);
    __builtin_prefetch(from + step / 2, 0, 2);
    from += step;
  }
};

// The weights of a unit, and the distance to those that are needed next.
struct NextWeights {
  const float* weights;  // (rows, width); a width of one or two blocks, at most two cache lines
  int64_t distance;      // in floats; 0: none are needed next
  int64_t rows, width;
  int tiles;  // number of tiles that read these weights, one after the other

  // The last 4, 2 or 1 tiles have a share, each a part of every row.
  FASTCNN_INLINE Share of(int tile) const {
    const int halvings = tiles < 2 ? 0 : tiles < 4 ? 1 : 2;
    const int share = tile - tiles + (1 << halvings);
    if (distance == 0 || share < 0) return {weights, 0};
    const int64_t step = width >> halvings;
    return {weights + distance + share * rows * step, step};
  }
};

}  // namespace fastcnn::FASTCNN_ISA
