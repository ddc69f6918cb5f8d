// Functions whose intermediate values need more digits than a float has: sin, cos and powers. WideVec holds the lanes of a Vec as doubles,
// in two registers.
#pragma once

#include "simd/math.h"

namespace fastcnn::FASTCNN_ISA {

using HalfDoubles = double __attribute__((vector_size(sizeof(Vec))));
using HalfFloats = float __attribute__((vector_size(sizeof(Vec) / 2)));
using HalfInts = int32_t __attribute__((vector_size(sizeof(Vec) / 2)));

struct WideVec {
  HalfDoubles low, high;
  FASTCNN_INLINE WideVec(HalfDoubles first, HalfDoubles second) : low(first), high(second) {}
  FASTCNN_INLINE WideVec(double x) : low(HalfDoubles{} + x), high(HalfDoubles{} + x) {}
};

FASTCNN_INLINE WideVec operator+(WideVec a, WideVec b) { return {a.low + b.low, a.high + b.high}; }
FASTCNN_INLINE WideVec operator-(WideVec a, WideVec b) { return {a.low - b.low, a.high - b.high}; }
FASTCNN_INLINE WideVec operator*(WideVec a, WideVec b) { return {a.low * b.low, a.high * b.high}; }
FASTCNN_INLINE WideVec operator/(WideVec a, WideVec b) { return {a.low / b.low, a.high / b.high}; }

// Conversions from Vec or IntVec, and back: half by half, because compilers convert only between vectors of register size.
template <class Half, class All>
FASTCNN_INLINE WideVec widen_halves(All v) {
  Half halves[2];
  memcpy(halves, &v, sizeof v);
  return {__builtin_convertvector(halves[0], HalfDoubles), __builtin_convertvector(halves[1], HalfDoubles)};
}
template <class Half, class All>
FASTCNN_INLINE All narrow_halves(WideVec v) {
  const Half halves[2] = {__builtin_convertvector(v.low, Half), __builtin_convertvector(v.high, Half)};
  All all;
  memcpy(&all, halves, sizeof all);
  return all;
}
FASTCNN_INLINE WideVec widen(Vec v) { return widen_halves<HalfFloats>(v); }
FASTCNN_INLINE WideVec widen(IntVec v) { return widen_halves<HalfInts>(v); }
FASTCNN_INLINE Vec narrow(WideVec v) { return narrow_halves<HalfFloats, Vec>(v); }
FASTCNN_INLINE IntVec narrow_to_int(WideVec v) { return narrow_halves<HalfInts, IntVec>(v); }

// ---- sin, cos

// x = n pi/2 + r with |r| <= pi/4. pi/2 is split into two pieces (Cody & Waite), the first of 33 bits: its product with n is exact up to
// 2^20, so r has all its digits for |x| < 1.6e6, and an error below 2^-53 |x| beyond. |x| is clipped to 2^30.
struct Quadrant {
  IntVec n;
  Vec r;
};

FASTCNN_INLINE Quadrant quadrant(Vec x) {
  const float most = 1073741824.0f;
  const WideVec wide = widen(min(broadcast(most), max(broadcast(-most), select(x == x, x, zero()))));
  const double rounder = 6755399441055744.0;  // 1.5 2^52: adding it rounds to an integer
  const WideVec n = (wide * 0.63661977236758134308 + rounder) - rounder;
  const WideVec r = (wide - n * 1.57079632673412561417) - n * 6.07710050650619224932e-11;
  return {narrow_to_int(n), select(x == x, narrow(r), x)};
}

// Cephes' sinf and cosf between -pi/4 and pi/4.
FASTCNN_INLINE Vec sin_of_eighth(Vec r) {
  const Vec z = r * r;
  Vec p = broadcast(-1.9515295891e-4f);
  p = fma(p, z, broadcast(8.3321608736e-3f));
  p = fma(p, z, broadcast(-1.6666654611e-1f));
  return fma(p * z, r, r);
}
FASTCNN_INLINE Vec cos_of_eighth(Vec r) {
  const Vec z = r * r;
  Vec p = broadcast(2.443315711809948e-5f);
  p = fma(p, z, broadcast(-1.388731625493765e-3f));
  p = fma(p, z, broadcast(4.166664568298827e-2f));
  return fma(p * z, z, fma(broadcast(-0.5f), z, broadcast(1.0f)));
}

// sin(r + n pi/2): sine for even n, cosine for odd n, with the sign of the half circle.
FASTCNN_INLINE Vec sin_of(Quadrant q) {
  const Vec y = select((q.n & 1) == 0, sin_of_eighth(q.r), cos_of_eighth(q.r));
  return from_bits(bits_of(y) ^ ((q.n & 2) << 30));
}
FASTCNN_INLINE Vec finite_or_nan(Vec x, Vec y) { return select(abs(x) < broadcast(__builtin_inff()), y, broadcast(__builtin_nanf(""))); }
FASTCNN_INLINE Vec sin(Vec x) { return finite_or_nan(x, sin_of(quadrant(x))); }
FASTCNN_INLINE Vec cos(Vec x) {
  const Quadrant q = quadrant(x);
  return finite_or_nan(x, sin_of({q.n + 1, q.r}));
}

// ---- powers

// log2 of positive normal numbers, with an error of about 2^-36: as log in simd/math.h, with one term less because m is nearer to 1.
FASTCNN_INLINE WideVec wide_log2(Vec x) {
  const LogParts parts = log_parts(x);
  const WideVec m = widen(parts.m);
  const WideVec s = (m - 1.0) / (m + 1.0);
  const WideVec z = s * s;
  const WideVec series = ((((((z / 13 + 1.0 / 11) * z + 1.0 / 9) * z + 1.0 / 7) * z + 1.0 / 5) * z + 1.0 / 3) * z + 1.0);
  return widen(parts.n) + s * series * 2.88539008177792681472;  // 2 / ln2
}

// size^exponent = 2^t with t = exponent log2(size), for normal numbers: t = n + r, and 2^r from e^(r ln2). |t| reaches 150 where the result
// leaves the range of floats, so a float t of 24 bits would have only 16 bits after the point; here r has 24.
FASTCNN_INLINE Vec power_of_normal(Vec size, Vec exponent) {
  const WideVec t = wide_log2(size) * widen(exponent);
  const Vec near = narrow(t);
  const Vec bounded = min(broadcast(129.0f), max(broadcast(-150.0f), select(near == near, near, zero())));
  const IntVec n = round_to_int(bounded);
  const IntVec half = n >> 1;
  const Vec r = narrow((t - widen(n)) * 0.69314718055994530942);
  const Vec y = exp(r) * power_of_two(half) * power_of_two(n - half);
  return select(near >= broadcast(129.0f), broadcast(__builtin_inff()), select(near <= broadcast(-150.0f), zero(), y));
}

// x^y with all special cases of C's pow: x^0 = 1^y = 1, NaN for a negative x and y that is no integer.
FASTCNN_INLINE Vec power(Vec x, Vec y) {
  const float infinity = __builtin_inff();
  const Vec size = abs(x);
  const Vec one = broadcast(1.0f);
  Vec p = power_of_normal(size, y);
  const Vec grows = select(y > zero(), broadcast(infinity), zero());
  const Vec falls = select(y > zero(), zero(), broadcast(infinity));
  p = select(size < broadcast(kSmallestNormal), falls, select(size == broadcast(infinity), grows, p));
  p = select(size == one, one, p);  // for infinite y, too
  p = select((x == x) & (y == y), p, x + y);
  const float first_even = 16777216.0f;  // 2^24: all floats from there on are even integers
  const IntVec whole = floor(y) == y;
  const IntVec last_bit = round_to_int(min(broadcast(first_even), max(broadcast(-first_even), y))) & 1;
  const IntVec odd = whole & (abs(y) < broadcast(first_even)) & (last_bit != 0);
  p = select((x < zero()) & (size < broadcast(infinity)) & ~whole, broadcast(__builtin_nanf("")), p);
  p = from_bits(bits_of(p) | (sign_of(x) & odd));
  return select((y == zero()) | (x == one), one, p);
}

// x^n by multiplication: exact where the products are exact.
FASTCNN_INLINE Vec power_of_integer(Vec x, int n) {
  Vec square = x;
  Vec y = broadcast(1.0f);
  for (int rest = n < 0 ? -n : n; rest; rest >>= 1, square *= square)
    if (rest & 1) y *= square;
  return n < 0 ? 1.0f / y : y;
}

// x^exponent for the same exponent in all lanes. Square roots, and integers up to 8 (at most 7 roundings), need no logarithm.
FASTCNN_INLINE Vec power_of_one(Vec x, float exponent) {
  if (exponent == 2.0f) return x * x;
  if (exponent == 0.5f) return select(x == broadcast(-__builtin_inff()), -x, sqrt(x + 0.0f));
  const bool small = exponent >= -8.0f && exponent <= 8.0f;
  if (small && exponent == (float)(int)exponent) return power_of_integer(x, (int)exponent);
  return power(x, broadcast(exponent));
}

}  // namespace fastcnn::FASTCNN_ISA
