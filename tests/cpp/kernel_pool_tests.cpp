// Pooling kernels against loops over windows in double.
#include <algorithm>
#include <initializer_list>

#include "kernel_testing.h"

namespace fastcnn::testing {

namespace {

// One axis of a pooling: windows clipped to the pixels 0 .. size - 1.
struct Axis {
  int size, kernel, stride, padding, dilation;
  std::vector<PoolWindow> windows;

  Axis(int size_, int kernel_, int stride_, int padding_, int dilation_)
      : size(size_), kernel(kernel_), stride(stride_), padding(padding_), dilation(dilation_) {
    for (int start = -padding; start + (kernel - 1) * dilation < size + padding; start += stride) {
      int first = start;
      while (first < 0) first += dilation;
      const int last = std::min(size, start + (kernel - 1) * dilation + 1);
      windows.push_back({first, last, 1.0f / static_cast<float>((last - first + dilation - 1) / dilation)});
    }
  }
  int count() const { return static_cast<int>(windows.size()); }
};

// An image (rows, columns, lanes). After each row comes a gap of one pixel that holds NaN: no kernel may read or write it.
struct Image {
  int rows, columns, lanes;
  Buffer floats;
  Image(int rows_, int columns_, int lanes_) : rows(rows_), columns(columns_), lanes(lanes_), floats(rows * row()) {}
  Image(int rows_, int columns_, int lanes_, Random& random) : Image(rows_, columns_, lanes_) {
    for (int r = 0; r < rows; ++r)
      for (int i = 0; i < columns * lanes; ++i) floats.data()[r * row() + i] = random.next();
  }
  std::int64_t row() const { return std::int64_t{columns + 1} * lanes; }
  float at(std::int64_t r, std::int64_t c, int lane) const { return floats[r * row() + c * lanes + lane]; }
};

template <class Want>  // want(row, column, lane) -> Sum
void check_image(const std::string& what, const Image& y, Want&& want) {
  for (int r = 0; r < y.rows; ++r)
    for (int c = 0; c <= y.columns; ++c)
      for (int lane = 0; lane < y.lanes; ++lane) {
        const Sum sum = c < y.columns ? want(r, c, lane) : Sum{std::nan(""), 0, 0};
        check_close(what, (r * (y.columns + 1) + c) * y.lanes + lane, y.at(r, c, lane), sum.value, sum.bound());
      }
  y.floats.check_guards(what);
}

Pool pool_of(const Image& x, Image& y, const Axis& rows, const Axis& columns) {
  return {.x = x.floats.data(),
          .y = y.floats.data(),
          .rows = rows.windows.data(),
          .columns = columns.windows.data(),
          .row_scales = nullptr,
          .column_scales = nullptr,
          .row_count = rows.count(),
          .column_count = columns.count(),
          .row_step = rows.dilation,
          .column_step = columns.dilation,
          .x_row_stride = x.row(),
          .y_row_stride = y.row(),
          .x_slots = 0};
}

// Calls body(row, column) for the pixels of a window, in row-major order.
template <class Body>
void for_each_tap(const PoolWindow& row, int row_step, const PoolWindow& column, int column_step, Body&& body) {
  for (std::int64_t r = row.first; r < row.last; r += row_step)
    for (std::int64_t c = column.first; c < column.last; c += column_step) body(r, c);
}

bool higher(float x, float most) { return x > most || (std::isnan(x) && !std::isnan(most)); }

// special: a NaN or an infinity that one pixel has, or 0 for none.
void check_max(const Kernels& kernels, const Axis& rows, const Axis& columns, float special, std::uint32_t seed) {
  const std::string what = label(kernels, "max_pool", rows.size, columns.size, rows.kernel, rows.stride, rows.padding, rows.dilation);
  Random random(seed);
  Image x(rows.size, columns.size, kernels.lanes, random);
  Image y(rows.count(), columns.count(), kernels.lanes);
  if (special != 0) x.floats.data()[(rows.size / 2) * x.row() + columns.size / 2 * kernels.lanes] = special;
  kernels.max_pool(pool_of(x, y, rows, columns));
  check_image(what, y, [&](int r, int c, int lane) {
    float most = -INFINITY;
    for_each_tap(rows.windows[static_cast<std::size_t>(r)], rows.dilation, columns.windows[static_cast<std::size_t>(c)], columns.dilation,
                 [&](auto h, auto w) { most = higher(x.at(h, w, lane), most) ? x.at(h, w, lane) : most; });
    return Sum{most, 0, 0};
  });
}

void check_max_backward(const Kernels& kernels, const Axis& rows, const Axis& columns, bool with_nan, std::uint32_t seed) {
  const int lanes = kernels.lanes;
  const std::string what = label(kernels, "max_pool_backward", rows.size, columns.size, rows.kernel, rows.stride, rows.padding);
  Random random(seed);
  Image x(rows.size, columns.size, lanes, random);
  Image dx(rows.size, columns.size, lanes);
  const Image dy(rows.count(), columns.count(), lanes, random);
  for (int i = 0; i < rows.size * columns.size * lanes; i += 3) {  // many equal maxima: the first takes the gradient
    float& value = x.floats.data()[i / (columns.size * lanes) * x.row() + i % (columns.size * lanes)];
    value = with_nan && i % 2 ? std::nanf("") : 0.75f;
  }
  const bool wide = seed % 2;
  const PoolGrid windows{.rows = rows.windows.data(),
                         .columns = columns.windows.data(),
                         .row_count = rows.count(),
                         .column_count = columns.count(),
                         .row_step = rows.dilation,
                         .column_step = columns.dilation};
  std::vector<std::int32_t> places(static_cast<std::size_t>(rows.count() * columns.count() * lanes));
  kernels.max_pool_places({.x = x.floats.data(), .places = places.data(), .windows = windows, .x_row_stride = x.row(), .wide = wide});
  kernels.max_pool_backward({.dy = dy.floats.data(),
                             .places = places.data(),
                             .dx = dx.floats.data(),
                             .windows = windows,
                             .x_rows = rows.size,
                             .x_columns = columns.size,
                             .dy_row_stride = dy.row(),
                             .dx_row_stride = dx.row(),
                             .wide = wide});
  std::vector<Sum> want(static_cast<std::size_t>(rows.size * columns.size * lanes));
  const auto element = [&](auto h, auto w, int lane) { return static_cast<std::size_t>((h * columns.size + w) * lanes + lane); };
  for (int r = 0; r < rows.count(); ++r)
    for (int c = 0; c < columns.count(); ++c)
      for (int lane = 0; lane < lanes; ++lane) {
        float most = -INFINITY;
        std::size_t first = want.size();
        for_each_tap(rows.windows[static_cast<std::size_t>(r)], rows.dilation, columns.windows[static_cast<std::size_t>(c)],
                     columns.dilation, [&](auto h, auto w) {
                       if (first < want.size() && !higher(x.at(h, w, lane), most)) return;
                       most = x.at(h, w, lane);
                       first = element(h, w, lane);
                     });
        want[first].add(dy.at(r, c, lane));
      }
  check_image(what, dx, [&](int r, int c, int lane) { return want[element(r, c, lane)]; });
}

void check_avg(const Kernels& kernels, const Axis& rows, const Axis& columns, std::uint32_t seed) {
  const std::string what = label(kernels, "avg_pool", rows.size, columns.size, rows.kernel, rows.stride, rows.padding);
  Random random(seed);
  const Image x(rows.size, columns.size, kernels.lanes, random);
  Image y(rows.count(), columns.count(), kernels.lanes);
  kernels.avg_pool(pool_of(x, y, rows, columns));
  check_image(what, y, [&](int r, int c, int lane) {
    const PoolWindow row = rows.windows[static_cast<std::size_t>(r)];
    const PoolWindow column = columns.windows[static_cast<std::size_t>(c)];
    Sum sum;
    for_each_tap(row, 1, column, 1, [&](auto h, auto w) { sum.add(double{x.at(h, w, lane)} * row.scale * column.scale); });
    return sum;
  });
}

// In training the windows are the outputs that an input is part of; for the kernel any windows will do.
void check_avg_backward(const Kernels& kernels, const Axis& rows, const Axis& columns, std::uint32_t seed) {
  const std::string what = label(kernels, "avg_pool_backward", rows.size, columns.size, rows.kernel, rows.stride, rows.padding);
  Random random(seed);
  const Image dy(rows.size, columns.size, kernels.lanes, random);
  Image dx(rows.count(), columns.count(), kernels.lanes);
  const Buffer row_scales(rows.size, random);
  const Buffer column_scales(columns.size, random);
  Pool unit = pool_of(dy, dx, rows, columns);
  unit.row_scales = row_scales.data();
  unit.column_scales = column_scales.data();
  kernels.avg_pool_backward(unit);
  check_image(what, dx, [&](int r, int c, int lane) {
    Sum sum;
    for_each_tap(rows.windows[static_cast<std::size_t>(r)], 1, columns.windows[static_cast<std::size_t>(c)], 1,
                 [&](auto h, auto w) { sum.add(double{dy.at(h, w, lane)} * row_scales[h] * column_scales[w]); });
    return sum;
  });
}

// Kernel sizes, strides and paddings of networks, and some others; `most_dilation` is 1 for averages.
template <class Check>
void for_all_windows(int most_dilation, Check&& check) {
  std::uint32_t seed = 800;
  for (int kernel : {1, 2, 3, 5})
    for (int stride : {1, 2, 3})
      for (int padding = 0; padding <= kernel / 2; ++padding)
        for (int dilation = 1; dilation <= most_dilation; ++dilation)
          check(Axis(9, kernel, stride, padding, dilation), Axis(11, kernel == 1 ? 3 : kernel - 1, stride, 0, 1), seed++);
  for (int kernel : {2, 3})  // squares, as networks have them: images of one window, of border windows alone, and of inner windows, too
    for (int stride : {1, 2, 3})
      for (int size : {kernel, kernel + 1, 7, 8})
        for (int padding : {0, 1}) check(Axis(size + 1, kernel, stride, padding, 1), Axis(size, kernel, stride, padding, 1), seed++);
  check(Axis(1, 1, 1, 0, 1), Axis(1, 1, 1, 0, 1), seed);
}

}  // namespace

void test_max_pool(const Kernels& kernels) {
  for_all_windows(2, [&](const Axis& rows, const Axis& columns, std::uint32_t seed) {
    for (float special : {0.0f, std::nanf(""), INFINITY, -INFINITY}) check_max(kernels, rows, columns, special, seed);
  });
}
void test_max_pool_backward(const Kernels& kernels) {
  for_all_windows(2, [&](const Axis& rows, const Axis& columns, std::uint32_t seed) {
    for (bool with_nan : {false, true}) check_max_backward(kernels, rows, columns, with_nan, seed);
  });
}
void test_max_pool_places(const Kernels& kernels) { test_max_pool_backward(kernels); }
void test_avg_pool(const Kernels& kernels) {
  for_all_windows(1, [&](const Axis& rows, const Axis& columns, std::uint32_t seed) { check_avg(kernels, rows, columns, seed); });
}
void test_avg_pool_backward(const Kernels& kernels) {
  for_all_windows(1, [&](const Axis& rows, const Axis& columns, std::uint32_t seed) { check_avg_backward(kernels, rows, columns, seed); });
}

}  // namespace fastcnn::testing
