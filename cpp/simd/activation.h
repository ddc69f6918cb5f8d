// The element-wise functions of simd/activations.inc and their derivatives, on a Vec. `a` and `b` are the parameters of the functions that
// have parameters. NaN stays NaN.
#pragma once

#include "simd/activation_kind.h"
#include "simd/wide.h"

namespace fastcnn::FASTCNN_ISA {

FASTCNN_INLINE Vec clip(Vec x, Vec low, Vec high) { return min(high, max(low, x)); }

FASTCNN_INLINE Vec elu(Vec x, Vec a) { return select(x <= zero(), a * exp_minus_one_of_negative(min(zero(), x)), x); }
FASTCNN_INLINE Vec elu_derivative(Vec x, Vec a) { return select(x > zero(), broadcast(1.0f), a * exp(min(zero(), x))); }

FASTCNN_INLINE Vec sign(Vec x) {
  return select(x == x, select(x > zero(), broadcast(1.0f), select(x < zero(), broadcast(-1.0f), zero())), x);
}

// (1 + e^x)^2 = 1 + m with m = e^x (e^x + 2), so tanh(log(1 + e^x)) = m / (m + 2). For x > 20 the result is 1; x is clipped at 20 so that
// e^x does not overflow.
FASTCNN_INLINE Vec tanh_of_softplus(Vec x) {
  const Vec e = exp(min(broadcast(20.0f), x));
  const Vec m = e * (e + 2.0f);
  return m / (m + 2.0f);
}

// (1 + tanh(u)) / 2 = sigmoid(2 u), which has no cancellation for negative u; 2 u = 2 sqrt(2 / pi) (x + 0.044715 x^3).
FASTCNN_INLINE Vec gelu_tanh_gate(Vec x) { return sigmoid(1.5957691216057308f * x * (0.044715f * x * x + 1.0f)); }

FASTCNN_INLINE Vec gelu_tanh_derivative(Vec x) {
  const Vec near = clip(x, broadcast(-20.0f), broadcast(20.0f));  // for larger |x| the slope is 0 or 1, and x^2 may overflow
  const Vec gate = gelu_tanh_gate(near);
  return gate + near * gate * (1.0f - gate) * (1.5957691216057308f * (0.134145f * near * near + 1.0f));
}

template <ActivationKind Kind>
FASTCNN_INLINE Vec activation(Vec x, Vec a, Vec b) {
  using K = ActivationKind;
  if constexpr (Kind == K::relu) return max(zero(), x);
  if constexpr (Kind == K::clipped) return clip(x, a, b);
  if constexpr (Kind == K::leaky_relu) return select(x < zero(), a * x, x);
  if constexpr (Kind == K::elu) return elu(x, a);
  if constexpr (Kind == K::selu) return b * elu(x, a);
  if constexpr (Kind == K::sigmoid) return sigmoid(x);
  if constexpr (Kind == K::tanh) return tanh(x);
  if constexpr (Kind == K::silu) return x / one_plus_exp_of_minus(x);
  if constexpr (Kind == K::gelu) return 0.5f * x * (1.0f + erf(x * 0.70710678118654752f));
  if constexpr (Kind == K::gelu_tanh) return x * gelu_tanh_gate(x);
  if constexpr (Kind == K::hardsigmoid) return clip(fma(x, a, b), zero(), broadcast(1.0f));
  if constexpr (Kind == K::hardswish) return x * clip(x * (1.0f / 6) + 0.5f, zero(), broadcast(1.0f));
  if constexpr (Kind == K::mish) return x * tanh_of_softplus(x);
  if constexpr (Kind == K::softplus) return softplus(x);
  if constexpr (Kind == K::exp) return exp(x);
  if constexpr (Kind == K::log) return log(x);
  if constexpr (Kind == K::sqrt) return sqrt(x);
  if constexpr (Kind == K::reciprocal) return 1.0f / x;
  if constexpr (Kind == K::power) return power_of_one(x, a[0]);
  if constexpr (Kind == K::abs) return abs(x);
  if constexpr (Kind == K::sign) return sign(x);
  if constexpr (Kind == K::floor) return floor(x);
  if constexpr (Kind == K::ceil) return ceil(x);
  if constexpr (Kind == K::round) return round(x);
  if constexpr (Kind == K::erf) return erf(x);
  if constexpr (Kind == K::sin) return sin(x);
  if constexpr (Kind == K::cos) return cos(x);
  return x;  // identity
}

// The derivative. At a kink it is the one that PyTorch takes.
template <ActivationKind Kind>
FASTCNN_INLINE Vec derivative(Vec x, Vec a, Vec b) {
  using K = ActivationKind;
  const Vec one = broadcast(1.0f);
  if constexpr (Kind == K::relu) return select(x > zero(), one, zero());
  if constexpr (Kind == K::clipped) return select((x > a) & (x < b), one, zero());
  if constexpr (Kind == K::leaky_relu) return select(x > zero(), one, a);
  if constexpr (Kind == K::elu) return elu_derivative(x, a);
  if constexpr (Kind == K::selu) return b * elu_derivative(x, a);
  if constexpr (Kind == K::sigmoid) {
    const Vec s = sigmoid(x);
    return s * (1.0f - s);
  }
  if constexpr (Kind == K::tanh) {
    const Vec t = tanh(x);
    return 1.0f - t * t;
  }
  if constexpr (Kind == K::silu) {
    const Vec s = sigmoid(x);
    return s * (1.0f + x * (1.0f - s));
  }
  if constexpr (Kind == K::gelu) {
    const Vec density = exp(-0.5f * x * x) * 0.39894228040143268f;
    return 0.5f * (1.0f + erf(x * 0.70710678118654752f)) + x * density;
  }
  if constexpr (Kind == K::gelu_tanh) return gelu_tanh_derivative(x);
  if constexpr (Kind == K::hardsigmoid) {
    const Vec y = fma(x, a, b);
    return select((y > zero()) & (y < one), a, zero());
  }
  if constexpr (Kind == K::hardswish) return select(x <= broadcast(-3.0f), zero(), select(x < broadcast(3.0f), x * (1.0f / 3) + 0.5f, one));
  if constexpr (Kind == K::mish) {
    const Vec t = tanh_of_softplus(x);
    return t + x * (1.0f - t * t) * sigmoid(x);
  }
  if constexpr (Kind == K::softplus) return sigmoid(x);
  if constexpr (Kind == K::exp) return exp(x);
  if constexpr (Kind == K::log) return 1.0f / x;
  if constexpr (Kind == K::sqrt) return 0.5f / sqrt(x);
  if constexpr (Kind == K::reciprocal) return -1.0f / (x * x);
  if constexpr (Kind == K::power) return a[0] == 0.0f ? zero() : a * power_of_one(x, a[0] - 1.0f);
  if constexpr (Kind == K::abs) return sign(x);
  if constexpr (Kind == K::sign || Kind == K::floor || Kind == K::ceil || Kind == K::round) return zero();
  if constexpr (Kind == K::erf) return exp(-x * x) * 1.12837916709551257f;
  if constexpr (Kind == K::sin) return cos(x);
  if constexpr (Kind == K::cos) return -sin(x);
  return one;  // identity
}

template <ActivationKind Kind>
struct KindConstant {
  static constexpr ActivationKind value = Kind;
};

// Calls body(KindConstant<kind>{}). The function is chosen once, outside the loop over elements.
template <class Body>
FASTCNN_INLINE void with_kind(ActivationKind kind, Body&& body) {
  switch (kind) {
#define FASTCNN_ACTIVATION(name) \
  case ActivationKind::name: return body(KindConstant<ActivationKind::name>{});
#include "simd/activations.inc"
#undef FASTCNN_ACTIVATION
  }
}

}  // namespace fastcnn::FASTCNN_ISA
