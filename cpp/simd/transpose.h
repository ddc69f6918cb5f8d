// transpose(square): transposes kLanes vectors of kLanes floats in registers.
#pragma once

#include "simd/vec.h"

namespace fastcnn::FASTCNN_ISA {

// The lanes I of the 2 * kLanes lanes of a and b.
template <int... I>
FASTCNN_INLINE Vec pick(Vec a, Vec b, Sequence<I...>) {
#if defined(__clang__)
  return __builtin_shufflevector(a, b, I...);
#else
  return __builtin_shuffle(a, b, IntVec{I...});
#endif
}

// Exchanges the squares of `Size` x `Size` lanes off the diagonal:
//   a:  a0 a1 a2 a3         a0 b0 a2 b2
//   b:  b0 b1 b2 b3   ->    a1 b1 a3 b3     for Size 1
template <int Size, int... I>
FASTCNN_INLINE void exchange(Vec& a, Vec& b, Sequence<I...>) {
  const Vec upper = pick(a, b, Sequence<(I & Size ? kLanes + I - Size : I)...>{});
  b = pick(a, b, Sequence<(I & Size ? kLanes + I : I + Size)...>{});
  a = upper;
}

template <int Size>
FASTCNN_INLINE void transpose_from(Vec (&square)[kLanes]) {
  unroll<kLanes>([&](auto i) {
    if constexpr ((i & Size) == 0) exchange<Size>(square[i], square[i + Size], SequenceOf<kLanes>{});
  });
  if constexpr (2 * Size < kLanes) transpose_from<2 * Size>(square);
}

FASTCNN_INLINE void transpose(Vec (&square)[kLanes]) { transpose_from<1>(square); }

}  // namespace fastcnn::FASTCNN_ISA
