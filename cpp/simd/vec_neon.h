// NEON of AArch64: 4 lanes, 32 registers. No masked memory operations: partial vectors go through a small array.
#pragma once

#include <arm_neon.h>

namespace fastcnn::FASTCNN_ISA {

constexpr int kLanes = 4;
constexpr int kRegisters = 32;
using Vec = float __attribute__((vector_size(16)));
using IntVec = int32_t __attribute__((vector_size(16)));

FASTCNN_INLINE Vec load(const float* p) { return (Vec)vld1q_f32(p); }
FASTCNN_INLINE void store(float* p, Vec v) { vst1q_f32(p, (float32x4_t)v); }
FASTCNN_INLINE Vec load_first(const float* p, int n) {
  float lanes[kLanes] = {};
  for (int i = 0; i < n; ++i) lanes[i] = p[i];
  return load(lanes);
}
FASTCNN_INLINE void store_first(float* p, Vec v, int n) {
  for (int i = 0; i < n; ++i) p[i] = v[i];
}
FASTCNN_INLINE Vec broadcast(float x) { return (Vec)vdupq_n_f32(x); }
FASTCNN_INLINE Vec fma(Vec a, Vec b, Vec c) { return (Vec)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b); }
FASTCNN_INLINE Vec max(Vec a, Vec b) { return a > b ? a : b; }
FASTCNN_INLINE Vec min(Vec a, Vec b) { return a < b ? a : b; }
FASTCNN_INLINE Vec sqrt(Vec v) { return (Vec)vsqrtq_f32((float32x4_t)v); }
FASTCNN_INLINE float sum(Vec v) { return (v[0] + v[2]) + (v[1] + v[3]); }
FASTCNN_INLINE IntVec round_to_int(Vec v) { return (IntVec)vcvtnq_s32_f32((float32x4_t)v); }
FASTCNN_INLINE uint32_t set_lanes(IntVec mask) { return vaddvq_u32((uint32x4_t)(mask & IntVec{1, 2, 4, 8})); }

}  // namespace fastcnn::FASTCNN_ISA
