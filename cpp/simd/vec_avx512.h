// AVX-512 (F, BW, DQ, VL): 16 lanes, 32 registers, masked loads and stores.
#pragma once

#include <immintrin.h>

namespace fastcnn::FASTCNN_ISA {

constexpr int kLanes = 16;
constexpr int kRegisters = 32;
using Vec = float __attribute__((vector_size(64)));
using IntVec = int32_t __attribute__((vector_size(64)));

FASTCNN_INLINE Vec load(const float* p) { return (Vec)_mm512_loadu_ps(p); }
FASTCNN_INLINE void store(float* p, Vec v) { _mm512_storeu_ps(p, (__m512)v); }
FASTCNN_INLINE __mmask16 first_lanes(int n) { return (__mmask16)((1u << n) - 1); }
FASTCNN_INLINE Vec load_first(const float* p, int n) { return (Vec)_mm512_maskz_loadu_ps(first_lanes(n), p); }
FASTCNN_INLINE void store_first(float* p, Vec v, int n) { _mm512_mask_storeu_ps(p, first_lanes(n), (__m512)v); }
FASTCNN_INLINE Vec broadcast(float x) { return (Vec)_mm512_set1_ps(x); }
FASTCNN_INLINE Vec fma(Vec a, Vec b, Vec c) { return (Vec)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c); }
FASTCNN_INLINE Vec max(Vec a, Vec b) { return (Vec)_mm512_max_ps((__m512)a, (__m512)b); }
FASTCNN_INLINE Vec min(Vec a, Vec b) { return (Vec)_mm512_min_ps((__m512)a, (__m512)b); }
FASTCNN_INLINE Vec sqrt(Vec v) { return (Vec)_mm512_sqrt_ps((__m512)v); }
FASTCNN_INLINE float sum(Vec v) { return _mm512_reduce_add_ps((__m512)v); }
FASTCNN_INLINE IntVec round_to_int(Vec v) { return (IntVec)_mm512_cvtps_epi32((__m512)v); }
FASTCNN_INLINE uint32_t set_lanes(IntVec mask) { return _mm512_movepi32_mask((__m512i)mask); }
FASTCNN_INLINE Vec times_power_of_two(Vec v, Vec n) { return (Vec)_mm512_scalef_ps((__m512)v, (__m512)n); }

constexpr int kNarrowLanes = 8;  // half the time on processors that compute 512 bits as two halves, one after the other (Zen 4)
using NarrowVec = float __attribute__((vector_size(32)));
FASTCNN_INLINE NarrowVec load_narrow(const float* p) { return (NarrowVec)_mm256_loadu_ps(p); }
FASTCNN_INLINE NarrowVec broadcast_narrow(float x) { return (NarrowVec)_mm256_set1_ps(x); }
FASTCNN_INLINE void store(float* p, NarrowVec v) { _mm256_storeu_ps(p, (__m256)v); }
FASTCNN_INLINE NarrowVec fma(NarrowVec a, NarrowVec b, NarrowVec c) { return (NarrowVec)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c); }
FASTCNN_INLINE NarrowVec max(NarrowVec a, NarrowVec b) { return (NarrowVec)_mm256_max_ps((__m256)a, (__m256)b); }
FASTCNN_INLINE NarrowVec min(NarrowVec a, NarrowVec b) { return (NarrowVec)_mm256_min_ps((__m256)a, (__m256)b); }
FASTCNN_INLINE Vec load_twice(const float* p) { return (Vec)_mm512_broadcast_f32x8(_mm256_loadu_ps(p)); }
FASTCNN_INLINE Vec joined(Vec a, Vec b) { return (Vec)_mm512_mask_blend_ps(0xff00, (__m512)a, (__m512)b); }  // lower half of a, upper of b
FASTCNN_INLINE NarrowVec lower_half(Vec v) { return (NarrowVec)_mm512_castps512_ps256((__m512)v); }
FASTCNN_INLINE NarrowVec upper_half(Vec v) { return (NarrowVec)_mm512_extractf32x8_ps((__m512)v, 1); }
FASTCNN_INLINE Vec widened(NarrowVec v) { return (Vec)_mm512_zextps256_ps512((__m256)v); }

}  // namespace fastcnn::FASTCNN_ISA
