// Matrix products of plain row-major arrays, for linear layers and their gradients. Nothing is packed: the weights of a linear layer are
// read once in a run, directly from where they are stored.
#include "kernels/kernels.h"
#include "kernels/register_tiles.h"
#include "simd/loops.h"

namespace fastcnn::FASTCNN_ISA {

namespace {

// y[r, o] for R rows of x and O rows of weights, from `row` and `output` on: R * O dot products, each a vector of partial sums.
template <int R, int O>
void dot_products(const LinearRows& unit, int64_t row, int64_t output) {
  const float* x[R];
  const float* w[O];
  unroll<R>([&](auto r) { x[r] = unit.x + (row + r) * unit.x_stride; });
  unroll<O>([&](auto o) { w[o] = unit.weights + (output + o) * unit.weights_stride; });
  Vec acc[R][O] = {};
  // The next O rows of weights are prefetched: the hardware prefetcher stops at the end of each page, and a row is often a page or two.
  const int64_t ahead = O * unit.weights_stride;
  int64_t i = 0;
  for (; i + kLanes <= unit.inputs; i += kLanes) {
    Vec wv[O];
    unroll<O>([&](auto o) {
      wv[o] = load(w[o] + i);
      __builtin_prefetch(w[o] + i + ahead, 0, 2);
    });
    unroll<R>([&](auto r) {
      const Vec xv = load(x[r] + i);
      unroll<O>([&](auto o) { acc[r][o] = fma(xv, wv[o], acc[r][o]); });
    });
  }
  if (const int rest = static_cast<int>(unit.inputs - i)) {
    unroll<O>([&](auto o) {
      const Vec wv = load_first(w[o] + i, rest);
      unroll<R>([&](auto r) { acc[r][o] = fma(load_first(x[r] + i, rest), wv, acc[r][o]); });
    });
  }
  unroll<R>([&](auto r) {
    unroll<O>(
        [&](auto o) { unit.y[(row + r) * unit.y_stride + output + o] = sum(acc[r][o]) + (unit.bias ? unit.bias[output + o] : 0.0f); });
  });
}

// All outputs of R rows, four at a time: 4 weights + 1 input + R x 4 sums. A single row takes eight outputs at a time: with four sums each
// multiply-add would wait for the one before.
template <int R>
void rows_of_dot_products(const LinearRows& unit, int64_t row) {
  const auto products = [&](auto outputs, int64_t first) { dot_products<R, outputs>(unit, row, first); };
  if constexpr (R == 1)
    for_each_group<8, 4, 1>(unit.outputs, products);
  else
    for_each_group<4, 1>(unit.outputs, products);
}

// c[m, n] for R rows and C vectors of columns, from m and n on; the last vector has `last` lanes.
template <int R, int C>
void product_tile(const MultiplyRows& unit, int64_t m, int64_t n, int last) {
  Vec acc[R][C] = {};
  for (int64_t k = 0; k < unit.k; ++k) {
    const float* b = unit.b + k * unit.b_stride + n;
    const float* a = unit.a + m * unit.a_row + k * unit.a_column;
    Vec bv[C];
    unroll<C>([&](auto c) { bv[c] = c + 1 < C || last == kLanes ? load(b + c * kLanes) : load_first(b + c * kLanes, last); });
    add_products(acc, bv, [&](auto r) { return a[r * unit.a_row]; });
  }
  unroll<R>([&](auto r) {
    float* out = unit.c + (m + r) * unit.c_stride + n;
    unroll<C>([&](auto c) {
      if (c + 1 < C || last == kLanes)
        store(out + c * kLanes, acc[r][c]);
      else
        store_first(out + c * kLanes, acc[r][c], last);
    });
  });
}

// All columns of R rows.
template <int R>
void product_rows(const MultiplyRows& unit, int64_t m) {
  int64_t n = for_each_group<2 * kLanes>(unit.n, [&](auto, int64_t first) { product_tile<R, 2>(unit, m, first, kLanes); });
  for (; n < unit.n; n += kLanes) product_tile<R, 1>(unit, m, n, unit.n - n < kLanes ? static_cast<int>(unit.n - n) : kLanes);
}

constexpr int kRowsOfProducts = 6;                            // 6 x 2 sums + 2 + 1 fit in 16 registers
constexpr int kRowsOfDotProducts = kRegisters == 32 ? 4 : 2;  // 4 x 4 + 4 + 1 fit in 32 registers, 2 x 4 + 4 + 1 in 16

}  // namespace

void linear_rows(const LinearRows& unit) {
  for_each_group<kRowsOfDotProducts, 1>(unit.rows, [&](auto rows, int64_t row) { rows_of_dot_products<rows>(unit, row); });
  for (int64_t row = 0; row < unit.rows; ++row) {
    float* y = unit.y + row * unit.y_stride;
    activate(y, y, unit.outputs, unit.activation);
  }
}

void multiply_rows(const MultiplyRows& unit) {
  for_each_group<kRowsOfProducts, kRowsOfProducts / 2, 1>(unit.m, [&](auto rows, int64_t m) { product_rows<rows>(unit, m); });
}

}  // namespace fastcnn::FASTCNN_ISA
