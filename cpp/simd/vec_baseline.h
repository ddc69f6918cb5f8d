// The portable baseline: 4 lanes in the compiler's own vector types, no intrinsics. On x86-64 it is SSE2; a multiply-add rounds twice.
#pragma once

#include <math.h>

namespace fastcnn::FASTCNN_ISA {

constexpr int kLanes = 4;
constexpr int kRegisters = 16;
using Vec = float __attribute__((vector_size(16)));
using IntVec = int32_t __attribute__((vector_size(16)));

FASTCNN_INLINE Vec load(const float* p) {
  Vec v;
  memcpy(&v, p, sizeof v);
  return v;
}
FASTCNN_INLINE void store(float* p, Vec v) { memcpy(p, &v, sizeof v); }
FASTCNN_INLINE Vec load_first(const float* p, int n) {
  float lanes[kLanes] = {};
  for (int i = 0; i < n; ++i) lanes[i] = p[i];
  return load(lanes);
}
FASTCNN_INLINE void store_first(float* p, Vec v, int n) {
  for (int i = 0; i < n; ++i) p[i] = v[i];
}
FASTCNN_INLINE Vec broadcast(float x) { return Vec{x, x, x, x}; }
FASTCNN_INLINE Vec fma(Vec a, Vec b, Vec c) { return a * b + c; }
FASTCNN_INLINE Vec max(Vec a, Vec b) { return a > b ? a : b; }
FASTCNN_INLINE Vec min(Vec a, Vec b) { return a < b ? a : b; }
FASTCNN_INLINE Vec sqrt(Vec v) { return Vec{sqrtf(v[0]), sqrtf(v[1]), sqrtf(v[2]), sqrtf(v[3])}; }
FASTCNN_INLINE float sum(Vec v) { return (v[0] + v[2]) + (v[1] + v[3]); }
FASTCNN_INLINE IntVec round_to_int(Vec v) {
  const Vec half = broadcast(0.5f);
  return __builtin_convertvector(v + (v < 0 ? -half : half), IntVec);
}
FASTCNN_INLINE uint32_t set_lanes(IntVec mask) {
  const IntVec bits = mask & IntVec{1, 2, 4, 8};
  return (uint32_t)((bits[0] | bits[1]) | (bits[2] | bits[3]));
}

}  // namespace fastcnn::FASTCNN_ISA
