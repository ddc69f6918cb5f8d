// Kernels of normalization and dropout against formulas in double.
#include <algorithm>
#include <initializer_list>

#include "kernel_testing.h"

namespace fastcnn::testing {

namespace {

// Several images of one channel block with gaps after rows and images. Gaps and lanes beyond `channels` hold NaN.
struct Pixels {
  BlockPixels shape;
  PixelStrides strides;
  int lanes;
  Buffer floats;

  Pixels(BlockPixels shape_, int lanes_)
      : shape(shape_),
        strides{(shape.rows + 1) * (shape.columns + 2) * lanes_, (shape.columns + 2) * lanes_},
        lanes(lanes_),
        floats(shape.images * strides.image) {}
  Pixels(BlockPixels shape_, int lanes_, Random& random, float mean = 0) : Pixels(shape_, lanes_) {
    for_each([&](std::int64_t at, int) { floats.data()[at] = mean + random.next(); });
  }
  template <class Body>  // body(offset, channel)
  void for_each(Body&& body) const {
    for (std::int64_t n = 0; n < shape.images; ++n)
      for (std::int64_t h = 0; h < shape.rows; ++h)
        for (std::int64_t w = 0; w < shape.columns; ++w)
          for (int c = 0; c < shape.channels; ++c) body(n * strides.image + h * strides.row + w * lanes + c, c);
  }
  double count() const { return static_cast<double>(shape.images * shape.rows * shape.columns); }
};

// At most 64 pixels are summed in float, these sums in double; other operations add some roundings.
constexpr double kRun = 80 * kEps;

using Channels = std::vector<double>;  // a value a channel

struct Statistics {
  Channels mean, var, spread;  // spread: mean of |x - mean|
  explicit Statistics(const Pixels& x) : mean(16), var(16), spread(16) {
    x.for_each([&](std::int64_t at, int c) { mean[static_cast<std::size_t>(c)] += x.floats[at] / x.count(); });
    x.for_each([&](std::int64_t at, int c) {
      const double d = x.floats[at] - mean[static_cast<std::size_t>(c)];
      var[static_cast<std::size_t>(c)] += d * d / x.count();
      spread[static_cast<std::size_t>(c)] += std::abs(d) / x.count();
    });
  }
};

std::string name_of(const Kernels& kernels, const char* kernel, const BlockPixels& shape) {
  return label(kernels, kernel, shape.images, shape.rows, shape.columns, shape.channels);
}

void check_batch_norm(const Kernels& kernels, const BlockPixels& shape, bool affine, std::uint32_t seed) {
  const std::string what = name_of(kernels, "batch_norm", shape);
  Random random(seed);
  const Pixels x(shape, kernels.lanes, random);
  Pixels y(shape, kernels.lanes);
  const Buffer weight(shape.channels, random);
  const Buffer bias(shape.channels, random);
  const Buffer mean(shape.channels, random);
  Buffer var(shape.channels, random);
  for (int c = 0; c < shape.channels; ++c) var.data()[c] = std::abs(var[c]);
  const float eps = 1e-3f;
  kernels.batch_norm({x.floats.data(), y.floats.data(), affine ? weight.data() : nullptr, affine ? bias.data() : nullptr, mean.data(),
                      var.data(), eps, shape, x.strides, y.strides, Activation{ActivationKind::identity}});
  Pixels rectified(shape, kernels.lanes);
  kernels.batch_norm({x.floats.data(), rectified.floats.data(), affine ? weight.data() : nullptr, affine ? bias.data() : nullptr,
                      mean.data(), var.data(), eps, shape, x.strides, y.strides, Activation{ActivationKind::relu}});
  x.for_each([&](std::int64_t at, int c) {
    check_close(what + " with relu", at, rectified.floats[at], std::max(0.0f, y.floats[at]), 0);
    const double scaled = (double{x.floats[at]} - mean[c]) / std::sqrt(double{var[c]} + eps) * (affine ? weight[c] : 1);
    const double shift = affine ? bias[c] : 0;
    check_close(what, at, y.floats[at], scaled + shift, 8 * kEps * (std::abs(scaled) + std::abs(shift)));
  });
  y.floats.check_guards(what);
}

void check_statistics(const Kernels& kernels, const BlockPixels& shape, float around, std::uint32_t seed) {
  const std::string what = name_of(kernels, "batch_norm_statistics", shape);
  Random random(seed);
  const Pixels x(shape, kernels.lanes, random, around);
  Buffer mean(shape.channels);
  Buffer var(shape.channels);
  Buffer inv_std(shape.channels);
  const float eps = 1e-5f;
  kernels.batch_norm_statistics({x.floats.data(), mean.data(), var.data(), inv_std.data(), eps, shape, x.strides});
  const Statistics want(x);
  for (int c = 0; c < shape.channels; ++c) {
    const auto i = static_cast<std::size_t>(c);
    const double root = 1 / std::sqrt(want.var[i] + eps);
    check_close(what + " mean", c, mean[c], want.mean[i], kRun * want.spread[i] + 2 * kEps * std::abs(want.mean[i]));
    check_close(what + " var", c, var[c], want.var[i], kRun * want.var[i]);
    check_close(what + " inv_std", c, inv_std[c], root, kRun * root);
  }
  for (const Buffer* buffer : {&mean, &var, &inv_std}) buffer->check_guards(what);
}

// The sums in double that the gradient is computed from: of dy and of dy d, and of their magnitudes, with d = x - mean.
struct GradientSums {
  Channels dy, dy_size, product, product_size;
  GradientSums(const Pixels& x, const Pixels& dys, const Buffer& mean) : dy(16), dy_size(16), product(16), product_size(16) {
    x.for_each([&](std::int64_t at, int c) {
      const auto i = static_cast<std::size_t>(c);
      const double g = dys.floats[at];
      const double d = double{x.floats[at]} - mean[c];
      dy[i] += g;
      dy_size[i] += std::abs(g);
      product[i] += g * d;
      product_size[i] += std::abs(g * d);
    });
  }
};

void check_backward(const Kernels& kernels, const BlockPixels& shape, bool batch_statistics, bool in_place, std::uint32_t seed) {
  const std::string what = name_of(kernels, "batch_norm_backward", shape);
  Random random(seed);
  const Pixels x(shape, kernels.lanes, random);
  const Pixels dy(shape, kernels.lanes, random);
  Pixels dx = in_place ? dy : Pixels(shape, kernels.lanes);
  const Buffer weight(shape.channels, random);
  const Buffer mean(shape.channels, random);
  Buffer inv_std(shape.channels, random);
  Buffer dweight(shape.channels);
  Buffer dbias(shape.channels);
  for (int c = 0; c < shape.channels; ++c) inv_std.data()[c] = 1 + std::abs(inv_std[c]);
  kernels.batch_norm_backward({in_place ? dx.floats.data() : dy.floats.data(), x.floats.data(), dx.floats.data(), weight.data(),
                               mean.data(), inv_std.data(), dweight.data(), dbias.data(), batch_statistics, shape, dy.strides, x.strides,
                               dx.strides});
  const GradientSums sums(x, dy, mean);
  for (int c = 0; c < shape.channels; ++c) {
    const auto i = static_cast<std::size_t>(c);
    check_close(what + " dbias", c, dbias[c], sums.dy[i], kRun * sums.dy_size[i]);
    check_close(what + " dweight", c, dweight[c], inv_std[c] * sums.product[i], kRun * inv_std[c] * sums.product_size[i]);
  }
  x.for_each([&](std::int64_t at, int c) {
    const auto i = static_cast<std::size_t>(c);
    const double s = inv_std[c];
    const double scale = weight[c] * s;
    const double d = double{x.floats[at]} - mean[c];
    const double batch = batch_statistics ? 1 / x.count() : 0;
    const double want = scale * (dy.floats[at] - batch * (sums.dy[i] + d * s * s * sums.product[i]));
    const double size = std::abs(dy.floats[at]) + batch * (sums.dy_size[i] + std::abs(d) * s * s * sums.product_size[i]);
    check_close(what + " dx", at, dx.floats[at], want, kRun * std::abs(scale) * size);
  });
  for (const Buffer* buffer : {&dx.floats, &dweight, &dbias}) buffer->check_guards(what);
}

template <class Check>
void for_all_shapes(const Kernels& kernels, Check&& check) {
  std::uint32_t seed = 900;
  for (int channels = 1; channels <= kernels.lanes; ++channels) check(BlockPixels{2, 3, 5, channels}, seed++);
  for (std::int64_t columns : {1, 63, 64, 65, 200}) check(BlockPixels{1, 2, columns, kernels.lanes}, seed++);
  check(BlockPixels{1, 1, 1, 1}, seed);
}

// `count` positions of `channels` channels. The forward pass computes the channels first .. last - 1.
struct ResponseCase {
  int channels, count, size, first, last;
  float beta;
};

double base_of(const LocalResponseNorm& unit, std::int64_t c, std::int64_t at) {
  double squares = 0;
  for (std::int64_t j = std::max<std::int64_t>(0, c - unit.before); j <= std::min(unit.channels - 1, c + unit.after); ++j)
    squares += double{unit.x[j * unit.channel_stride + at]} * unit.x[j * unit.channel_stride + at];
  return unit.k + unit.alpha * squares;
}

LocalResponseNorm response_of(const ResponseCase& c, const Buffer& x, const Buffer& dy, Buffer& y, Buffer& scratch) {
  return {.x = x.data(),
          .dy = dy.data(),
          .y = y.data(),
          .scratch = scratch.data(),
          .channels = c.channels,
          .count = c.count,
          .channel_stride = c.count + 3,
          .first = c.first,
          .last = c.last,
          .before = c.size / 2,
          .after = (c.size - 1) / 2,
          .alpha = 0.3f,
          .beta = c.beta,
          .k = 1.5f};
}

void check_response(const Kernels& kernels, const ResponseCase& c, std::uint32_t seed) {
  const std::string what = label(kernels, "local_response_norm", c.channels, c.count, c.size, c.first, c.last);
  Random random(seed);
  const Buffer x(c.channels * (c.count + 3), random);
  Buffer y(c.channels * (c.count + 3));
  Buffer none(0);
  const LocalResponseNorm unit = response_of(c, x, none, y, none);
  kernels.local_response_norm(unit);
  for (int channel = 0; channel < c.channels; ++channel)
    for (int i = 0; i < c.count + 3; ++i) {
      const std::int64_t at = channel * unit.channel_stride + i;
      const bool computed = channel >= c.first && channel < c.last && i < c.count;
      const double want = computed ? x[at] * std::pow(base_of(unit, channel, i), -double{c.beta}) : std::nan("");
      check_close(what, at, y[at], want, (c.size + 10) * kEps * std::abs(want));
    }
  y.check_guards(what);
}

void check_response_backward(const Kernels& kernels, const ResponseCase& c, std::uint32_t seed) {
  const std::string what = label(kernels, "local_response_norm_backward", c.channels, c.count, c.size);
  Random random(seed);
  const Buffer x(c.channels * (c.count + 3), random);
  const Buffer dy(c.channels * (c.count + 3), random);
  Buffer dx(c.channels * (c.count + 3));
  Buffer scratch(std::int64_t{c.channels} * c.count);
  const LocalResponseNorm unit = response_of(c, x, dy, dx, scratch);
  kernels.local_response_norm_backward(unit);
  for (std::int64_t channel = 0; channel < c.channels; ++channel)
    for (int i = 0; i < c.count; ++i) {
      const std::int64_t at = channel * unit.channel_stride + i;
      Sum sum;
      sum.add(dy[at] * std::pow(base_of(unit, channel, i), -double{c.beta}));
      for (std::int64_t j = std::max<std::int64_t>(0, channel - unit.after); j <= std::min(unit.channels - 1, channel + unit.before); ++j) {
        const std::int64_t there = j * unit.channel_stride + i;
        sum.add(-2.0 * unit.alpha * c.beta * x[at] * dy[there] * x[there] * std::pow(base_of(unit, j, i), -double{c.beta} - 1));
      }
      check_close(what, at, dx[at], sum.value, (2 * c.size + 20) * kEps * sum.magnitude);
    }
  dx.check_guards(what);
  scratch.check_guards(what);
}

// The hash of the kernel, of one number.
std::uint32_t mixed(std::uint32_t h) {
  h = (h ^ (h >> 16)) * 0x7feb352du;
  h = (h ^ (h >> 15)) * 0x846ca68bu;
  return h ^ (h >> 16);
}

void check_dropout(const Kernels& kernels, int count, std::uint32_t lane_step, std::uint32_t vector_step, std::uint32_t seed) {
  const std::string what = label(kernels, "dropout", count, lane_step, vector_step);
  Random random(seed);
  const Buffer x(count, random);
  Buffer y(count);
  const Dropout unit = {x.data(), y.data(), count, seed * 1000, vector_step, lane_step, {seed + 7, seed + 13}, 0x30000000, 1.6f};
  kernels.dropout(unit);
  for (int i = 0; i < count; ++i) {
    const auto vector = static_cast<std::uint32_t>(i / kernels.lanes);
    const auto lane = static_cast<std::uint32_t>(i % kernels.lanes);
    const std::uint32_t element = unit.first + vector * vector_step + lane * lane_step;
    const bool kept = mixed(mixed(element + unit.key[0]) ^ unit.key[1]) >> 1 > static_cast<std::uint32_t>(unit.limit);
    check_close(what, i, y[i], kept ? x[i] * unit.scale : 0.0f, 0);
  }
  y.check_guards(what);
}

}  // namespace

void test_batch_norm(const Kernels& kernels) {
  for_all_shapes(kernels, [&](const BlockPixels& shape, std::uint32_t seed) {
    for (bool affine : {false, true}) check_batch_norm(kernels, shape, affine, seed);
  });
}
void test_batch_norm_statistics(const Kernels& kernels) {
  for_all_shapes(kernels, [&](const BlockPixels& shape, std::uint32_t seed) {
    for (float around : {0.0f, 1000.0f}) check_statistics(kernels, shape, around, seed);
  });
}
void test_batch_norm_backward(const Kernels& kernels) {
  for_all_shapes(kernels, [&](const BlockPixels& shape, std::uint32_t seed) {
    for (bool batch_statistics : {false, true}) check_backward(kernels, shape, batch_statistics, seed % 2, seed);
  });
}
void test_local_response_norm(const Kernels& kernels) {
  for (int count = 1; count <= 2 * kernels.lanes + 1; ++count) check_response(kernels, {7, count, 1 + count % 6, 1, 6, 0.75f}, 1000);
  check_response(kernels, {3, 5, 5, 0, 3, 0.6f}, 1001);
}
void test_local_response_norm_backward(const Kernels& kernels) {
  for (int count = 1; count <= 2 * kernels.lanes + 1; ++count)
    check_response_backward(kernels, {7, count, 1 + count % 6, 0, 7, 0.75f}, 1100);
  check_response_backward(kernels, {3, 5, 4, 0, 3, 0.6f}, 1101);
}
void test_dropout(const Kernels& kernels) {
  for (int count = 0; count <= 3 * kernels.lanes + 1; ++count) check_dropout(kernels, count, 49, 1, static_cast<std::uint32_t>(count));
  check_dropout(kernels, 1003, 1, static_cast<std::uint32_t>(kernels.lanes), 5);
}

}  // namespace fastcnn::testing
