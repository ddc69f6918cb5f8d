// Matrix products against sums in double: every remainder of rows, outputs and inputs.
#include "kernel_testing.h"

namespace fastcnn::testing {

namespace {

void check_linear(const Kernels& kernels, int rows, int outputs, int inputs, bool biased, Activation act, std::uint32_t seed) {
  const std::string what = label(kernels, "linear_rows", rows, outputs, inputs);
  Random random(seed);
  const int x_stride = inputs + 3;
  const int w_stride = inputs + 1;
  const int y_stride = outputs + 2;
  const Buffer x(rows * x_stride, random);
  const Buffer weights(outputs * w_stride, random);
  const Buffer bias(outputs, random);
  Buffer y(rows * y_stride);
  kernels.linear_rows(
      {x.data(), weights.data(), biased ? bias.data() : nullptr, y.data(), rows, outputs, inputs, x_stride, w_stride, y_stride, act});
  for (int r = 0; r < rows; ++r)
    for (int o = 0; o < y_stride; ++o) {
      const int at = r * y_stride + o;
      if (o >= outputs) {  // nothing is written between rows
        check_close(what, at, y[at], std::nan(""), 0);
        continue;
      }
      Sum sum;
      if (biased) sum.add(bias[o]);
      for (int i = 0; i < inputs; ++i) sum.add(double{x[r * x_stride + i]} * weights[o * w_stride + i]);
      check_close(what, at, y[at], activation(sum.value, act), activation_bound(sum.value, sum.bound(), act));
    }
  y.check_guards(what);
}

void check_multiply(const Kernels& kernels, int m, int n, int k, bool transposed, std::uint32_t seed) {
  const std::string what = label(kernels, "multiply_rows", m, n, k, static_cast<int>(transposed));
  Random random(seed);
  const int a_row = transposed ? 1 : k + 1;
  const int a_column = transposed ? m + 1 : 1;
  const int b_stride = n + 1;
  const int c_stride = n + 2;
  const Buffer a((m + 1) * (k + 1), random);
  const Buffer b(k * b_stride, random);
  Buffer c(m * c_stride);
  kernels.multiply_rows({a.data(), b.data(), c.data(), m, n, k, a_row, a_column, b_stride, c_stride});
  for (int row = 0; row < m; ++row)
    for (int column = 0; column < c_stride; ++column) {
      const int at = row * c_stride + column;
      if (column >= n) {
        check_close(what, at, c[at], std::nan(""), 0);
        continue;
      }
      Sum sum;
      for (int i = 0; i < k; ++i) sum.add(double{a[row * a_row + i * a_column]} * b[i * b_stride + column]);
      check_close(what, at, c[at], sum.value, sum.bound());
    }
  c.check_guards(what);
}

}  // namespace

void test_linear_rows(const Kernels& kernels) {
  std::uint32_t seed = 300;
  const int two = 2 * kernels.lanes;
  for (int inputs = 0; inputs <= two + 1; ++inputs)
    check_linear(kernels, 1 + inputs % 6, 1 + inputs % 9, inputs, inputs % 2 == 0, {}, seed++);
  for (int rows = 0; rows <= 9; ++rows)
    for (int outputs = 1; outputs <= 9; ++outputs)
      check_linear(kernels, rows, outputs, two + 3, true, {ActivationKind::relu, 0, 0}, seed++);
  check_linear(kernels, 2, 10, 1000, true, {ActivationKind::sigmoid, 0, 0}, seed++);
}

void test_multiply_rows(const Kernels& kernels) {
  std::uint32_t seed = 350;
  const int two = 2 * kernels.lanes;
  for (int n = 1; n <= two + 1; ++n)
    for (bool transposed : {false, true}) check_multiply(kernels, 1 + n % 13, n, 1 + n % 7, transposed, seed++);
  for (int m = 0; m <= 13; ++m) check_multiply(kernels, m, two + 3, 40, false, seed++);
  check_multiply(kernels, 3, 5, 0, false, seed++);  // a sum of no terms is 0
}

}  // namespace fastcnn::testing
