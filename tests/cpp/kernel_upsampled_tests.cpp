// The transforms before and after the products of a convolution of an upsampled image, against their formulas in double.
#include "kernel_testing.h"

namespace fastcnn::testing {

namespace {

struct Case {
  int rows, columns, first, count, neighbours;
  bool before;  // where a single neighbour lies: before the pixel, or after it
};

constexpr Case kCases[] = {{1, 1, 0, 1, 1, false}, {1, 1, 0, 1, 2, false}, {3, 4, 0, 12, 1, true},
                           {3, 4, 2, 7, 2, false}, {5, 3, 4, 9, 1, false}, {4, 7, 13, 15, 2, false}};

int step_of(const Case& c, int neighbour) { return neighbour == 0 && (c.neighbours == 2 || c.before) ? -1 : 1; }

void check_input(const Kernels& kernels, const Case& c) {
  const int lanes = kernels.lanes;
  const int points = c.neighbours + 1;
  const std::string what = label(kernels, "upsampled_input", c.rows, c.columns, c.first, c.count, c.neighbours, c.before);
  Random random(static_cast<std::uint32_t>(c.rows * 31 + c.columns));
  const std::int64_t row = std::int64_t{c.columns + 2} * lanes;
  const std::int64_t point_stride = std::int64_t{c.count} * lanes + 5;
  const Buffer x((c.rows + 2) * row, random);  // a ring of one pixel
  Buffer y(points * points * point_stride);
  UpsampledInput unit{.input = x.data() + row + lanes,
                      .row_stride = row,
                      .columns = c.columns,
                      .first = c.first,
                      .count = c.count,
                      .neighbours = c.neighbours,
                      .down = {},
                      .across = {},
                      .output = y.data(),
                      .point_stride = point_stride};
  for (int k = 0; k < c.neighbours; ++k) {
    unit.down[k] = step_of(c, k) * row;
    unit.across[k] = std::int64_t{step_of(c, k)} * lanes;
  }
  kernels.upsampled_input(unit);
  for (int t = 0; t < c.count; ++t) {
    const int py = (c.first + t) / c.columns + 1, px = (c.first + t) % c.columns + 1;
    for (int a = 0; a < points; ++a)
      for (int b = 0; b < points; ++b)
        for (int lane = 0; lane < lanes; ++lane) {
          Sum want;  // x[a, b] - x[a, 0] - x[0, b] + x[0, 0], without terms that cancel
          const auto add = [&](int i, int j, double sign) {
            const int yy = py + (i ? step_of(c, i - 1) : 0);
            const int xx = px + (j ? step_of(c, j - 1) : 0);
            want.add(sign * x[yy * row + xx * lanes + lane]);
          };
          add(a, b, 1);
          if (b) add(a, 0, -1);
          if (a) add(0, b, -1);
          if (a && b) add(0, 0, 1);
          const std::int64_t at = (a * points + b) * point_stride + t * lanes + lane;
          check_close(what, at, y[at], want.value, want.bound());
        }
  }
  y.check_guards(what);
}

void check_output(const Kernels& kernels, const Case& c, bool residual, Activation act) {
  const int lanes = kernels.lanes;
  const int points = c.neighbours + 1;
  const std::string what = label(kernels, "upsampled_output", c.rows, c.columns, c.first, c.count, c.neighbours, c.before, residual);
  Random random(static_cast<std::uint32_t>(c.rows * 17 + c.columns));
  const std::int64_t row = std::int64_t{2} * c.columns * lanes;
  const std::int64_t point_stride = std::int64_t{c.count} * lanes + 3;
  const Buffer products(points * points * point_stride, random);
  const Buffer bias(lanes, random);
  const Buffer added(2 * c.rows * row, random);
  Buffer y(2 * c.rows * row);
  for (std::int64_t i = 0; i < y.size(); ++i) y.data()[i] = 7;
  const int plain = c.neighbours == 1 && c.before ? 1 : 0;
  kernels.upsampled_output({.products = products.data(),
                            .point_stride = point_stride,
                            .bias = bias.data(),
                            .output = y.data(),
                            .residual = residual ? added.data() : nullptr,
                            .output_row_stride = row,
                            .residual_row_stride = row,
                            .columns = c.columns,
                            .first = c.first,
                            .count = c.count,
                            .neighbours = c.neighbours,
                            .plain_row = plain,
                            .plain_column = plain,
                            .activation = act});
  // The neighbour's point that an output adds; -1: none.
  const auto extra = [&](int phase) { return c.neighbours == 2 ? 1 + phase : phase == plain ? -1 : 1; };
  for (std::int64_t at = 0; at < y.size(); ++at) {
    const int yy = static_cast<int>(at / row);
    const int xx = static_cast<int>(at % row / lanes);
    const int lane = static_cast<int>(at % lanes);
    const int t = yy / 2 * c.columns + xx / 2 - c.first;
    if (t < 0 || t >= c.count) {
      check_close(what, at, y[at], 7, 0);
      continue;
    }
    Sum want;
    for (int a : {0, extra(yy % 2)})
      for (int b : {0, extra(xx % 2)})
        if (a >= 0 && b >= 0) want.add(products[(a * points + b) * point_stride + t * lanes + lane]);
    want.add(bias[lane]);
    if (residual) want.add(added[at]);
    check_close(what, at, y[at], activation(want.value, act), want.bound() * 2 + 16 * kEps);
  }
  y.check_guards(what);
}

void check_weights(const Kernels& kernels, int taps, int vectors) {
  const std::string what = label(kernels, "upsampled_weights", taps, vectors);
  const std::int64_t count = std::int64_t{vectors} * kernels.lanes;
  const std::int64_t point_stride = count + 16;
  Random random(static_cast<std::uint32_t>(taps + vectors));
  const Buffer filters(taps * taps * count, random);
  // All taps, the first tap, the last tap.
  const int points = taps;
  const TapRange ranges[3] = {{0, taps}, {0, 1}, {taps - 1, taps}};
  Buffer weights(points * points * point_stride);
  UpsampledWeights unit{.taps = taps,
                        .down = points,
                        .across = points,
                        .rows = {},
                        .columns = {},
                        .filters = filters.data(),
                        .count = count,
                        .weights = weights.data(),
                        .point_stride = point_stride};
  for (int k = 0; k < points; ++k) {
    unit.rows[k] = ranges[k];
    unit.columns[k] = ranges[points == 2 && k == 1 ? 2 : k];
  }
  kernels.upsampled_weights(unit);
  for (int a = 0; a < points; ++a)
    for (int b = 0; b < points; ++b)
      for (std::int64_t i = 0; i < count; ++i) {
        Sum want;
        for (int row = unit.rows[a].first; row < unit.rows[a].end; ++row)
          for (int column = unit.columns[b].first; column < unit.columns[b].end; ++column)
            want.add(filters[(row * taps + column) * count + i]);
        const std::int64_t at = (a * points + b) * point_stride + i;
        check_close(what, at, weights[at], want.value, want.bound());
      }
  weights.check_guards(what);
}

}  // namespace

void test_upsampled_weights(const Kernels& kernels) {
  for (int taps : {2, 3})
    for (int vectors : {1, 3, 32}) check_weights(kernels, taps, vectors);
}

void test_upsampled_input(const Kernels& kernels) {
  for (const Case& c : kCases) check_input(kernels, c);
}

void test_upsampled_output(const Kernels& kernels) {
  for (const Case& c : kCases) {
    check_output(kernels, c, false, {});
    check_output(kernels, c, true, {ActivationKind::relu, 0, 0});
    check_output(kernels, c, true, {ActivationKind::silu, 0, 0});
  }
}

}  // namespace fastcnn::testing
