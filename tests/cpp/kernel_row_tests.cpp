// Kernels that reduce an array, softmax among them: every count below two vectors and larger counts.
#include <cstring>
#include <functional>

#include "kernel_testing.h"

namespace fastcnn::testing {

namespace {

void for_all_counts(const Kernels& kernels, int least, const std::function<void(std::int64_t, Random&)>& check) {
  for (std::int64_t count = least; count <= 1003; count += count > 2 * kernels.lanes ? 485 : 1) {
    Random random(static_cast<std::uint32_t>(count) + 1200);
    check(count, random);
  }
}

// x is between center - 10 and center + 10, so that some terms vanish beside the largest.
void check_softmax(const Kernels& kernels, std::int64_t count, bool log, float center, Random& random) {
  const std::string what = label(kernels, "softmax_row", count, static_cast<int>(log));
  Buffer x(count, random);
  Buffer y(count);
  for (std::int64_t i = 0; i < count; ++i) x.data()[i] = center + 10 * x[i];
  double most = -INFINITY;
  for (std::int64_t i = 0; i < count; ++i) most = std::fmax(most, x[i]);
  double total = 0;
  for (std::int64_t i = 0; i < count; ++i) total += std::exp(x[i] - most);
  Buffer in_place = x;
  kernels.softmax_row(y.data(), x.data(), count, log);
  kernels.softmax_row(in_place.data(), in_place.data(), count, log);
  const double sum_error = static_cast<double>(count + 20) * kEps;  // relative error of the sum, without that of the exponents
  for (std::int64_t i = 0; i < count; ++i) {
    const double d = x[i] - most;
    const double want = log ? d - std::log(total) : std::exp(d) / total;
    check_close(what, i, y[i], want, log ? sum_error + 4 * kEps * (std::abs(d) + std::abs(want)) : want * (sum_error + 4 * kEps * -d));
  }
  if (count && std::memcmp(in_place.data(), y.data(), static_cast<std::size_t>(count) * sizeof(float)))
    fail(what, "differs when it runs in place");
  y.check_guards(what);
}

void check_softmax_backward(const Kernels& kernels, std::int64_t count, bool log, Random& random) {
  const std::string what = label(kernels, "softmax_backward_row", count, static_cast<int>(log));
  const Buffer dy(count, random);
  const Buffer y(count, random);  // the formula holds for any y
  Buffer dx(count);
  kernels.softmax_backward_row(dx.data(), dy.data(), y.data(), count, log);
  Sum total;
  for (std::int64_t i = 0; i < count; ++i) total.add(log ? dy[i] : double{dy[i]} * y[i]);
  for (std::int64_t i = 0; i < count; ++i) {
    const double factor = log ? std::exp(y[i]) : y[i];
    const double other = log ? 1 : y[i];
    const double bound = std::abs(factor) * (total.bound() + 16 * kEps * std::abs(total.value)) + 4 * kEps * std::abs(dy[i]);
    check_close(what, i, dx[i], other * dy[i] - factor * total.value, bound);
  }
  dx.check_guards(what);
}

}  // namespace

void test_softmax_row(const Kernels& kernels) {
  for (bool log : {false, true})
    for (float center : {0.0f, 1e6f})
      for_all_counts(kernels, 1, [&](std::int64_t count, Random& random) { check_softmax(kernels, count, log, center, random); });
}
void test_softmax_backward_row(const Kernels& kernels) {
  for (bool log : {false, true})
    for_all_counts(kernels, 1, [&](std::int64_t count, Random& random) { check_softmax_backward(kernels, count, log, random); });
}

void test_squared_norm(const Kernels& kernels) {
  for_all_counts(kernels, 0, [&](std::int64_t count, Random& random) {
    const Buffer x(count, random);
    Sum sum;
    for (std::int64_t i = 0; i < count; ++i) sum.add(double{x[i]} * x[i]);
    double norm = -1;
    kernels.squared_norm(&norm, x.data(), count);
    check_close(label(kernels, "squared_norm", count), 0, static_cast<float>(norm), sum.value, sum.bound());
  });
}
void test_squared_distance(const Kernels& kernels) {
  for_all_counts(kernels, 0, [&](std::int64_t count, Random& random) {
    const Buffer x(count, random);
    const Buffer y(count, random);
    Sum sum;
    for (std::int64_t i = 0; i < count; ++i) sum.add((double{x[i]} - y[i]) * (double{x[i]} - y[i]));
    double distance = -1;
    kernels.squared_distance(&distance, x.data(), y.data(), count);
    check_close(label(kernels, "squared_distance", count), 0, static_cast<float>(distance), sum.value, 2 * sum.bound());
  });
}
void test_prelu_slope(const Kernels& kernels) {
  for_all_counts(kernels, 0, [&](std::int64_t count, Random& random) {
    const Buffer dy(count, random);
    const Buffer x(count, random);
    Sum sum;
    for (std::int64_t i = 0; i < count; ++i) sum.add(x[i] < 0 ? double{dy[i]} * x[i] : 0);
    float slope = -1;
    kernels.prelu_slope(&slope, dy.data(), x.data(), count);
    check_close(label(kernels, "prelu_slope", count), 0, slope, sum.value, sum.bound());
  });
}

}  // namespace fastcnn::testing
