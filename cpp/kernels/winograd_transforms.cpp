// The transforms of Winograd convolution F(M x M, 3 x 3), of images with a filter of 3 x 3 (simd/winograd.h: one axis of it).
//
//   input     V = B d B^T   of a tile of N x N pixels; tiles overlap by 2           N x N points
//   weights   U = G g G^T   of a filter                                             N x N points
//   output    Y = A m A^T   of the products m, summed over the input channels       M x M pixels
//
// A lane is a channel. Transforms go group by group over rows: all columns of the group's rows, which fit into registers, then those rows.
#include "kernels/kernels.h"
#include "kernels/pixels.h"
#include "simd/clamp.h"
#include "simd/winograd.h"

namespace fastcnn::FASTCNN_ISA {

namespace {

// Keeps the compiler from holding one group's loads for the next, which would cost more registers than there are.
FASTCNN_INLINE void forget_loads() { asm volatile("" ::: "memory"); }

template <int M>
void input_tile(const float* pixels, int64_t row_stride, float* points, int64_t point_stride) {
  using Groups = WinogradGroups<M>;
  constexpr int N = M + 2;
  unroll<Groups::kCount>([&](auto group) {
    constexpr int g = decltype(group)::value;
    Vec rows[2][N];
    unroll<N>([&](auto x) {
      Vec column[N];
      unroll<N>([&](auto y) { column[y] = load(pixels + y * row_stride + x * kLanes); });
      winograd_input_rows<M, g>(column, rows[0][x], rows[1][x]);
    });
    unroll<Groups::rows(g)>([&](auto r) {
      float* to = points + Groups::row(g, r) * N * point_stride;
      unroll<Groups::kCount>([&](auto across) {
        constexpr int h = decltype(across)::value;
        Vec first, second;
        winograd_input_rows<M, h>(rows[r], first, second);
        store(to + Groups::row(h, 0) * point_stride, first);
        if constexpr (Groups::rows(h) == 2) store(to + Groups::row(h, 1) * point_stride, second);
      });
    });
    forget_loads();
  });
}

// A tile that hangs over what may be read: the rest of it is zero.
template <int M>
void ragged_input_tile(const float* pixels, int64_t row_stride, int64_t rows, int64_t columns, float* points, int64_t point_stride) {
  constexpr int N = M + 2;
  float patch[N * N * kLanes];
  for (int y = 0; y < N; ++y)
    for (int x = 0; x < N; ++x)
      store(patch + (y * N + x) * kLanes, y < rows && x < columns ? load(pixels + y * row_stride + x * kLanes) : zero());
  input_tile<M>(patch, N * kLanes, points, point_stride);
}

template <int M>
void input_tiles(const WinogradInput& unit) {
  int64_t y = unit.first / unit.across, x = unit.first % unit.across;
  for (int t = 0; t < unit.count; ++t) {
    const float* pixels = unit.input + y * M * unit.row_stride + x * M * kLanes;
    float* points = unit.output + t * kLanes;
    const int64_t rows = unit.rows - y * M, columns = unit.columns - x * M;
    if (rows >= M + 2 && columns >= M + 2) {
      input_tile<M>(pixels, unit.row_stride, points, unit.point_stride);
    } else {
      ragged_input_tile<M>(pixels, unit.row_stride, rows, columns, points, unit.point_stride);
    }
    if (++x == unit.across) x = 0, ++y;
  }
}

// Where one tile of outputs lies, and how much of it is in the image.
struct Corner {
  const float* products;
  float* output;
  const float* residual;
  int64_t rows, columns;
};

template <int M>
void output_tile(const WinogradOutput& unit, Corner at, Vec bias, Clamp clamp) {
  constexpr int N = M + 2, pairs = (M + 1) / 2;
  const Vec low = broadcast(clamp.low), high = broadcast(clamp.high);
  unroll<pairs>([&](auto group) {
    constexpr int g = decltype(group)::value;
    Vec rows[2][N];
    unroll<N>([&](auto x) {
      Vec column[N];
      unroll<N>([&](auto y) { column[y] = load(at.products + (y * N + x) * unit.point_stride); });
      winograd_output_rows<M, 2 * g>(column, rows[0][x], rows[1][x]);
    });
    unroll<(2 * g + 1 < M ? 2 : 1)>([&](auto r) {
      const int64_t y = 2 * g + r;
      if (y >= at.rows) return;
      Vec pixels[2 * pairs];
      unroll<pairs>([&](auto p) { winograd_output_rows<M, 2 * decltype(p)::value>(rows[r], pixels[2 * p], pixels[2 * p + 1]); });
      float* to = at.output + y * unit.output_row_stride;
      const float* add = at.residual + y * unit.residual_row_stride;
      unroll<M>([&](auto x) {
        if (x >= at.columns) return;
        Vec v = pixels[x] + bias;
        if (at.residual) v += load(add + x * kLanes);
        store(to + x * kLanes, min(high, max(low, v)));
      });
    });
    forget_loads();
  });
}

template <int M>
void output_tiles(const WinogradOutput& unit) {
  const Vec bias = load(unit.bias);
  const Clamp clamp = clamp_of(unit.activation);
  int64_t y = unit.first / unit.across, x = unit.first % unit.across;
  for (int t = 0; t < unit.count; ++t) {
    const Corner at = {unit.products + t * kLanes, unit.output + y * M * unit.output_row_stride + x * M * kLanes,
                       unit.residual ? unit.residual + y * M * unit.residual_row_stride + x * M * kLanes : nullptr, unit.rows - y * M,
                       unit.columns - x * M};
    output_tile<M>(unit, at, bias, clamp);
    if (!is_clamp(unit.activation)) {
      for (int64_t r = 0; r < M && r < at.rows; ++r)
        activate_pixels(at.output + r * unit.output_row_stride, at.columns < M ? at.columns : M, kLanes, unit.activation);
    }
    if (++x == unit.across) x = 0, ++y;
  }
}

template <int M>
void weights(const WinogradWeights& unit) {
  constexpr int N = M + 2;
  for (int64_t at = 0; at < unit.count; at += kLanes) {
    Vec rows[3][N];  // G g, by columns of the filter
    unroll<3>([&](auto j) {
      Vec g[3];
      unroll<3>([&](auto i) { g[i] = load(unit.taps + (i * 3 + j) * unit.count + at); });
      winograd_weight_rows<M>(g, rows[j]);
    });
    unroll<N>([&](auto y) {
      const Vec g[3] = {rows[0][y], rows[1][y], rows[2][y]};
      Vec points[N];
      winograd_weight_rows<M>(g, points);
      unroll<N>([&](auto x) { store(unit.weights + (y * N + x) * unit.point_stride + at, points[x]); });
    });
  }
}

}  // namespace

#define FASTCNN_FOR_OUTPUTS(function, unit) \
  switch (unit.outputs) {                   \
    case 2: return function<2>(unit);       \
    case 4: return function<4>(unit);       \
    case 5: return function<5>(unit);       \
    case 6: return function<6>(unit);       \
    default: return;                        \
  }

void winograd_input(const WinogradInput& unit) { FASTCNN_FOR_OUTPUTS(input_tiles, unit) }
void winograd_output(const WinogradOutput& unit) { FASTCNN_FOR_OUTPUTS(output_tiles, unit) }
void winograd_weights(const WinogradWeights& unit) { FASTCNN_FOR_OUTPUTS(weights, unit) }

}  // namespace fastcnn::FASTCNN_ISA
