// Elementary functions of a Vec. Each is within about 2 ulp (3e-7 relative) of the true value over the whole range of float; infinities and
// NaN are treated as in C. Denormals count as zeros, as they do in a run. simd/wide.h has functions whose intermediate values need more
// digits.
//
// e^x: Cody & Waite reduction to [-ln2 / 2, ln2 / 2], then the minimax polynomial of Cephes' expf (S. Moshier).
#pragma once

#include "simd/vec.h"

namespace fastcnn::FASTCNN_ISA {

FASTCNN_INLINE IntVec sign_of(Vec x) { return bits_of(x) & (int32_t)0x80000000; }

// The nearest integer, halves to the even one. Floats from 2^23 on are integers, so adding 2^23 rounds to an integer.
FASTCNN_INLINE Vec round(Vec x) {
  const float first_integer = 8388608.0f;
  const Vec size = abs(x);
  const Vec rounded = (size + first_integer) - first_integer;
  return select(size < broadcast(first_integer), from_bits(bits_of(rounded) | sign_of(x)), x);
}

FASTCNN_INLINE Vec floor(Vec x) {
  const Vec nearest = round(x);
  return select(nearest > x, nearest - 1.0f, nearest);
}

FASTCNN_INLINE Vec ceil(Vec x) { return -floor(-x); }

// 2^n for -126 <= n <= 127, made of its bits.
FASTCNN_INLINE Vec power_of_two(IntVec n) { return from_bits((n + 127) << 23); }

// e^x = 2^n (1 + tail), n an integer. x must lie where that n is between -150 and 128; NaN goes to the tail.
struct ExpParts {
  IntVec n;
  Vec tail;
};

// e^(x - whole ln2) - 1.
FASTCNN_INLINE Vec exp_tail(Vec x, Vec whole) {
  Vec r = fma(whole, broadcast(-0.693359375f), x);
  r = fma(whole, broadcast(2.12194440e-4f), r);
  Vec p = broadcast(1.9875691500e-4f);
  p = fma(p, r, broadcast(1.3981999507e-3f));
  p = fma(p, r, broadcast(8.3334519073e-3f));
  p = fma(p, r, broadcast(4.1665795894e-2f));
  p = fma(p, r, broadcast(1.6666665459e-1f));
  p = fma(p, r, broadcast(5.0000001201e-1f));
  return fma(p, r * r, r);
}

FASTCNN_INLINE ExpParts exp_parts(Vec x) {
  const IntVec n = round_to_int(select(x == x, x, zero()) * 1.44269504088896341f);
  return {n, exp_tail(x, to_float(n))};
}

FASTCNN_INLINE Vec exp(Vec x) {
  const Vec highest = broadcast(88.7228394f), lowest = broadcast(-103.97208f);
  const ExpParts parts = exp_parts(min(highest, max(lowest, x)));
  const IntVec half = parts.n >> 1;  // two factors, because 2^n itself may lie outside the range of a float
  const Vec y = (parts.tail + 1.0f) * power_of_two(half) * power_of_two(parts.n - half);
  return select(x > highest, broadcast(__builtin_inff()), select(x < lowest, zero(), y));
}

// 2 artanh(s) = log((1 + s) / (1 - s)) = 2 s (1 + s^2 / 3 + s^4 / 5 + ...) for |s| <= 1/3. The first omitted term is below 9^-8 / 17.
FASTCNN_INLINE Vec twice_artanh(Vec s) {
  const Vec z = s * s;
  Vec p = broadcast(1.0f / 15);
  p = fma(p, z, broadcast(1.0f / 13));
  p = fma(p, z, broadcast(1.0f / 11));
  p = fma(p, z, broadcast(1.0f / 9));
  p = fma(p, z, broadcast(1.0f / 7));
  p = fma(p, z, broadcast(1.0f / 5));
  p = fma(p, z, broadcast(1.0f / 3));
  return fma(p * z, s + s, s + s);
}

// x = 2^n m with m between sqrt(1/2) and sqrt(2), for positive normal numbers.
struct LogParts {
  IntVec n;
  Vec m;
};

FASTCNN_INLINE LogParts log_parts(Vec x) {
  const int32_t root_half = 0x3f3504f3;  // the bits of sqrt(1/2): after the subtraction the exponent field counts from there
  const IntVec n = (bits_of(x) - root_half) >> 23;
  return {n, from_bits(bits_of(x) - (n << 23))};
}

constexpr float kSmallestNormal = 0x1p-126f;

// log x = n ln2 + log m, and log m = 2 artanh((m - 1) / (m + 1)).
FASTCNN_INLINE Vec log(Vec x) {
  const LogParts parts = log_parts(abs(x));  // the bits of a negative number would overflow; its result is chosen below
  const Vec whole = to_float(parts.n);
  const Vec y =
      fma(whole, broadcast(0.693359375f), fma(whole, broadcast(-2.12194440e-4f), twice_artanh((parts.m - 1.0f) / (parts.m + 1.0f))));
  const Vec positive = select(x < broadcast(__builtin_inff()), y, x);  // infinity and NaN stay
  const Vec not_positive = select(x < zero(), broadcast(__builtin_nanf("")), broadcast(-__builtin_inff()));
  return select(abs(x) < broadcast(kSmallestNormal), broadcast(-__builtin_inff()), select(x <= zero(), not_positive, positive));
}

// log(1 + e^x) = max(x, 0) + log(1 + u) with u = e^-|x|, and log(1 + u) = 2 artanh(u / (2 + u)).
FASTCNN_INLINE Vec softplus(Vec x) {
  const Vec u = exp(-abs(x));
  return max(zero(), x) + twice_artanh(u / (u + 2.0f));
}

// e^x - 1 for x <= 0, without cancellation near 0.
FASTCNN_INLINE Vec exp_minus_one_of_negative(Vec x) {
  const ExpParts parts = exp_parts(max(broadcast(-50.0f), x));
  const Vec scale = power_of_two(parts.n);
  return fma(scale, parts.tail, scale - 1.0f);
}

// 1 + e^-x = 1 + 2^n e^-r with r = x + n ln2 between -ln2 / 2 and ln2 / 2. For x outside the range of t the result is 1 or infinity. Adding
// 1.5 2^23 rounds to an integer, here from -126 to 128. The polynomial is the minimax polynomial of its degree, with an error of 7.5e-8.
FASTCNN_INLINE Vec one_plus_exp_of_minus(Vec x) {
  const Vec t = min(broadcast(87.0f), max(broadcast(-89.0f), x));
  const float shift = 12582912.0f;
  const Vec n = fma(t, broadcast(-1.44269504088896341f), broadcast(shift)) - shift;
  Vec r = fma(n, broadcast(0.693359375f), t);
  r = fma(n, broadcast(-2.12194440e-4f), r);
  Vec p = broadcast(-8.297655081e-03f);
  p = fma(p, r, broadcast(4.191538199e-02f));
  p = fma(p, r, broadcast(-1.666757473e-01f));
  p = fma(p, r, broadcast(4.999889484e-01f));
  p = fma(p, r, broadcast(-9.999996920e-01f));
  p = fma(p, r, broadcast(1.000000072e+00f));
  return times_power_of_two(p, n) + 1.0f;
}

FASTCNN_INLINE Vec sigmoid(Vec x) { return 1.0f / one_plus_exp_of_minus(x); }

// Up to |x| = 0.625 the odd polynomial of Cephes' tanhf, beyond it 1 - 2 / (e^2|x| + 1).
FASTCNN_INLINE Vec tanh(Vec x) {
  const Vec size = abs(x);
  const Vec z = x * x;
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
  const Vec v = min(broadcast(4.0f), max(broadcast(-4.0f), x));
  const Vec z = v * v;
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
