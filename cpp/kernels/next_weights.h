// What a kernel asks for while it works: the weights that are needed next, for the L2 cache. They come from memory evenly, a share with
// each of the unit's last tiles: all at once they would be waited for.
#pragma once

#include "simd/vec.h"

namespace fastcnn::FASTCNN_ISA {

// A tile's share: `step` floats from `from` on with each row of its own weights, at most two cache lines.
struct Share {
  const float* from;
  int64_t step;

  FASTCNN_INLINE void ask() {
    __builtin_prefetch(from, 0, 2);
    __builtin_prefetch(from + step / 2, 0, 2);
    from += step;
  }
};

// Weights: (rows, width) floats, a width of one or two blocks and at most two cache lines, at `weights`; the next ones `distance` behind
// them, 0: there are none.
struct NextWeights {
  const float* weights;
  int64_t distance, rows, width;
  int tiles;  // that read these weights, one after the other

  FASTCNN_INLINE Share of(int tile) const {
    const int halvings = tiles < 2 ? 0 : tiles < 4 ? 1 : 2, share = tile - tiles + (1 << halvings);
    if (distance == 0 || share < 0) return {weights, 0};
    const int64_t step = width >> halvings;
    return {weights + distance + share * rows * step, step};
  }
};

}  // namespace fastcnn::FASTCNN_ISA
