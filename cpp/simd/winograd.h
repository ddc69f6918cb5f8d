// Winograd's minimal filtering F(M, R) along one axis: M outputs of a filter with R taps from N = M + R - 1 inputs, by N multiplications.
//
//   y = A ((G g) * (B d)),   d: N inputs, g: R taps, y: M outputs
//
// by the Cook-Toom construction (Lavin & Gray, 2016, after Winograd, 1980) from N - 1 points p and infinity:
//
//   row i of B   the coefficients of the product of (x - p[j]) over all j but i; the last row of all j
//   row i of G   1, p[i], .., p[i]^(R - 1), divided by the product of (p[i] - p[j]) over all j but i; the last row 0, .., 0, 1
//   A[r][i]      p[i]^r; for infinity 1 in the last row
//
// The points are 0, pairs +-p and at most one point without a partner. The rows of a pair differ only in the signs of their odd powers, so
// both are computed from one even and one odd sum.
#pragma once

#include "simd/vec.h"

namespace fastcnn::FASTCNN_ISA {

// Points with small transforms and small errors: more points, or larger ones, lose more digits (Barabasz et al., 2020).
template <int N>
struct WinogradPoints;
template <>
struct WinogradPoints<4> {
  static constexpr double of[] = {0, 1, -1};
};
template <>
struct WinogradPoints<6> {
  static constexpr double kRoot = 1.4142135623730951;
  static constexpr double of[] = {0, kRoot / 2, -kRoot / 2, kRoot, -kRoot};
};
template <>
struct WinogradPoints<7> {
  static constexpr double of[] = {0, 0.5, -0.5, 1.1, -1.1, 2.5};
};
template <>
struct WinogradPoints<8> {
  static constexpr double of[] = {0, 0.5, -0.5, 1, -1, 2, -2};
};

template <int M, int R>
struct WinogradMatrices {
  static constexpr int N = M + R - 1;
  static constexpr int kPoints = N - 1;
  double input[N][N] = {};
  double weights[N][R] = {};
  double output[M][N] = {};

  constexpr WinogradMatrices() {
    constexpr auto& p = WinogradPoints<N>::of;
    for (int i = 0; i < N; ++i) {
      double product[N + 1] = {1};
      double scale = 1;
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
      for (int r = 0; r < N && i < kPoints; ++r, power *= p[i]) {
        if (r < M) output[r][i] = power;
        if (r < R) weights[i][r] = power / scale;
      }
    }
    output[M - 1][N - 1] = 1;
    weights[N - 1][R - 1] = 1;
  }
};
template <int M, int R>
inline constexpr WinogradMatrices<M, R> kWinograd{};
template <int N>
inline constexpr auto& kWinogradInput = kWinograd<N - 2, 3>.input;  // the same for all filters

// The rows of B in groups that share their sums: 0 and infinity, each pair, the point without a partner.
template <int N>
struct WinogradGroups {
  static constexpr int kPairs = (N - 2) / 2;
  static constexpr int kCount = 1 + kPairs + N % 2;
  static constexpr int rows(int group) { return group > kPairs ? 1 : 2; }
  static constexpr int row(int group, int i) { return group == 0 ? i * (N - 1) : 2 * group - 1 + i; }
};

// The sum of coefficient(k) d[k] for k < Count, from the highest term down, without multiplications by 0, 1 and -1.
template <int Count, class Coefficient>
FASTCNN_INLINE Vec combine(const Vec (&d)[Count], Coefficient) {
  constexpr Coefficient coefficient{};
  Vec sum = zero();
  bool started = false;  // the compiler folds it, like all conditions below
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

// Row `Row` of B as a function of k, and the even and the odd half of a pair. The odd half is divided by its highest coefficient.
template <int N, int Row>
struct InputRow {
  constexpr double operator()(int k) const { return kWinogradInput<N>[Row][k]; }
};
template <int N, int Row>
struct InputEven {
  constexpr double operator()(int k) const { return (kWinogradInput<N>[Row][k] + kWinogradInput<N>[Row + 1][k]) / 2; }
};
template <int N, int Row>
struct InputOdd {
  static constexpr double half_difference(int k) { return (kWinogradInput<N>[Row][k] - kWinogradInput<N>[Row + 1][k]) / 2; }
  static constexpr double lead() { return half_difference(N - 3); }  // the highest coefficient that is not 0
  constexpr double operator()(int k) const { return half_difference(k) / lead(); }
};

// The rows of one group of B d.
template <int N, int Group>
FASTCNN_INLINE void winograd_input_rows(const Vec (&d)[N], Vec& first, Vec& second) {
  using Groups = WinogradGroups<N>;
  constexpr int row = Groups::row(Group, 0);
  if constexpr (Group == 0 || Groups::rows(Group) == 1) {
    first = combine(d, InputRow<N, row>{});
    if constexpr (Group == 0) second = combine(d, InputRow<N, N - 1>{});
  } else {
    constexpr float lead = static_cast<float>(InputOdd<N, row>::lead());
    const Vec even = combine(d, InputEven<N, row>{}), odd = combine(d, InputOdd<N, row>{});
    first = lead == 1 ? even + odd : fma(odd, broadcast(lead), even);
    second = lead == 1 ? even - odd : fma(odd, broadcast(-lead), even);
  }
}

// The coefficients of row `Row` of A: for the sums (even rows) or differences (odd rows) of the pairs, the point 0, the other points.
template <int M, int R, int Row>
struct OutputTerms {
  static constexpr int kPairs = WinogradGroups<M + R - 1>::kPairs;
  constexpr double operator()(int k) const {
    return k < kPairs    ? kWinograd<M, R>.output[Row][2 * k + 1]
           : k == kPairs ? kWinograd<M, R>.output[Row][0]
                         : kWinograd<M, R>.output[Row][k + kPairs];
  }
};

// y = A m.
template <int M, int R>
FASTCNN_INLINE void winograd_outputs(const Vec (&m)[M + R - 1], Vec (&y)[M]) {
  constexpr int pairs = WinogradGroups<M + R - 1>::kPairs;
  constexpr int count = M + R - 1 - pairs;
  Vec sums[count], differences[count];
  unroll<pairs>([&](auto k) {
    sums[k] = m[2 * k + 1] + m[2 * k + 2];
    differences[k] = m[2 * k + 1] - m[2 * k + 2];
  });
  sums[pairs] = differences[pairs] = m[0];
  unroll<count - pairs - 1>([&](auto k) { sums[pairs + 1 + k] = differences[pairs + 1 + k] = m[2 * pairs + 1 + k]; });
  unroll<M>([&](auto row) { y[row] = combine(row % 2 == 0 ? sums : differences, OutputTerms<M, R, decltype(row)::value>{}); });
}

// rows = G g.
template <int M, int R, int Row>
struct WeightRow {
  constexpr double operator()(int k) const { return kWinograd<M, R>.weights[Row][k]; }
};
template <int M, int R>
FASTCNN_INLINE void winograd_weight_rows(const Vec (&g)[R], Vec (&rows)[M + R - 1]) {
  unroll<M + R - 1>([&](auto i) { rows[i] = combine(g, WeightRow<M, R, decltype(i)::value>{}); });
}

}  // namespace fastcnn::FASTCNN_ISA
