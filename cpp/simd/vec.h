// Vec: one register of floats of the ISA that this file is compiled for. The only place that defines the vector width of kernels.
//
// Vec and IntVec are vector types of the compiler, so + - * / comparisons, & | and `mask ? a : b` work lane by lane; a comparison gives an
// IntVec of 0 and -1. Each ISA's header adds the operations that have no operator. All names are in namespace fastcnn::FASTCNN_ISA: see
// cpp/README.md, "ISA builds without surprises".
//
//   load(p), store(p, v)                 kLanes floats, any alignment
//   load_first(p, n), store_first(p, v, n)   the first n lanes (0 <= n <= kLanes); the others read as 0 and are not written
//   broadcast(x)                         x in every lane
//   fma(a, b, c)                         a * b + c, rounded once where the ISA can
//   max(a, b), min(a, b)                 b where either is NaN: pass the value whose NaN must be kept as b
//   sqrt(v), sum(v)                      lane-wise root; sum of all lanes, in a fixed order
//   round_to_int(v)                      nearest integer, |v| < 2^31
//   set_lanes(mask)                      the result of a comparison as bits: lane i is bit i
//   times_power_of_two(v, n)             v 2^n for 1/2 <= v < 2 and integers -126 <= n <= 128, if that is a normal number; for n = 128
//                                        infinity, or v 2^128 where the ISA can compute it
//
// NarrowVec has kNarrowLanes lanes: the fewest that save time, on most ISAs as many as a Vec.
//   load_as<V>(p), broadcast_as<V>(x), store, fma, max, min   as above; V: Vec or NarrowVec
//   widened(v)                           a Vec: v, then zeros
#pragma once

#include <stdint.h>
#include <string.h>

#define FASTCNN_INLINE inline __attribute__((always_inline))
// Stands after a lambda's parameters, where the compiler would otherwise not inline a large unrolled body: a call puts all sums in memory.
#define FASTCNN_INLINE_LAMBDA __attribute__((always_inline))

#if defined(FASTCNN_VEC_AVX512)
#include "simd/vec_avx512.h"
#elif defined(FASTCNN_VEC_AVX2)
#include "simd/vec_avx2.h"
#elif defined(FASTCNN_VEC_NEON)
#include "simd/vec_neon.h"
#else
#include "simd/vec_baseline.h"
#endif

namespace fastcnn::FASTCNN_ISA {

#if !defined(FASTCNN_VEC_AVX512)
constexpr int kNarrowLanes = kLanes;
using NarrowVec = Vec;
FASTCNN_INLINE NarrowVec load_narrow(const float* p) { return load(p); }
FASTCNN_INLINE NarrowVec broadcast_narrow(float x) { return broadcast(x); }
#endif
FASTCNN_INLINE Vec widened(Vec v) { return v; }
template <class V>
FASTCNN_INLINE V load_as(const float* p) {
  if constexpr (sizeof(V) == sizeof(Vec))
    return load(p);
  else
    return load_narrow(p);
}
template <class V>
FASTCNN_INLINE V broadcast_as(float x) {
  if constexpr (sizeof(V) == sizeof(Vec))
    return broadcast(x);
  else
    return broadcast_narrow(x);
}

FASTCNN_INLINE Vec zero() { return Vec{}; }

// Lane by lane: a where mask is set, else b.
FASTCNN_INLINE Vec select(IntVec mask, Vec a, Vec b) { return mask ? a : b; }

FASTCNN_INLINE IntVec bits_of(Vec v) {
  IntVec bits;
  memcpy(&bits, &v, sizeof bits);
  return bits;
}
FASTCNN_INLINE Vec from_bits(IntVec bits) {
  Vec v;
  memcpy(&v, &bits, sizeof v);
  return v;
}

#if !defined(FASTCNN_VEC_AVX512)
FASTCNN_INLINE Vec times_power_of_two(Vec v, Vec n) {
  const Vec scaled = from_bits(bits_of(v) + (__builtin_convertvector(n, IntVec) << 23));
  return select(n > broadcast(127.0f), broadcast(__builtin_inff()), scaled);
}
#endif

FASTCNN_INLINE Vec to_float(IntVec v) { return __builtin_convertvector(v, Vec); }
FASTCNN_INLINE Vec abs(Vec v) { return from_bits(bits_of(v) & 0x7fffffff); }

// Returns the same address in a way that the compiler cannot see: values that it loaded from there before are loaded again, instead of
// being kept in registers that the sums need.
FASTCNN_INLINE const float* afresh(const float* p) {
  asm volatile("" : "+r"(p));
  return p;
}

// Calls body(Constant<0>{}), ..., body(Constant<N - 1>{}): a loop whose counter indexes registers. The index sequence is the compiler's
// own, because std::index_sequence would be a template shared by all ISAs.
template <int I>
struct Constant {
  static constexpr int value = I;
  constexpr operator int() const { return I; }
};
template <int... I>
struct Sequence {};
#if defined(__clang__)
template <class, int... I>
struct FromCompiler {
  using type = Sequence<I...>;
};
template <int N>
using SequenceOf = typename __make_integer_seq<FromCompiler, int, N>::type;
#else
template <int N>
using SequenceOf = Sequence<__integer_pack(N)...>;
#endif
template <class Body, int... I>
FASTCNN_INLINE void unroll_sequence(Body&& body, Sequence<I...>) {
  (body(Constant<I>{}), ...);
}
template <int N, class Body>
FASTCNN_INLINE void unroll(Body&& body) {
  unroll_sequence(body, SequenceOf<N>{});
}

// A barrier for loads: none moves across it, and no loaded value is used again after it. Without it GCC keeps values that neighbouring
// iterations of a loop both load in registers (predictive commoning), even where accumulators take all registers, and spills.
FASTCNN_INLINE void forget_loads() { __asm__ volatile("" ::: "memory"); }

}  // namespace fastcnn::FASTCNN_ISA
