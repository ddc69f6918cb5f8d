// AVX2 with FMA: 8 lanes, 16 registers, masked loads and stores through a vector mask.
#pragma once

#include <immintrin.h>

namespace fastcnn::FASTCNN_ISA {

constexpr int kLanes = 8;
constexpr int kRegisters = 16;
using Vec = float __attribute__((vector_size(32)));
using IntVec = int32_t __attribute__((vector_size(32)));

FASTCNN_INLINE Vec load(const float* p) { return (Vec)_mm256_loadu_ps(p); }
FASTCNN_INLINE void store(float* p, Vec v) { _mm256_storeu_ps(p, (__m256)v); }
FASTCNN_INLINE __m256i first_lanes(int n) { return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7)); }
FASTCNN_INLINE Vec load_first(const float* p, int n) { return (Vec)_mm256_maskload_ps(p, first_lanes(n)); }
FASTCNN_INLINE void store_first(float* p, Vec v, int n) { _mm256_maskstore_ps(p, first_lanes(n), (__m256)v); }
FASTCNN_INLINE Vec broadcast(float x) { return (Vec)_mm256_set1_ps(x); }
FASTCNN_INLINE Vec fma(Vec a, Vec b, Vec c) { return (Vec)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c); }
FASTCNN_INLINE Vec max(Vec a, Vec b) { return (Vec)_mm256_max_ps((__m256)a, (__m256)b); }
FASTCNN_INLINE Vec min(Vec a, Vec b) { return (Vec)_mm256_min_ps((__m256)a, (__m256)b); }
FASTCNN_INLINE Vec sqrt(Vec v) { return (Vec)_mm256_sqrt_ps((__m256)v); }
FASTCNN_INLINE float sum(Vec v) {
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128((__m256)v), _mm256_extractf128_ps((__m256)v, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}
FASTCNN_INLINE IntVec round_to_int(Vec v) { return (IntVec)_mm256_cvtps_epi32((__m256)v); }
FASTCNN_INLINE uint32_t set_lanes(IntVec mask) { return (uint32_t)_mm256_movemask_ps((__m256)mask); }

}  // namespace fastcnn::FASTCNN_ISA
