// The kernel of weighted sums along an axis: every count below three vectors, outputs without weights, strided entries.
#include "kernel_testing.h"

namespace fastcnn::testing {

namespace {

void check(const Kernels& kernels, std::int64_t count, std::int64_t outputs, std::uint32_t seed) {
  const std::string what = label(kernels, "weighted_sums", count, outputs);
  constexpr std::int64_t kInputs = 5;
  Random random(seed);
  std::vector<std::int64_t> starts{0}, indices;
  std::vector<float> weights;
  for (std::int64_t i = 0; i < outputs; ++i) {
    for (std::int64_t t = 0; t < i % 4; ++t) {
      indices.push_back((i * 3 + t * 2) % kInputs);
      weights.push_back(random.next());
    }
    starts.push_back(static_cast<std::int64_t>(indices.size()));
  }
  const std::int64_t x_stride = count + 3;
  const std::int64_t y_stride = count + 1;
  const Buffer x(kInputs * x_stride, random);
  Buffer y(outputs * y_stride);
  kernels.weighted_sums({x.data(), y.data(), starts.data(), indices.data(), weights.data(), outputs, count, x_stride, y_stride});
  for (std::int64_t i = 0; i < outputs; ++i)
    for (std::int64_t c = 0; c < y_stride; ++c) {
      Sum sum;
      for (std::int64_t j = starts[static_cast<std::size_t>(i)]; j < starts[static_cast<std::size_t>(i) + 1]; ++j)
        sum.add(double{weights[static_cast<std::size_t>(j)]} * x[indices[static_cast<std::size_t>(j)] * x_stride + c]);
      check_close(what, i * y_stride + c, y[i * y_stride + c], c < count ? sum.value : std::nan(""), sum.bound());
    }
  y.check_guards(what);
}

}  // namespace

void test_weighted_sums(const Kernels& kernels) {
  for (std::int64_t count = 1; count <= 3 * kernels.lanes + 1; ++count) check(kernels, count, 7, static_cast<std::uint32_t>(count));
  check(kernels, 9 * kernels.lanes + 2, 4, 100);
  check(kernels, 3, 0, 101);
}

}  // namespace fastcnn::testing
