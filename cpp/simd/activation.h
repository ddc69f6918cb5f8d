// The element-wise functions of kernels/arguments.h and their derivatives, on a Vec. `a` and `b` are the parameters of those that have
// some. NaN stays NaN.
#pragma once

#include "kernels/arguments.h"
#include "simd/math.h"

namespace fastcnn::FASTCNN_ISA {

FASTCNN_INLINE Vec clip(Vec x, Vec low, Vec high) { return min(high, max(low, x)); }

// (1 + e^x)^2 = 1 + m with m = e^x (e^x + 2), so tanh(log(1 + e^x)) = m / (m + 2). Beyond 20 it is 1, and e^x must not overflow.
FASTCNN_INLINE Vec tanh_of_softplus(Vec x) {
  const Vec e = exp(min(broadcast(20.0f), x)), m = e * (e + 2.0f);
  return m / (m + 2.0f);
}

template <ActivationKind Kind>
FASTCNN_INLINE Vec activation(Vec x, Vec a, Vec b) {
  using enum ActivationKind;
  if constexpr (Kind == relu) return max(zero(), x);
  if constexpr (Kind == clipped) return clip(x, a, b);
  if constexpr (Kind == leaky_relu) return select(x < zero(), a * x, x);
  if constexpr (Kind == elu) return select(x <= zero(), a * exp_minus_one_of_negative(min(zero(), x)), x);
  if constexpr (Kind == ActivationKind::sigmoid) return FASTCNN_ISA::sigmoid(x);
  if constexpr (Kind == ActivationKind::tanh) return FASTCNN_ISA::tanh(x);
  if constexpr (Kind == silu) return x * FASTCNN_ISA::sigmoid(x);
  if constexpr (Kind == gelu) return 0.5f * x * (1.0f + erf(x * 0.70710678118654752f));
  if constexpr (Kind == hardsigmoid) return clip(x * (1.0f / 6) + 0.5f, zero(), broadcast(1.0f));
  if constexpr (Kind == hardswish) return x * clip(x * (1.0f / 6) + 0.5f, zero(), broadcast(1.0f));
  if constexpr (Kind == mish) return x * tanh_of_softplus(x);
  return x;  // identity
}

// At a kink, the derivative that PyTorch takes.
template <ActivationKind Kind>
FASTCNN_INLINE Vec derivative(Vec x, Vec a, Vec b) {
  using enum ActivationKind;
  const Vec one = broadcast(1.0f);
  if constexpr (Kind == relu) return select(x > zero(), one, zero());
  if constexpr (Kind == clipped) return select((x > a) & (x < b), one, zero());
  if constexpr (Kind == leaky_relu) return select(x > zero(), one, a);
  if constexpr (Kind == elu) return select(x > zero(), one, a * exp(min(zero(), x)));
  if constexpr (Kind == ActivationKind::sigmoid) {
    const Vec s = FASTCNN_ISA::sigmoid(x);
    return s * (1.0f - s);
  }
  if constexpr (Kind == ActivationKind::tanh) {
    const Vec t = FASTCNN_ISA::tanh(x);
    return 1.0f - t * t;
  }
  if constexpr (Kind == silu) {
    const Vec s = FASTCNN_ISA::sigmoid(x);
    return s * (1.0f + x * (1.0f - s));
  }
  if constexpr (Kind == gelu) {
    const Vec density = exp(-0.5f * x * x) * 0.39894228040143268f;
    return 0.5f * (1.0f + erf(x * 0.70710678118654752f)) + x * density;
  }
  if constexpr (Kind == hardsigmoid) return select((x > broadcast(-3.0f)) & (x < broadcast(3.0f)), broadcast(1.0f / 6), zero());
  if constexpr (Kind == hardswish) return select(x <= broadcast(-3.0f), zero(), select(x < broadcast(3.0f), x * (1.0f / 3) + 0.5f, one));
  if constexpr (Kind == mish) {
    const Vec t = tanh_of_softplus(x);
    return t + x * (1.0f - t * t) * FASTCNN_ISA::sigmoid(x);
  }
  return one;  // identity
}

template <ActivationKind Kind>
struct KindConstant {
  static constexpr ActivationKind value = Kind;
};

// Calls body(KindConstant<kind>{}): the choice is made once, outside of the loop over elements.
template <class Body>
FASTCNN_INLINE void with_kind(ActivationKind kind, Body&& body) {
  using enum ActivationKind;
  switch (kind) {
    case identity: return body(KindConstant<identity>{});
    case relu: return body(KindConstant<relu>{});
    case clipped: return body(KindConstant<clipped>{});
    case leaky_relu: return body(KindConstant<leaky_relu>{});
    case elu: return body(KindConstant<elu>{});
    case ActivationKind::sigmoid: return body(KindConstant<ActivationKind::sigmoid>{});
    case ActivationKind::tanh: return body(KindConstant<ActivationKind::tanh>{});
    case silu: return body(KindConstant<silu>{});
    case gelu: return body(KindConstant<gelu>{});
    case hardsigmoid: return body(KindConstant<hardsigmoid>{});
    case hardswish: return body(KindConstant<hardswish>{});
    case mish: return body(KindConstant<mish>{});
  }
}

}  // namespace fastcnn::FASTCNN_ISA
