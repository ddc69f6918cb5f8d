// The transforms of Winograd convolution F(M x M, R x R) of images with a filter of R x R (simd/winograd.h has the arithmetic of one axis).
//
//   input     V = B d B^T   of a tile of N x N pixels; tiles overlap by R - 1       N x N points
//   weights   U = G g G^T   of a filter                                             N x N points
//   output    Y = A m A^T   of the products m, summed over the input channels       M x M pixels
//
// A lane is a channel. The input transform computes groups of rows that fit into registers: first the columns of these rows, then the rows.
#include "kernels/kernels.h"
#include "kernels/pixels.h"
#include "simd/clamp.h"
#include "simd/winograd.h"

namespace fastcnn::FASTCNN_ISA {

namespace {

// pixels: (N, N, lanes), row_stride from a row to the next; points: (N, N) x (lanes).
template <int N>
void input_tile(const float* pixels, int64_t row_stride, float* points, int64_t point_stride) {
  using Groups = WinogradGroups<N>;
  unroll<Groups::kCount>([&](auto group) {
    constexpr int g = decltype(group)::value;
    Vec rows[2][N];
    unroll<N>([&](auto x) {
      Vec column[N];
      unroll<N>([&](auto y) { column[y] = load(pixels + y * row_stride + x * kLanes); });
      winograd_input_rows<N, g>(column, rows[0][x], rows[1][x]);
    });
    unroll<Groups::rows(g)>([&](auto r) {
      float* to = points + Groups::row(g, r) * N * point_stride;
      unroll<Groups::kCount>([&](auto across) {
        constexpr int h = decltype(across)::value;
        Vec first, second;
        winograd_input_rows<N, h>(rows[r], first, second);
        store(to + Groups::row(h, 0) * point_stride, first);
        if constexpr (Groups::rows(h) == 2) store(to + Groups::row(h, 1) * point_stride, second);
      });
    });
    forget_loads();
  });
}

// A tile of which only (rows, columns) pixels may be read: the others are zero.
template <int N>
void ragged_input_tile(const float* pixels, int64_t row_stride, int64_t rows, int64_t columns, float* points, int64_t point_stride) {
  float patch[N * N * kLanes];
  for (int y = 0; y < N; ++y)
    for (int x = 0; x < N; ++x)
      store(patch + (y * N + x) * kLanes, y < rows && x < columns ? load(pixels + y * row_stride + x * kLanes) : zero());
  input_tile<N>(patch, N * kLanes, points, point_stride);
}

template <int N>
void input_tiles(const WinogradInput& unit) {
  const int64_t step = unit.outputs;
  int64_t y = unit.first / unit.across, x = unit.first % unit.across;  // of the tile
  for (int t = 0; t < unit.count; ++t) {
    const float* pixels = unit.input + y * step * unit.row_stride + x * step * kLanes;
    float* points = unit.output + t * kLanes;
    const int64_t rows = unit.rows - y * step, columns = unit.columns - x * step;
    if (rows >= N && columns >= N) {
      input_tile<N>(pixels, unit.row_stride, points, unit.point_stride);
    } else {
      ragged_input_tile<N>(pixels, unit.row_stride, rows, columns, points, unit.point_stride);
    }
    if (++x == unit.across) {
      x = 0;
      ++y;
    }
  }
}

// One tile of outputs.
struct OutputTile {
  const float* products;  // (N, N) x (lanes)
  float* output;          // (rows, columns, lanes); or the maxima of two by two
  const float* residual;  // (rows, columns, lanes), or nullptr
  int64_t rows, columns;  // from the tile's first pixel to the end of the image
};

// half = A m, (M, N, lanes), column by column: it is kept in the L1 cache, because there are not enough registers for it.
template <int M, int R>
FASTCNN_INLINE void output_columns(const WinogradOutput& unit, const float* products, float* half) {
  constexpr int N = M + R - 1;
  for (int x = 0; x < N; ++x) {
    Vec m[N], y[M];
    unroll<N>([&](auto i) { m[i] = load(products + (i * N + x) * unit.point_stride); });
    winograd_outputs<M, R>(m, y);
    unroll<M>([&](auto i) { store(half + (i * N + x) * kLanes, y[i]); });
  }
}

// y = a row of (A m) A^T; half: (N, lanes), a row of A m.
template <int M, int R>
FASTCNN_INLINE void output_pixels(const float* half, Vec (&y)[M]) {
  Vec m[M + R - 1];
  unroll<M + R - 1>([&](auto i) { m[i] = load(half + i * kLanes); });
  winograd_outputs<M, R>(m, y);
}

template <int M, int R>
void output_tile(const WinogradOutput& unit, const OutputTile& at, Vec bias, Clamp clamp) {
  constexpr int N = M + R - 1;
  alignas(64) float half[M * N * kLanes];
  output_columns<M, R>(unit, at.products, half);
  const Vec low = broadcast(clamp.low), high = broadcast(clamp.high);
  for (int64_t row = 0; row < M && row < at.rows; ++row) {
    Vec y[M];
    output_pixels<M, R>(half + row * N * kLanes, y);
    float* to = at.output + row * unit.output_row_stride;
    const float* add = at.residual + row * unit.residual_row_stride;
    unroll<M>([&](auto x) {
      if (x >= at.columns) return;
      Vec v = y[x] + bias;
      if (at.residual) v += load(add + x * kLanes);
      store(to + x * kLanes, min(high, max(low, v)));
    });
    if (!is_clamp(unit.activation)) activate_pixels(to, at.columns < M ? at.columns : M, kLanes, unit.activation);
  }
}

// The maxima of two by two outputs, taken before bias and clamp, which keep their order. The maximum of NaN and any number is NaN.
template <int M, int R>
void pooled_tile(const WinogradOutput& unit, const OutputTile& at, Vec bias, Clamp clamp) {
  constexpr int N = M + R - 1;
  alignas(64) float half[M * N * kLanes];
  output_columns<M, R>(unit, at.products, half);
  const Vec low = broadcast(clamp.low), high = broadcast(clamp.high);
  const auto larger = [](Vec x, Vec most) { return select(x != x, x, max(x, most)); };
  for (int64_t row = 0; row + 1 < M && row + 1 < at.rows; row += 2) {
    Vec upper[M], lower[M];
    output_pixels<M, R>(half + row * N * kLanes, upper);
    output_pixels<M, R>(half + (row + 1) * N * kLanes, lower);
    float* to = at.output + row / 2 * unit.output_row_stride;
    unroll<M / 2>([&](auto x) {
      if (2 * x + 1 >= at.columns) return;
      const Vec most = larger(larger(upper[2 * x], lower[2 * x]), larger(upper[2 * x + 1], lower[2 * x + 1]));
      store(to + x * kLanes, min(high, max(low, most + bias)));
    });
  }
}

template <int M, int R>
void output_tiles(const WinogradOutput& unit) {
  const Vec bias = load(unit.bias);
  const Clamp clamp = clamp_of(unit.activation);
  const int64_t step = unit.pooled ? M / 2 : M;
  int64_t y = unit.first / unit.across, x = unit.first % unit.across;
  for (int t = 0; t < unit.count; ++t) {
    const OutputTile at = {unit.products + t * kLanes, unit.output + y * step * unit.output_row_stride + x * step * kLanes,
                           unit.residual ? unit.residual + y * M * unit.residual_row_stride + x * M * kLanes : nullptr, unit.rows - y * M,
                           unit.columns - x * M};
    unit.pooled ? pooled_tile<M, R>(unit, at, bias, clamp) : output_tile<M, R>(unit, at, bias, clamp);
    if (++x == unit.across) {
      x = 0;
      ++y;
    }
  }
}

template <int M, int R>
void weights(const WinogradWeights& unit) {
  constexpr int N = M + R - 1;
  for (int64_t at = 0; at < unit.count; at += kLanes) {
    Vec rows[R][N];  // (G g)^T
    unroll<R>([&](auto j) {
      Vec g[R];
      unroll<R>([&](auto i) { g[i] = load(unit.filters + (i * R + j) * unit.count + at); });
      winograd_weight_rows<M, R>(g, rows[j]);
    });
    unroll<N>([&](auto y) {
      Vec g[R];
      unroll<R>([&](auto j) { g[j] = rows[j][y]; });
      Vec points[N];
      winograd_weight_rows<M, R>(g, points);
      unroll<N>([&](auto x) { store(unit.weights + (y * N + x) * unit.point_stride + at, points[x]); });
    });
  }
}

// Calls body(Constant<M>{}, Constant<R>{}) for the unit's form.
template <class Unit, class Body>
FASTCNN_INLINE void for_form(const Unit& unit, Body&& body) {
  if (unit.taps == 5) return body(Constant<2>{}, Constant<5>{});
  switch (unit.outputs) {
    case 2: return body(Constant<2>{}, Constant<3>{});
    case 4: return body(Constant<4>{}, Constant<3>{});
    case 5: return body(Constant<5>{}, Constant<3>{});
    case 6: return body(Constant<6>{}, Constant<3>{});
    default: return;
  }
}

}  // namespace

void winograd_input(const WinogradInput& unit) {
  switch (unit.outputs + unit.taps - 1) {
    case 4: return input_tiles<4>(unit);
    case 6: return input_tiles<6>(unit);
    case 7: return input_tiles<7>(unit);
    case 8: return input_tiles<8>(unit);
    default: return;
  }
}
void winograd_output(const WinogradOutput& unit) {
  for_form(unit, [&](auto m, auto r) { output_tiles<decltype(m)::value, decltype(r)::value>(unit); });
}
void winograd_weights(const WinogradWeights& unit) {
  for_form(unit, [&](auto m, auto r) { weights<decltype(m)::value, decltype(r)::value>(unit); });
}

}  // namespace fastcnn::FASTCNN_ISA
