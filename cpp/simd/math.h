// Elementary functions of a Vec. Each is within about 2 ulp (3e-7 relative) of the true value over the whole range of float; infinities and
// NaN are treated as in C. e^x: Cody & Waite reduction to [-ln2 / 2, ln2 / 2], then the minimax polynomial of Cephes' expf (S. Moshier).
#pragma once

#include "simd/vec.h"

namespace fastcnn::FASTCNN_ISA {

// 2^n for -126 <= n <= 127, by its bits.
FASTCNN_INLINE Vec power_of_two(IntVec n) { return from_bits((n + 127) << 23); }

// e^x = 2^n (1 + tail), n an integer. x must lie where that n is between -150 and 128; NaN goes to the tail.
struct ExpParts {
  IntVec n;
  Vec tail;
};

FASTCNN_INLINE ExpParts exp_parts(Vec x) {
  const IntVec n = round_to_int(select(x == x, x, zero()) * 1.44269504088896341f);
  const Vec whole = to_float(n);
  Vec r = fma(whole, broadcast(-0.693359375f), x);
  r = fma(whole, broadcast(2.12194440e-4f), r);
  Vec p = broadcast(1.9875691500e-4f);
  p = fma(p, r, broadcast(1.3981999507e-3f));
  p = fma(p, r, broadcast(8.3334519073e-3f));
  p = fma(p, r, broadcast(4.1665795894e-2f));
  p = fma(p, r, broadcast(1.6666665459e-1f));
  p = fma(p, r, broadcast(5.0000001201e-1f));
  return {n, fma(p, r * r, r)};
}

FASTCNN_INLINE Vec exp(Vec x) {
  const Vec highest = broadcast(88.7228394f), lowest = broadcast(-103.97208f);
  const ExpParts parts = exp_parts(min(highest, max(lowest, x)));
  const IntVec half = parts.n >> 1;  // two factors: 2^n itself may lie outside what one float holds
  const Vec y = (parts.tail + 1.0f) * power_of_two(half) * power_of_two(parts.n - half);
  return select(x > highest, broadcast(__builtin_inff()), select(x < lowest, zero(), y));
}

// e^x - 1 for x <= 0, without the cancellation near 0.
FASTCNN_INLINE Vec exp_minus_one_of_negative(Vec x) {
  const ExpParts parts = exp_parts(max(broadcast(-50.0f), x));
  const Vec scale = power_of_two(parts.n);
  return fma(scale, parts.tail, scale - 1.0f);
}

FASTCNN_INLINE Vec sigmoid(Vec x) { return 1.0f / (1.0f + exp(-x)); }

// Below 0.625 the odd polynomial of Cephes' tanhf, above it 1 - 2 / (e^2|x| + 1).
FASTCNN_INLINE Vec tanh(Vec x) {
  const Vec size = abs(x), z = x * x;
  Vec p = broadcast(-5.70498872745e-3f);
  p = fma(p, z, broadcast(2.06390887954e-2f));
  p = fma(p, z, broadcast(-5.37397155531e-2f));
  p = fma(p, z, broadcast(1.33314422036e-1f));
  p = fma(p, z, broadcast(-3.33332819422e-1f));
  const Vec small = fma(p * z, x, x);
  const Vec large = 1.0f - 2.0f / (exp(size + size) + 1.0f);
  return select(size > broadcast(0.625f), select(x < zero(), -large, large), small);
}

// The odd rational function of Eigen's erf, which is 1 to the last bit from 4 on.
FASTCNN_INLINE Vec erf(Vec x) {
  const Vec v = min(broadcast(4.0f), max(broadcast(-4.0f), x)), z = v * v;
  Vec p = broadcast(-2.72614225801306e-10f);
  p = fma(p, z, broadcast(2.77068142495902e-08f));
  p = fma(p, z, broadcast(-2.10102402082508e-06f));
  p = fma(p, z, broadcast(-5.69250639462346e-05f));
  p = fma(p, z, broadcast(-7.34990630326855e-04f));
  p = fma(p, z, broadcast(-2.95459980854025e-03f));
  p = fma(p, z, broadcast(-1.60960333262415e-02f));
  Vec q = broadcast(-1.45660718464996e-05f);
  q = fma(q, z, broadcast(-2.13374055278905e-04f));
  q = fma(q, z, broadcast(-1.68282697438203e-03f));
  q = fma(q, z, broadcast(-7.37332916720468e-03f));
  q = fma(q, z, broadcast(-1.42647390514189e-02f));
  return v * p / q;
}

}  // namespace fastcnn::FASTCNN_ISA
