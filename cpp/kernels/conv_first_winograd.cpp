// Convolution over few input channels by one-dimensional Winograd along the rows: F(4, 3) and F(4, 4), four output rows at once.
//
// With stride s, the kernel rows i = k s + p of phase p are only multiplied by input rows of phase p. So each phase is a convolution of
// stride 1 with K = ceil(kernel_h / s) taps, and the products of all phases are added before the output transform. On P = 4 + K - 1 points:
//
//   input rows d of a phase --B--> P transformed rows --sums over phases, channels, kernel columns--> P sums --A--> 4 output rows
//
//   kernel  stride  K  P   products of a column: P s instead of 4 kernel_h
//     3       1     3  6       6 / 12
//     7       2     4  7      14 / 28
//    11       4     3  6      24 / 44
//
// Six points: 0, +-q, +-2q, infinity with q = 1/sqrt(2), whose powers stay near 1. Seven points: +-3/8, +-15/16, +-2, infinity, which had
// the smallest error of many that were tried. Row i of B is the product of (x - a) over all finite points but its own, as coefficients of
// d; row i of A is a_i^0 .. a_i^3; all other factors are in the weights (ops/convolution/first.cpp).
#include "kernels/first_lines.h"
#include "kernels/pixels.h"

namespace fastcnn::FASTCNN_ISA {

namespace {

constexpr float kQ = 0.70710678118654752f;  // q; the other pair of points is 2q
constexpr float kA = 0.375f, kB = 0.9375f, kC = 2;
constexpr float kA2 = kA * kA, kB2 = kB * kB, kC2 = kC * kC;

// For the points a, -a: (x + a) f and (x - a) f with f = (x^2 - b^2) (x^2 - c^2) = x^4 - sum x^2 + product.
FASTCNN_INLINE void transform_pair(const Vec* d, float a, float sum, float product, Vec* t) {
  const Vec f = fma(broadcast(product), d[0], fma(broadcast(-sum), d[2], d[4]));
  const Vec xf = fma(broadcast(product), d[1], fma(broadcast(-sum), d[3], d[5]));
  t[0] = fma(broadcast(a), f, xf);
  t[1] = fma(broadcast(-a), f, xf);
}

// t = B d. Six points, the rows of 0, q, ..: x^4 - 5/2 x^2 + 1, x (x + q) (x^2 - 2), ..; of infinity: x (x^2 - 1/2) (x^2 - 2) =
// x^5 - 5/2 x^3 + x.
template <int P>
FASTCNN_INLINE void transform(const Vec* d, Vec* t) {
  if constexpr (P == 6) {
    const Vec even = fma(broadcast(-2.0f), d[2], d[4]), odd = fma(broadcast(-2.0f), d[1], d[3]);
    const Vec far_even = fma(broadcast(-0.5f), d[2], d[4]), far_odd = fma(broadcast(-0.5f), d[1], d[3]);
    t[0] = fma(broadcast(-2.5f), d[2], d[0] + d[4]);
    t[1] = fma(broadcast(kQ), odd, even);
    t[2] = fma(broadcast(-kQ), odd, even);
    t[3] = fma(broadcast(2 * kQ), far_odd, far_even);
    t[4] = fma(broadcast(-2 * kQ), far_odd, far_even);
    t[5] = fma(broadcast(-2.5f), d[3], d[1] + d[5]);
  } else {
    transform_pair(d, kA, kB2 + kC2, kB2 * kC2, t);
    transform_pair(d, kB, kA2 + kC2, kA2 * kC2, t + 2);
    transform_pair(d, kC, kA2 + kB2, kA2 * kB2, t + 4);
    const Vec low = fma(broadcast(-kA2 * kB2 * kC2), d[0], d[6]);
    t[6] = fma(broadcast(kA2 * kB2 + kB2 * kC2 + kC2 * kA2), d[2], fma(broadcast(-kA2 - kB2 - kC2), d[4], low));
  }
}

// y = A m + bias: y[o] = bias + sum over points a of a^o m_a.
template <int P>
FASTCNN_INLINE void transform_back(const Vec* m, Vec bias, Vec* y) {
  if constexpr (P == 6) {
    const Vec sum = m[1] + m[2], difference = m[1] - m[2];
    const Vec far_sum = m[3] + m[4], far_difference = m[3] - m[4];
    y[0] = (bias + m[0]) + (sum + far_sum);
    y[1] = fma(broadcast(kQ), difference, fma(broadcast(2 * kQ), far_difference, bias));
    y[2] = fma(broadcast(0.5f), sum, fma(broadcast(2.0f), far_sum, bias));
    y[3] = fma(broadcast(0.5f * kQ), difference, fma(broadcast(4 * kQ), far_difference, bias + m[5]));
  } else {
    const Vec sum_a = m[0] + m[1], sum_b = m[2] + m[3], sum_c = m[4] + m[5];
    const Vec difference_a = m[0] - m[1], difference_b = m[2] - m[3], difference_c = m[4] - m[5];
    const auto combine = [&](float a, Vec va, float b, Vec vb, float c, Vec vc, Vec rest)
                             FASTCNN_INLINE_LAMBDA { return fma(broadcast(a), va, fma(broadcast(b), vb, fma(broadcast(c), vc, rest))); };
    y[0] = (bias + sum_a) + (sum_b + sum_c);
    y[1] = combine(kA, difference_a, kB, difference_b, kC, difference_c, bias);
    y[2] = combine(kA2, sum_a, kB2, sum_b, kC2, sum_c, bias);
    y[3] = combine(kA2 * kA, difference_a, kB2 * kB, difference_b, kC2 * kC, difference_c, bias + m[6]);
  }
}

// The input transform of one group of four output rows. lines: (P, stride, channels, line), the input rows; to: (P, stride, channels,
// line), the points.
template <int P>
void transform_lines(const ConvFirst& unit, const float* lines, float* to) {
  const int64_t phase_lines = unit.channels * unit.line;
  const int64_t point = unit.stride * phase_lines;
  for (int64_t i = 0; i < point; i += kLanes) {  // the phases of a group are neighbouring rows: all are one array
    Vec d[P], t[P];
    unroll<P>([&](auto j) { d[j] = load(lines + i + j * point); });
    transform<P>(d, t);
    unroll<P>([&](auto j) { store(to + i + j * point, t[j]); });
  }
}

// The sums of a tile at one point. x: (stride, channels, line), from the tile's first pixel on; weights: (stride, channels, kernel_w, C,
// lanes); sums: (R, C, lanes).
template <int R, int C, int Step>
void point_tile(const ConvFirst& unit, const float* x, const float* weights, float* sums) {
  Vec acc[R][C];
  start_sums(acc, [](auto) { return zero(); });
  add_lines<R, C, Step>(acc, unit, 1, unit.stride * unit.channels, x, weights);
  unroll<R>([&](auto r) { unroll<C>([&](auto c) { store(sums + (r * C + c) * kLanes, acc[r][c]); }); });
}

template <int C, int Step>
struct PointTiles {
  template <int R>
  static constexpr auto of = point_tile<R, C, Step>;
};

// The outputs of a tile.
struct Outputs {
  int rows, columns, blocks;  // rows: 4, fewer at the lower border
  const float* bias;          // (blocks, lanes)
  float* output;              // (blocks, rows, columns, lanes), strided as the unit's
  const float* residual;      // likewise, or nullptr
};

// sums: (P, columns, blocks, lanes).
template <int P>
void store_tile(const ConvFirst& unit, const Outputs& at, const float* sums, Clamp clamp) {
  const Vec low = broadcast(clamp.low), high = broadcast(clamp.high);
  const int64_t point = (int64_t)at.columns * at.blocks * kLanes;
  for (int c = 0; c < at.blocks; ++c) {
    const Vec bias = load(at.bias + c * kLanes);
    float* output = at.output + c * unit.output_block_stride;
    const float* residual = at.residual ? at.residual + c * unit.residual_block_stride : nullptr;
    for (int x = 0; x < at.columns; ++x, output += kLanes) {
      Vec m[P], y[4];
      unroll<P>([&](auto i) { m[i] = load(sums + i * point + (x * at.blocks + c) * kLanes); });
      transform_back<P>(m, bias, y);
      unroll<4>([&](auto o) {
        if (o >= at.rows) return;
        if (residual) y[o] += load(residual + o * unit.residual_row_stride + x * kLanes);
        store(output + o * unit.output_row_stride, min(high, max(low, y[o])));
      });
    }
  }
}

template <int P>
void run_groups(const ConvFirst& unit) {
  const auto one = first_tiles<PointTiles, 1>(unit.pixel_step);
  const auto two = first_tiles<PointTiles, 2>(unit.pixel_step);
  const int64_t point_lines = unit.stride * unit.channels * unit.line;
  const int64_t point_weights = (int64_t)unit.stride * unit.channels * unit.kernel_w * kLanes;  // of one block
  const Clamp clamp = clamp_of(unit.activation);
  float* const sums = unit.scratch + P * point_lines;
  for (int row = 0; row < unit.rows; row += 4) {
    transform_lines<P>(unit, unit.lines + row * unit.row_step, unit.scratch);
    Outputs at = {unit.rows - row < 4 ? unit.rows - row : 4, 0, 0, nullptr, nullptr, nullptr};
    for_each_first_tile(unit, [&](int block, int blocks, int first, int columns) {
      const float* weights = unit.weights + block * P * point_weights;
      for (int i = 0; i < P; ++i)
        (blocks == 2 ? two : one)[columns](unit, unit.scratch + i * point_lines + first * unit.pixel_step,
                                           weights + i * blocks * point_weights, sums + (int64_t)i * columns * blocks * kLanes);
      at.columns = columns;
      at.blocks = blocks;
      at.bias = unit.bias + block * kLanes;
      at.output = unit.output + row * unit.output_row_stride + block * unit.output_block_stride + first * kLanes;
      if (unit.residual) at.residual = unit.residual + row * unit.residual_row_stride + block * unit.residual_block_stride + first * kLanes;
      store_tile<P>(unit, at, sums, clamp);
    });
  }
}

}  // namespace

void conv_first_winograd(const ConvFirst& unit) {
  if (unit.kernel_h <= 3 * unit.stride)
    run_groups<6>(unit);
  else
    run_groups<7>(unit);
  for (int row = 0; row < unit.rows; ++row)
    activate_blocks(unit.output + row * unit.output_row_stride, unit.output_blocks, unit.output_block_stride, unit.columns, kLanes,
                    unit.activation);
}

}  // namespace fastcnn::FASTCNN_ISA
