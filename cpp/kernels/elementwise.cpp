// Element-wise functions over arrays of any length. The output may be an input.
#include "kernels/kernels.h"
#include "simd/activation.h"
#include "simd/loops.h"

namespace fastcnn::FASTCNN_ISA {

void activate(float* y, const float* x, int64_t count, Activation chosen) {
  if (chosen.kind == ActivationKind::identity && y == x) return;
  const Vec a = broadcast(chosen.a), b = broadcast(chosen.b);
  with_kind(chosen.kind, [&](auto kind) { map(y, count, [&](Vec v) { return activation<decltype(kind)::value>(v, a, b); }, x); });
}

void activate_backward(float* dx, const float* dy, const float* x, int64_t count, Activation chosen) {
  const Vec a = broadcast(chosen.a), b = broadcast(chosen.b);
  with_kind(chosen.kind,
            [&](auto kind) { map(dx, count, [&](Vec d, Vec v) { return d * derivative<decltype(kind)::value>(v, a, b); }, dy, x); });
}

void scale_shift(float* y, const float* x, int64_t count, float scale, float shift) {
  const Vec factor = broadcast(scale);
  const Vec offset = broadcast(shift);
  map(y, count, [&](Vec v) { return fma(v, factor, offset); }, x);
}

}  // namespace fastcnn::FASTCNN_ISA
