// Winograd kernels against the matrices of Cook and Toom, built here from the points, in double.
#include <algorithm>
#include <vector>

#include "kernel_testing.h"

namespace fastcnn::testing {

namespace {

using Matrix = std::vector<std::vector<double>>;

std::vector<double> points_of(int inputs) {
  const double root = std::sqrt(2.0);
  switch (inputs) {
    case 4: return {0, 1, -1};
    case 6: return {0, root / 2, -root / 2, root, -root};
    case 7: return {0, 0.5, -0.5, 1.1, -1.1, 2.5};
    default: return {0, 0.5, -0.5, 1, -1, 2, -2};
  }
}

// The coefficients of the product of (x - p) over all points but points[left_out], the lowest power first.
std::vector<double> product_without(const std::vector<double>& points, std::size_t left_out) {
  std::vector<double> product = {1};
  for (std::size_t i = 0; i < points.size(); ++i) {
    if (i == left_out) continue;
    std::vector<double> next(product.size() + 1, 0.0);
    for (std::size_t k = 0; k < product.size(); ++k) {
      next[k + 1] += product[k];
      next[k] -= points[i] * product[k];
    }
    product = next;
  }
  product.resize(points.size() + 1, 0.0);
  return product;
}

// F(M, R), and the forms that the kernels have.
struct Form {
  int outputs, taps;
  int inputs() const { return outputs + taps - 1; }
};
constexpr Form kForms[] = {{2, 3}, {4, 3}, {5, 3}, {6, 3}, {2, 5}};

Matrix input_matrix(Form form) {
  const std::vector<double> points = points_of(form.inputs());
  Matrix rows;
  for (std::size_t i = 0; i <= points.size(); ++i) rows.push_back(product_without(points, i));
  return rows;
}

Matrix weight_matrix(Form form) {
  const std::vector<double> points = points_of(form.inputs());
  Matrix rows;
  for (double p : points) {
    double scale = 1;
    for (double other : points) scale *= other == p ? 1 : p - other;
    rows.emplace_back();
    for (int k = 0; k < form.taps; ++k) rows.back().push_back(std::pow(p, k) / scale);
  }
  rows.emplace_back(form.taps, 0.0);
  rows.back().back() = 1;
  return rows;
}

Matrix output_matrix(Form form) {
  Matrix rows;
  for (int r = 0; r < form.outputs; ++r) {
    rows.emplace_back();
    for (double p : points_of(form.inputs())) rows.back().push_back(std::pow(p, r));
    rows.back().push_back(r + 1 == form.outputs ? 1 : 0);
  }
  return rows;
}

// Element (i, j) of L x L^T, where x(a, b) is element (a, b) of x.
template <class Numbers>
Sum both_sides(const Matrix& L, std::size_t i, std::size_t j, Numbers&& x) {
  Sum sum;
  for (std::size_t a = 0; a < L[i].size(); ++a)
    for (std::size_t b = 0; b < L[j].size(); ++b) sum.add(L[i][a] * L[j][b] * x(static_cast<int>(a), static_cast<int>(b)));
  return sum;
}

// Tiles first .. first + count - 1 of an image of `rows` x `columns` pixels, which is a part of a wider image of NaN.
void check_input(const Kernels& kernels, Form form, int rows, int columns, int first, int count) {
  const int outputs = form.outputs;
  const int overlap = form.taps - 1;
  const int N = form.inputs();
  const int lanes = kernels.lanes;
  const int across = std::max(1, (columns - overlap + outputs - 1) / outputs);
  const std::string what = label(kernels, "winograd_input", outputs, form.taps, rows, columns, first, count);
  Random random(static_cast<std::uint32_t>(rows * 100 + columns));
  const int width = columns + 3;
  Buffer x(std::int64_t{rows} * width * lanes, random);
  for (int y = 0; y < rows; ++y)
    for (int i = columns * lanes; i < width * lanes; ++i) x.data()[y * width * lanes + i] = std::nanf("");
  const std::int64_t point_stride = std::int64_t{count} * lanes + 16;
  Buffer points(N * N * point_stride);
  kernels.winograd_input({.outputs = form.outputs,
                          .taps = form.taps,
                          .input = x.data(),
                          .row_stride = std::int64_t{width} * lanes,
                          .rows = rows,
                          .columns = columns,
                          .first = first,
                          .across = across,
                          .count = count,
                          .output = points.data(),
                          .point_stride = point_stride});
  const Matrix B = input_matrix(form);
  for (int t = 0; t < count; ++t) {
    const int top = (first + t) / across * outputs, left = (first + t) % across * outputs;
    for (int p = 0; p < N * N; ++p) {
      for (int lane = 0; lane < lanes; ++lane) {
        const Sum want = both_sides(B, static_cast<std::size_t>(p / N), static_cast<std::size_t>(p % N), [&](int i, int j) {
          return top + i < rows && left + j < columns ? x[((top + i) * width + left + j) * lanes + lane] : 0.0f;
        });
        const std::int64_t at = p * point_stride + t * lanes + lane;
        check_close(what, at, points[at], want.value, want.bound());
      }
    }
  }
  points.check_guards(what);
}

void check_output(const Kernels& kernels, Form form, int rows, int columns, int first, int count, bool residual, Activation act) {
  const int outputs = form.outputs;
  const int N = form.inputs();
  const int lanes = kernels.lanes;
  const int across = (columns + outputs - 1) / outputs;
  const std::string what =
      label(kernels, "winograd_output", outputs, form.taps, rows, columns, first, count, residual, static_cast<int>(act.kind));
  Random random(static_cast<std::uint32_t>(rows * 100 + columns));
  const std::int64_t point_stride = std::int64_t{count} * lanes + 16;
  const std::int64_t row = std::int64_t{columns} * lanes;
  const Buffer products(N * N * point_stride, random);
  const Buffer bias(lanes, random);
  const Buffer added(rows * row, random);
  Buffer y(rows * row);
  std::fill_n(y.data(), y.size(), 7.0f);
  kernels.winograd_output({.outputs = form.outputs,
                           .taps = form.taps,
                           .products = products.data(),
                           .point_stride = point_stride,
                           .bias = bias.data(),
                           .output = y.data(),
                           .residual = residual ? added.data() : nullptr,
                           .output_row_stride = row,
                           .residual_row_stride = row,
                           .rows = rows,
                           .columns = columns,
                           .first = first,
                           .across = across,
                           .count = count,
                           .pooled = false,
                           .activation = act});
  const Matrix A = output_matrix(form);
  for (std::int64_t at = 0; at < y.size(); ++at) {
    const int h = static_cast<int>(at / row), w = static_cast<int>(at % row / lanes);
    const int lane = static_cast<int>(at % lanes);
    const int t = h / outputs * across + w / outputs - first;
    if (t < 0 || t >= count) {
      check_close(what, at, y[at], 7, 0);  // a pixel of another unit
      continue;
    }
    Sum sum = both_sides(A, static_cast<std::size_t>(h % outputs), static_cast<std::size_t>(w % outputs),
                         [&](int i, int j) { return products[(i * N + j) * point_stride + t * lanes + lane]; });
    sum.add(bias[lane]);
    if (residual) sum.add(added[at]);
    check_close(what, at, y[at], activation(sum.value, act), activation_bound(sum.value, sum.bound(), act));
  }
  y.check_guards(what);
}

// Pooled outputs have the same bits as the maxima of the outputs that the kernel writes without pooling.
void check_pooled(const Kernels& kernels, Form form, int rows, int columns, Activation act) {
  const int N = form.inputs();
  const int lanes = kernels.lanes;
  const int across = (columns + form.outputs - 1) / form.outputs;
  const int count = across * ((rows + form.outputs - 1) / form.outputs);
  const std::string what = label(kernels, "winograd_output pooled", form.outputs, form.taps, rows, columns);
  Random random(static_cast<std::uint32_t>(rows * 100 + columns));
  const std::int64_t point_stride = std::int64_t{count} * lanes;
  const std::int64_t row = std::int64_t{columns} * lanes;
  const std::int64_t small = columns / 2 * lanes;
  Buffer products(N * N * point_stride, random);
  const Buffer bias(lanes, random);
  products.data()[0] = std::nanf("");
  Buffer y(rows * row);
  Buffer pooled(rows / 2 * small);
  WinogradOutput unit{.outputs = form.outputs,
                      .taps = form.taps,
                      .products = products.data(),
                      .point_stride = point_stride,
                      .bias = bias.data(),
                      .output = y.data(),
                      .residual = nullptr,
                      .output_row_stride = row,
                      .residual_row_stride = 0,
                      .rows = rows,
                      .columns = columns,
                      .first = 0,
                      .across = across,
                      .count = count,
                      .pooled = false,
                      .activation = act};
  kernels.winograd_output(unit);
  unit.output = pooled.data();
  unit.output_row_stride = small;
  unit.pooled = true;
  kernels.winograd_output(unit);
  for (std::int64_t at = 0; at < pooled.size(); ++at) {
    const std::int64_t from = at / small * 2 * row + at % small / lanes * 2 * lanes + at % lanes;
    float most = y[from];
    for (std::int64_t other : {from + lanes, from + row, from + row + lanes})
      if (std::isnan(y[other]) || y[other] > most) most = y[other];
    check_close(what, at, pooled[at], most, 0);
  }
  pooled.check_guards(what);
}

}  // namespace

void test_winograd_input(const Kernels& kernels) {
  for (Form form : kForms) {
    const int M = form.outputs;
    const int overlap = form.taps - 1;
    const int N = form.inputs();
    check_input(kernels, form, N, N, 0, 1);
    check_input(kernels, form, 2 * M + overlap, 2 * M + overlap, 1, 3);
    for (int cut = 1; cut < N; ++cut) check_input(kernels, form, 2 * M + overlap - cut, 3 * M + overlap + 1 - cut, 0, 4);
  }
}

void test_winograd_output(const Kernels& kernels) {
  const Activation none{}, relu{ActivationKind::relu, 0, 0}, silu{ActivationKind::silu, 0, 0};
  for (Form form : kForms) {
    const int M = form.outputs;
    check_output(kernels, form, M, M, 0, 1, false, none);
    check_output(kernels, form, 2 * M, 2 * M, 1, 2, true, relu);
    for (int cut = 1; cut < M; ++cut) {
      check_output(kernels, form, 2 * M - cut, 3 * M - cut, 1, 5, true, silu);
      check_output(kernels, form, 2 * M - cut, 2 * M, 0, 4, false, relu);
    }
    for (int cut = 0; cut < M && M % 2 == 0; ++cut) check_pooled(kernels, form, 2 * M - cut, 3 * M - 1 - cut, cut % 2 ? relu : none);
  }
}

void test_winograd_weights(const Kernels& kernels) {
  for (Form form : kForms) {
    const int N = form.inputs();
    const int R = form.taps;
    for (int vectors = 1; vectors <= 3; ++vectors) {
      const std::string what = label(kernels, "winograd_weights", form.outputs, R, vectors);
      Random random(static_cast<std::uint32_t>(vectors));
      const std::int64_t count = std::int64_t{vectors} * kernels.lanes;
      const std::int64_t point_stride = count + 5;
      const Buffer filters(R * R * count, random);
      Buffer weights(N * N * point_stride);
      kernels.winograd_weights({.outputs = form.outputs,
                                .taps = R,
                                .filters = filters.data(),
                                .count = count,
                                .weights = weights.data(),
                                .point_stride = point_stride});
      const Matrix G = weight_matrix(form);
      for (int p = 0; p < N * N; ++p) {
        for (std::int64_t i = 0; i < count; ++i) {
          const Sum want = both_sides(G, static_cast<std::size_t>(p / N), static_cast<std::size_t>(p % N),
                                      [&](int a, int b) { return filters[(a * R + b) * count + i]; });
          check_close(what, p * point_stride + i, weights[p * point_stride + i], want.value, want.bound());
        }
      }
      weights.check_guards(what);
    }
  }
}

void test_winograd_multiply(const Kernels& kernels) {
  const int lanes = kernels.lanes;
  for (int tiles = 1; tiles <= 30; ++tiles) {
    for (int blocks = 1; blocks <= 2; ++blocks) {
      const int input_blocks = 1 + tiles % 3;
      const int last_channels = 1 + tiles % lanes;
      const int points = 1 + tiles % 2;
      const std::string what = label(kernels, "winograd_multiply", tiles, blocks, input_blocks, last_channels);
      Random random(static_cast<std::uint32_t>(tiles));
      const int channels = (input_blocks - 1) * lanes + last_channels;
      const int outs = blocks * lanes;
      const std::int64_t in_size = std::int64_t{input_blocks} * tiles * lanes;
      const std::int64_t weights_size = std::int64_t{channels} * outs;
      const std::int64_t out_size = std::int64_t{blocks} * tiles * lanes;
      Buffer x(points * in_size, random);
      for (int point = 0; point < points; ++point)
        for (int t = 0; t < tiles; ++t)
          for (int k = last_channels; k < lanes; ++k)
            x.data()[point * in_size + ((input_blocks - 1) * tiles + t) * lanes + k] = std::nanf("");
      const Buffer weights(points * weights_size, random);
      Buffer y(points * out_size);
      kernels.winograd_multiply({.points = points,
                                 .input = x.data(),
                                 .weights = weights.data(),
                                 .output = y.data(),
                                 .input_point_stride = in_size,
                                 .weights_point_stride = weights_size,
                                 .output_point_stride = out_size,
                                 .next_weights = 0,
                                 .tiles = tiles,
                                 .input_blocks = input_blocks,
                                 .last_channels = last_channels,
                                 .output_blocks = blocks,
                                 .input_block_stride = std::int64_t{tiles} * lanes,
                                 .output_block_stride = std::int64_t{tiles} * lanes});
      for (std::int64_t at = 0; at < y.size(); ++at) {
        const std::int64_t point = at / out_size;
        const std::int64_t block = at % out_size / (tiles * lanes);
        const std::int64_t t = at / lanes % tiles;
        const std::int64_t o = block * lanes + at % lanes;
        Sum want;
        for (int k = 0; k < channels; ++k) {
          want.add(static_cast<double>(x[point * in_size + (k / lanes * tiles + t) * lanes + k % lanes]) *
                   weights[point * weights_size + std::int64_t{k} * outs + o]);
        }
        check_close(what, at, y[at], want.value, want.bound());
      }
      y.check_guards(what);
    }
  }
}

}  // namespace fastcnn::testing
