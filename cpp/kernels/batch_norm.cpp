// Batch normalization of one channel block: a lane is a channel. At most 64 pixels are summed in floats, and these sums in doubles, so that
// the statistics of large images are exact enough.
#include "kernels/kernels.h"
#include "simd/clamp.h"

namespace fastcnn::FASTCNN_ISA {

namespace {

FASTCNN_INLINE Vec inverse_std(Vec var, float eps) { return broadcast(1.0f) / sqrt(var + broadcast(eps)); }

// values: (channels), or nullptr: `missing` for every channel.
FASTCNN_INLINE Vec per_channel(const float* values, int channels, float missing) {
  return values ? load_first(values, channels) : broadcast(missing);
}

// The sum of each lane.
struct Totals {
  double of[kLanes] = {};

  // Adds sums and sets them to zero.
  FASTCNN_INLINE void take(Vec& sums) {
    float lanes[kLanes];
    store(lanes, sums);
    for (int i = 0; i < kLanes; ++i) of[i] += (double)lanes[i];
    sums = zero();
  }
  FASTCNN_INLINE Vec times(double factor) const {
    float lanes[kLanes];
    for (int i = 0; i < kLanes; ++i) lanes[i] = (float)(of[i] * factor);
    return load(lanes);
  }
};

// Calls body(n, h, w) for every pixel, and pause() after every group of at most 64 pixels: several rows of a small image, or part of a row.
template <class Body, class Pause>
FASTCNN_INLINE void for_each_pixel(const BlockPixels pixels, Body&& body, Pause&& pause) {
  constexpr int64_t kMost = 64;
  const int64_t most_rows = pixels.columns < kMost ? kMost / pixels.columns : 1;
  for (int64_t n = 0; n < pixels.images; ++n)
    for (int64_t top = 0; top < pixels.rows; top += most_rows)
      for (int64_t left = 0; left < pixels.columns; left += kMost) {
        const int64_t bottom = pixels.rows - top < most_rows ? pixels.rows : top + most_rows;
        const int64_t right = pixels.columns - left < kMost ? pixels.columns : left + kMost;
        for (int64_t h = top; h < bottom; ++h)
          for (int64_t w = left; w < right; ++w) body(n, h, w);
        pause();
      }
}

template <class Body>
FASTCNN_INLINE void for_each_pixel(const BlockPixels pixels, Body&& body) {
  for_each_pixel(pixels, body, [] {});
}

// An operand (images, rows, columns, lanes): its pixel (n, h, w) is at operand(n, h, w).
template <class Float>
struct Pixels {
  Float* first;
  PixelStrides strides;
  FASTCNN_INLINE Float* operator()(int64_t n, int64_t h, int64_t w) const {
    return first + n * strides.image + h * strides.row + w * kLanes;
  }
};

}  // namespace

// The mean is subtracted first: x scale + (bias - mean scale) would lose digits where the mean is large.
void batch_norm(const BatchNorm& unit) {
  const int channels = unit.pixels.channels;
  const Vec mean = load_first(unit.mean, channels);
  const Vec bias = per_channel(unit.bias, channels, 0.0f);
  const Vec scale = per_channel(unit.weight, channels, 1.0f) * inverse_std(load_first(unit.var, channels), unit.eps);
  const Pixels<const float> x{unit.x, unit.x_strides};
  const Pixels<float> y{unit.y, unit.y_strides};
  const Clamp clamp = clamp_of(unit.activation);
  const Vec low = broadcast(clamp.low), high = broadcast(clamp.high);
  for_each_pixel(unit.pixels, [&](int64_t n, int64_t h, int64_t w) {
    store(y(n, h, w), min(high, max(low, fma(load(x(n, h, w)) - mean, scale, bias))));
  });
  if (is_clamp(unit.activation)) return;
  for (int64_t n = 0; n < unit.pixels.images; ++n) {
    for (int64_t h = 0; h < unit.pixels.rows; ++h) activate(y(n, h, 0), y(n, h, 0), unit.pixels.columns * kLanes, unit.activation);
  }
}

// Two passes: a mean, then deviations from it. The sum of the deviations, which would be 0 without rounding, corrects mean and variance.
void batch_norm_statistics(const BatchNormStatistics& unit) {
  const int channels = unit.pixels.channels;
  const double one_by_count = 1.0 / (double)(unit.pixels.images * unit.pixels.rows * unit.pixels.columns);
  const Pixels<const float> x{unit.x, unit.x_strides};
  Totals values;
  Vec sum = zero();
  for_each_pixel(unit.pixels, [&](int64_t n, int64_t h, int64_t w) { sum += load(x(n, h, w)); }, [&] { values.take(sum); });
  const Vec near = values.times(one_by_count);
  Totals deviations;
  Totals squares;
  Vec square = zero();
  for_each_pixel(
      unit.pixels,
      [&](int64_t n, int64_t h, int64_t w) {
        const Vec deviation = load(x(n, h, w)) - near;
        sum += deviation;
        square = fma(deviation, deviation, square);
      },
      [&] {
        deviations.take(sum);
        squares.take(square);
      });
  const Vec correction = deviations.times(one_by_count);
  const Vec var = max(zero(), squares.times(one_by_count) - correction * correction);
  store_first(unit.mean, near + correction, channels);
  store_first(unit.var, var, channels);
  store_first(unit.inv_std, inverse_std(var, unit.eps), channels);
}

// With d = x - mean and s = inv_std:  dbias = sum dy,  dweight = s sum dy d,  and dx = weight s dy, or with batch statistics
//   dx = weight s (dy - dbias / count - d s dweight / count) = scale dy + slope d + shift
void batch_norm_backward(const BatchNormBackward& unit) {
  const int channels = unit.pixels.channels;
  const Vec mean = load_first(unit.mean, channels);
  const Vec inv_std = load_first(unit.inv_std, channels);
  const Pixels<const float> dy{unit.dy, unit.dy_strides};
  const Pixels<const float> x{unit.x, unit.x_strides};
  const Pixels<float> dx{unit.dx, unit.dx_strides};
  Totals sums;
  Totals products;
  Vec sum = zero();
  Vec product = zero();
  for_each_pixel(
      unit.pixels,
      [&](int64_t n, int64_t h, int64_t w) {
        const Vec gradient = load(dy(n, h, w));
        sum += gradient;
        product = fma(gradient, load(x(n, h, w)) - mean, product);
      },
      [&] {
        sums.take(sum);
        products.take(product);
      });
  store_first(unit.dbias, sums.times(1.0), channels);
  store_first(unit.dweight, products.times(1.0) * inv_std, channels);

  const Vec scale = per_channel(unit.weight, channels, 1.0f) * inv_std;
  if (!unit.batch_statistics)
    return for_each_pixel(unit.pixels, [&](int64_t n, int64_t h, int64_t w) { store(dx(n, h, w), scale * load(dy(n, h, w))); });
  const double one_by_count = 1.0 / (double)(unit.pixels.images * unit.pixels.rows * unit.pixels.columns);
  const Vec shift = -scale * sums.times(one_by_count);
  const Vec slope = -scale * inv_std * inv_std * products.times(one_by_count);
  for_each_pixel(unit.pixels, [&](int64_t n, int64_t h, int64_t w) {
    store(dx(n, h, w), fma(scale, load(dy(n, h, w)), fma(slope, load(x(n, h, w)) - mean, shift)));
  });
}

}  // namespace fastcnn::FASTCNN_ISA
