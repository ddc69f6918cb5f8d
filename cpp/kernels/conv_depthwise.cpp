// Depthwise convolution: every channel has a filter of its own, so a lane is a channel and nothing is broadcast. A tile of one or two rows
// of output pixels is summed in registers over all taps and written once, with bias, residual and clamp.
//
//   Two rows of output, kernel 3, stride 1: row 0 reads input rows 0 to 2, row 1 reads rows 1 to 3. Each row of input is loaded once, one
//   vector for each pixel; a pixel stays in its register while it is multiplied by the taps of both rows.
//
//     input row 0   x x x x x x     row 0 += w[0] x
//     input row 1   x x x x x x     row 0 += w[1] x     row 1 += w[0] x
//     input row 2   x x x x x x     row 0 += w[2] x     row 1 += w[1] x
//     input row 3   x x x x x x                         row 1 += w[2] x
//
// With a stride of 2, the even pixels of a row are multiplied by taps 0, 2, 4 in this way, then the odd pixels by taps 1, 3.
#include "kernels/kernels.h"
#include "kernels/pixels.h"
#include "kernels/register_tiles.h"
#include "simd/clamp.h"

namespace fastcnn::FASTCNN_ISA {

namespace {

// The most pixels in a row of a tile, by its rows. Registers: rows x pixels sums, as many inputs as a row has pixels, a weight a row.
//   32 registers: 2 x 7 + 7 + 2 = 23; image widths of the classics (7, 14, 28, 56, 112) are multiples of 7
//   16 registers: 2 x 4 + 4 + 2 = 14, or 1 x 6 + 6 + 1 = 13
constexpr int kMostPixels[3] = {0, kRegisters == 32 ? 7 : 6, kRegisters == 32 ? 7 : 4};
// The baseline on x86-64 has 16 registers and instructions that overwrite an operand and multiply and add apart, so each product takes one
// register more and sums would go to the stack. It uses tiles_any_size for all kernels.
constexpr bool kTilesFit = kRegisters == 32 || kLanes > 4;
// The most pixels of tiles_any_size: a sum for each pixel, a weight, and inputs that are loaded ahead.
constexpr int kMostPixelsAnySize = kRegisters == 32 ? 14 : 8;

// The tiles of one size in a unit: `groups` rows of `count` tiles side by side, from output pixel (row, column) on.
struct Span {
  int row, groups, column, count;
};

FASTCNN_INLINE TileStart start_of(const ConvDepthwise& unit, int64_t row, int64_t column) {
  return {unit.input + row * unit.row_step + column * unit.pixel_step,
          unit.output + row * unit.output_row_stride + column * unit.output_pixel_stride,
          unit.residual ? unit.residual + row * unit.residual_row_stride + column * kLanes : nullptr};
}

// Adds the residual, clamps and stores.
template <int Rows, int R>
FASTCNN_INLINE void finish(const ConvDepthwise& unit, TileStart at, int64_t output_pixel_stride, Clamp clamp, Vec (&acc)[Rows][R]) {
  if (at.residual) {
    unroll<Rows>([&](auto y) { unroll<R>([&](auto r) { acc[y][r] += load(at.residual + y * unit.residual_row_stride + r * kLanes); }); });
  }
  const Vec low = broadcast(clamp.low), high = broadcast(clamp.high);
  unroll<Rows>([&](auto y) {
    float* row = at.output + y * unit.output_row_stride;
    unroll<R>([&](auto r) { store(row + r * output_pixel_stride, min(high, max(low, acc[y][r]))); });
  });
}

// Adds the products of input row I of a tile to the rows of output that have a tap for it. weights: (K, K, lanes).
template <int K, int Step, int I, int Rows, int R>
FASTCNN_INLINE void add_row(Vec (&acc)[Rows][R], const float* input, const float* weights) {
  unroll<Step>([&](auto s) FASTCNN_INLINE_LAMBDA {
    constexpr int taps = (K - s + Step - 1) / Step;
    unroll<taps>([&](auto t) FASTCNN_INLINE_LAMBDA {
      Vec w[Rows];
      unroll<Rows>([&](auto y) FASTCNN_INLINE_LAMBDA {
        constexpr int i = I - y * Step;
        if constexpr (i >= 0 && i < K) w[y] = load(weights + (i * K + t * Step + s) * kLanes);
      });
      unroll<R>([&](auto r) FASTCNN_INLINE_LAMBDA {
        const Vec x = load(input + ((r + t) * Step + s) * kLanes);
        unroll<Rows>([&](auto y) FASTCNN_INLINE_LAMBDA {
          constexpr int i = I - y * Step;
          if constexpr (i >= 0 && i < K) acc[y][r] = fma(x, w[y], acc[y][r]);
        });
      });
    });
  });
}

// K x K taps without dilation, pixels of the output side by side.
template <int K, int Step, int Rows, int R>
void tiles(const ConvDepthwise& unit, Span span, Clamp clamp) {
  const float* weights = unit.weights;
  const int64_t tap_row = unit.tap_row;
  for (int group = 0; group < span.groups; ++group) {
    TileStart at = start_of(unit, span.row + group * Rows, span.column);
    for (int n = 0; n < span.count; ++n) {
      Vec acc[Rows][R];
      const Vec bias = load(unit.bias);
      unroll<Rows>([&](auto y) { unroll<R>([&](auto r) { acc[y][r] = bias; }); });
      unroll<(Rows - 1) * Step + K>([&](auto i) { add_row<K, Step, i>(acc, at.input + i * tap_row, afresh(weights)); });
      finish(unit, at, kLanes, clamp, acc);
      at.input += R * Step * kLanes;
      at.output += R * kLanes;
      if (at.residual) at.residual += R * kLanes;
    }
  }
}

// Kernels of any size. Step is the distance between the inputs of neighbouring output pixels where it is known at compile time, else 0.
template <int Step, int R>
void tiles_any_size(const ConvDepthwise& unit, Span span, Clamp clamp) {
  const int64_t step = Step ? Step : unit.pixel_step;
  for (int n = 0; n < span.groups * span.count; ++n) {
    const TileStart at = start_of(unit, span.row + n / span.count, span.column + n % span.count * R);
    Vec acc[1][R];
    const Vec bias = load(unit.bias);
    unroll<R>([&](auto r) { acc[0][r] = bias; });
    const float* weights = unit.weights;
    for (int i = 0; i < unit.kernel_h; ++i) {
      const float* tap = at.input + i * unit.tap_row;
      for (int j = 0; j < unit.kernel_w; ++j, tap += unit.tap_column, weights += kLanes) {
        const Vec w = load(weights);
        unroll<R>([&](auto r) { acc[0][r] = fma(w, load(tap + r * step), acc[0][r]); });
      }
    }
    finish(unit, at, unit.output_pixel_stride, clamp, acc);
  }
}

using Tiles = void (*)(const ConvDepthwise&, Span, Clamp);

template <int K, int Step, int Rows>
struct TilesOf {
  template <int R>
  static constexpr auto of = tiles<K, Step, Rows, R>;
};
template <int Step>
struct TilesOfAnySize {
  template <int R>
  static constexpr auto of = tiles_any_size<Step, R>;
};

// Tiles of one height, by the number of pixels in a row.
struct TileTable {
  const Tiles* width = nullptr;
  int most = 0;
};

template <int K, int Step, int Rows>
TileTable table() {
  constexpr int most = kMostPixels[Rows];
  return {kByPixels<TilesOf<K, Step, Rows>, most>, most};
}

struct TileTables {
  TileTable one, two;  // tiles of one and of two rows
};

TileTables tables_for(const ConvDepthwise& unit) {
  const int K = unit.kernel_w;
  const bool square = unit.kernel_h == K && unit.tap_column == kLanes && unit.output_pixel_stride == kLanes;
  const bool step_1 = square && unit.pixel_step == kLanes && unit.row_step == unit.tap_row;
  const bool step_2 = square && unit.pixel_step == 2 * kLanes && unit.row_step == 2 * unit.tap_row;
  if constexpr (kTilesFit) {
    if (K == 3 && step_1) return {table<3, 1, 1>(), table<3, 1, 2>()};
    if (K == 5 && step_1) return {table<5, 1, 1>(), table<5, 1, 2>()};
    if (K == 3 && step_2) return {table<3, 2, 1>(), {}};  // two rows would share only one row of input, which saves no time
    if (K == 5 && step_2) return {table<5, 2, 1>(), table<5, 2, 2>()};
  }
  constexpr int most = kMostPixelsAnySize;
  const auto* tiles = unit.pixel_step == kLanes ? kByPixels<TilesOfAnySize<kLanes>, most> : kByPixels<TilesOfAnySize<0>, most>;
  return {{tiles, most}, {}};
}

// `groups` rows of tiles, from output row `row` on.
void run_tiles(const ConvDepthwise& unit, TileTable table, int row, int groups, Clamp clamp) {
  for_each_width(row_of_tiles(unit.columns, table.most),
                 [&](int, int column, int width, int count) { table.width[width](unit, {row, groups, column, count}, clamp); });
}

void run_rows(const ConvDepthwise& unit, const TileTables& tables, int row, int rows, Clamp clamp) {
  const int pairs = tables.two.width ? rows / 2 : 0;
  const int single = rows - 2 * pairs;
  if (pairs) run_tiles(unit, tables.two, row, pairs, clamp);
  if (single) run_tiles(unit, tables.one, row + 2 * pairs, single, clamp);
}

}  // namespace

void conv_depthwise(const ConvDepthwise& unit) {
  if (unit.columns == 0) return;
  const TileTables tables = tables_for(unit);
  const Clamp clamp = clamp_of(unit.activation);
  if (is_clamp(unit.activation)) return run_rows(unit, tables, 0, unit.rows, clamp);
  for (int row = 0; row < unit.rows; row += 2) {  // the activation is a pass over rows that are still in the cache
    const int rows = row + 2 <= unit.rows ? 2 : 1;
    run_rows(unit, tables, row, rows, clamp);
    for (int done = row; done < row + rows; ++done)
      activate_pixels(unit.output + done * unit.output_row_stride, unit.columns, unit.output_pixel_stride, unit.activation);
  }
}

}  // namespace fastcnn::FASTCNN_ISA
