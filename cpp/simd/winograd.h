// Winograd's minimal filtering F(M, 3) along one axis: M outputs of a filter with 3 taps from N = M + 2 inputs, by N multiplications.
//
//   y = A ((G g) * (B d)),   d: N inputs, g: 3 taps, y: M outputs
//
// by the Cook-Toom construction (Lavin & Gray, 2016, after Winograd, 1980) from N - 1 points p and infinity:
//
//   row i of B   the coefficients of the product of (x - p[j]) over all j but i; the last row of all j
//   row i of G   1, p[i], p[i]^2, divided by the product of (p[i] - p[j]) over all j but i; the last row 0, 0, 1
//   A[r][i]      p[i]^r; for infinity 1 in the last row
//
// The points are 0, pairs +-p and at most one without a partner. The rows of a pair differ in the signs of their odd powers only, so both
// come from one even and one odd sum.
#pragma once

#include "simd/vec.h"

namespace fastcnn::FASTCNN_ISA {

// Points with small transforms and small errors: more of them, or larger ones, lose more digits (Barabasz et al., 2020).
template <int M>
struct WinogradPoints;
template <>
struct WinogradPoints<2> {
  static constexpr double of[] = {0, 1, -1};
};
template <>
struct WinogradPoints<4> {
  static constexpr double kRoot = 1.4142135623730951;
  static constexpr double of[] = {0, kRoot / 2, -kRoot / 2, kRoot, -kRoot};
};
template <>
struct WinogradPoints<5> {
  static constexpr double of[] = {0, 1, -1, 0.5, -0.5, 2};
};
template <>
struct WinogradPoints<6> {
  static constexpr double of[] = {0, 0.6, -0.6, 1, -1, 1.6, -1.6};
};

template <int M>
struct WinogradMatrices {
  static constexpr int N = M + 2, kPoints = N - 1;
  double input[N][N] = {}, weights[N][3] = {}, output[M][N] = {};

  constexpr WinogradMatrices() {
    constexpr auto& p = WinogradPoints<M>::of;
    for (int i = 0; i < N; ++i) {
      double product[N + 1] = {1}, scale = 1;
      int degree = 0;
      for (int j = 0; j < kPoints; ++j) {
        if (j == i) continue;
        ++degree;
        for (int k = degree; k > 0; --k) product[k] = product[k - 1] - p[j] * product[k];
        product[0] *= -p[j];
        if (i < kPoints) scale *= p[i] - p[j];
      }
      for (int k = 0; k < N; ++k) input[i][k] = product[k];
      double power = 1;
      for (int r = 0; r < M && i < kPoints; ++r, power *= p[i]) {
        output[r][i] = power;
        if (r < 3) weights[i][r] = power / scale;
      }
      if (i < kPoints) weights[i][2] = p[i] * p[i] / scale;  // also where M = 2
    }
    output[M - 1][N - 1] = 1;
    weights[N - 1][2] = 1;
  }
};
template <int M>
inline constexpr WinogradMatrices<M> kWinograd{};

// Rows of B in groups that share their sums: 0 and infinity, each pair, the point without a partner.
template <int M>
struct WinogradGroups {
  static constexpr int N = M + 2, kPairs = (N - 2) / 2, kCount = 1 + kPairs + N % 2;
  static constexpr int rows(int group) { return group > kPairs ? 1 : 2; }
  static constexpr int row(int group, int i) { return group == 0 ? i * (N - 1) : 2 * group - 1 + i; }
};

// sum of coefficient(k) d[k] for k < Count, from the highest term down, without the products that are none.
template <int Count, class Coefficient>
FASTCNN_INLINE Vec combine(const Vec (&d)[Count], Coefficient) {
  constexpr Coefficient coefficient{};
  Vec sum = zero();
  bool started = false;  // folded by the compiler, like all below
  unroll<Count>([&](auto reversed) {
    constexpr int k = Count - 1 - decltype(reversed)::value;
    constexpr float c = static_cast<float>(coefficient(k));
    if constexpr (c == 0) return;
    if (!started) {
      sum = c == 1 ? d[k] : c * d[k];
    } else if constexpr (c == 1) {
      sum += d[k];
    } else if constexpr (c == -1) {
      sum -= d[k];
    } else {
      sum = fma(d[k], broadcast(c), sum);
    }
    started = true;
  });
  return sum;
}

// Row `Row` of B as a function of k, and the even and the odd half of a pair, the odd one divided by its highest coefficient.
template <int M, int Row>
struct InputRow {
  constexpr double operator()(int k) const { return kWinograd<M>.input[Row][k]; }
};
template <int M, int Row>
struct InputEven {
  constexpr double operator()(int k) const { return (kWinograd<M>.input[Row][k] + kWinograd<M>.input[Row + 1][k]) / 2; }
};
template <int M, int Row>
struct InputOdd {
  static constexpr double half_difference(int k) { return (kWinograd<M>.input[Row][k] - kWinograd<M>.input[Row + 1][k]) / 2; }
  static constexpr double lead() { return half_difference(M - 1); }  // the highest that is not 0
  constexpr double operator()(int k) const { return half_difference(k) / lead(); }
};

// The rows of one group of B d.
template <int M, int Group>
FASTCNN_INLINE void winograd_input_rows(const Vec (&d)[M + 2], Vec& first, Vec& second) {
  using Groups = WinogradGroups<M>;
  constexpr int row = Groups::row(Group, 0);
  if constexpr (Group == 0 || Groups::rows(Group) == 1) {
    first = combine(d, InputRow<M, row>{});
    if constexpr (Group == 0) second = combine(d, InputRow<M, M + 1>{});
  } else {
    constexpr float lead = static_cast<float>(InputOdd<M, row>::lead());
    const Vec even = combine(d, InputEven<M, row>{}), odd = combine(d, InputOdd<M, row>{});
    first = lead == 1 ? even + odd : fma(odd, broadcast(lead), even);
    second = lead == 1 ? even - odd : fma(odd, broadcast(-lead), even);
  }
}

// Coefficients of row `Row` of A for: the zero point, the sums (even rows) or differences (odd rows) of the pairs, what is left of the
// points.
template <int M, int Row>
struct OutputTerms {
  static constexpr int kPairs = WinogradGroups<M>::kPairs, kRest = M + 2 - 1 - 2 * kPairs;
  constexpr double operator()(int k) const {
    return k < kPairs    ? kWinograd<M>.output[Row][2 * k + 1]
           : k == kPairs ? kWinograd<M>.output[Row][0]
                         : kWinograd<M>.output[Row][k + kPairs];
  }
};

// Rows First and First + 1 (where there is one) of A m; First is even.
template <int M, int First>
FASTCNN_INLINE void winograd_output_rows(const Vec (&m)[M + 2], Vec& even, Vec& odd) {
  constexpr int pairs = WinogradGroups<M>::kPairs, count = M + 2 - pairs;
  Vec sums[count], differences[count];
  unroll<pairs>([&](auto k) {
    sums[k] = m[2 * k + 1] + m[2 * k + 2];
    differences[k] = m[2 * k + 1] - m[2 * k + 2];
  });
  sums[pairs] = differences[pairs] = m[0];
  unroll<count - pairs - 1>([&](auto k) { sums[pairs + 1 + k] = differences[pairs + 1 + k] = m[2 * pairs + 1 + k]; });
  even = combine(sums, OutputTerms<M, First>{});
  if constexpr (First + 1 < M) odd = combine(differences, OutputTerms<M, First + 1>{});
}

// The rows of G g.
template <int M, int Row>
struct WeightRow {
  constexpr double operator()(int k) const { return kWinograd<M>.weights[Row][k]; }
};
template <int M>
FASTCNN_INLINE void winograd_weight_rows(const Vec (&g)[3], Vec (&rows)[M + 2]) {
  unroll<M + 2>([&](auto i) { rows[i] = combine(g, WeightRow<M, decltype(i)::value>{}); });
}

}  // namespace fastcnn::FASTCNN_ISA
