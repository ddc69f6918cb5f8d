// Matrix products of plain row-major arrays, for linear layers and their gradients. Nothing is packed: a linear layer's weights are read
// once a run, straight from where they are stored.
#include "kernels/kernels.h"
#include "simd/vec.h"

namespace fastcnn::FASTCNN_ISA {

namespace {

// y[r, o] for R rows of x and O rows of weights: R * O dot products side by side, each a vector of partial sums along the inputs.
template <int R, int O>
void dot_products(const LinearRows& unit, int64_t row, int64_t output) {
  const float* x[R];
  const float* w[O];
  unroll<R>([&](auto r) { x[r] = unit.x + (row + r) * unit.x_stride; });
  unroll<O>([&](auto o) { w[o] = unit.weights + (output + o) * unit.weights_stride; });
  Vec acc[R][O] = {};
  // The next O rows of weights: processors forget how they were read at the end of each page, and with rows of a page or two often.
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

// Outputs one after another, four at a time: 4 weights + 1 input + R x 4 sums. Of a single row eight at a time, for four sums alone would
// wait for one another.
template <int R>
void rows_of_dot_products(const LinearRows& unit, int64_t row) {
  int64_t output = 0;
  if constexpr (R == 1)
    for (; output + 8 <= unit.outputs; output += 8) dot_products<1, 8>(unit, row, output);
  for (; output + 4 <= unit.outputs; output += 4) dot_products<R, 4>(unit, row, output);
  for (; output < unit.outputs; ++output) dot_products<R, 1>(unit, row, output);
}

// c[m, n] for R rows m and C vectors of n; the last vector has `last` lanes.
template <int R, int C>
void product_tile(const MultiplyRows& unit, int64_t m, int64_t n, int last) {
  Vec acc[R][C] = {};
  for (int64_t k = 0; k < unit.k; ++k) {
    const float* b = unit.b + k * unit.b_stride + n;
    const float* a = unit.a + m * unit.a_row + k * unit.a_column;
    Vec bv[C];
    unroll<C>([&](auto c) { bv[c] = c + 1 < C || last == kLanes ? load(b + c * kLanes) : load_first(b + c * kLanes, last); });
    unroll<R>([&](auto r) {
      const Vec av = broadcast(a[r * unit.a_row]);
      unroll<C>([&](auto c) { acc[r][c] = fma(av, bv[c], acc[r][c]); });
    });
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

template <int R>
void product_rows(const MultiplyRows& unit, int64_t m) {
  int64_t n = 0;
  for (; n + 2 * kLanes <= unit.n; n += 2 * kLanes) product_tile<R, 2>(unit, m, n, kLanes);
  for (; n < unit.n; n += kLanes) product_tile<R, 1>(unit, m, n, unit.n - n < kLanes ? static_cast<int>(unit.n - n) : kLanes);
}

constexpr int kRowsOfProducts = 6;                            // 6 x 2 sums + 2 + 1 fit 16 registers
constexpr int kRowsOfDotProducts = kRegisters == 32 ? 4 : 2;  // 4 x 4 + 4 + 1 fit 32, 2 x 4 + 4 + 1 fit 16

}  // namespace

void linear_rows(const LinearRows& unit) {
  int64_t row = 0;
  for (; row + kRowsOfDotProducts <= unit.rows; row += kRowsOfDotProducts) rows_of_dot_products<kRowsOfDotProducts>(unit, row);
  for (; row < unit.rows; ++row) rows_of_dot_products<1>(unit, row);
  for (row = 0; row < unit.rows; ++row) {
    float* y = unit.y + row * unit.y_stride;
    activate(y, y, unit.outputs, unit.activation);
  }
}

void multiply_rows(const MultiplyRows& unit) {
  int64_t m = 0;
  for (; m + kRowsOfProducts <= unit.m; m += kRowsOfProducts) product_rows<kRowsOfProducts>(unit, m);
  for (; m + kRowsOfProducts / 2 <= unit.m; m += kRowsOfProducts / 2) product_rows<kRowsOfProducts / 2>(unit, m);
  for (; m < unit.m; ++m) product_rows<1>(unit, m);
}

}  // namespace fastcnn::FASTCNN_ISA
