// The transforms of a convolution of an upsampled image: differences of pixels and sums of taps before the products, their sums after them.
#include "kernels/kernels.h"
#include "kernels/pixels.h"
#include "simd/clamp.h"
#include "simd/vec.h"

namespace fastcnn::FASTCNN_ISA {

namespace {

// A pixel, and the differences between its neighbours and it. pixel: (lanes).
template <int Neighbours>
FASTCNN_INLINE void differences(const float* pixel, const int64_t* across, Vec (&points)[Neighbours + 1]) {
  points[0] = load(pixel);
  unroll<Neighbours>([&](auto k) { points[k + 1] = load(pixel + across[k]) - points[0]; });
}

template <int Neighbours>
void input_pixels(const UpsampledInput& unit) {
  constexpr int kPoints = Neighbours + 1;
  int64_t y = unit.first / unit.columns, x = unit.first % unit.columns;
  for (int t = 0; t < unit.count; ++t) {
    const float* pixel = unit.input + y * unit.row_stride + x * kLanes;
    float* to = unit.output + t * kLanes;
    Vec own[kPoints];
    differences<Neighbours>(pixel, unit.across, own);
    unroll<kPoints>([&](auto k) { store(to + k * unit.point_stride, own[k]); });
    unroll<Neighbours>([&](auto j) {
      Vec other[kPoints];
      differences<Neighbours>(pixel + unit.down[j], unit.across, other);
      unroll<kPoints>([&](auto k) { store(to + ((j + 1) * kPoints + k) * unit.point_stride, other[k] - own[k]); });
    });
    if (++x == unit.columns) {
      x = 0;
      ++y;
    }
  }
}

// The outputs of `count` pixels of one row, from pixel (y, x) of the image on. products: points x (count, lanes).
template <int Neighbours>
void output_row(const UpsampledOutput& unit, const float* products, int64_t y, int64_t x, int64_t count, Clamp clamp) {
  constexpr int kPoints = Neighbours + 1;
  const Vec bias = load(unit.bias);
  const Vec low = broadcast(clamp.low), high = broadcast(clamp.high);
  for (int64_t t = 0; t < count; ++t, ++x, products += kLanes) {
    Vec rows[2][kPoints];
    unroll<kPoints>([&](auto k) {
      const Vec own = load(products + k * unit.point_stride);
      const Vec first = load(products + (kPoints + k) * unit.point_stride);
      if constexpr (Neighbours == 1) {
        rows[0][k] = own;
        rows[1][k] = own + first;
      } else {
        rows[0][k] = own + first;
        rows[1][k] = own + load(products + (2 * kPoints + k) * unit.point_stride);
      }
    });
    unroll<2>([&](auto s) {
      const int64_t row = 2 * y + (s == 0 ? unit.plain_row : 1 - unit.plain_row);
      const int64_t column = 2 * x;
      const int64_t at[2] = {(column + unit.plain_column) * kLanes, (column + 1 - unit.plain_column) * kLanes};
      Vec pixels[2] = {Neighbours == 1 ? rows[s][0] : rows[s][0] + rows[s][1], rows[s][0] + rows[s][Neighbours]};
      unroll<2>([&](auto i) {
        Vec v = pixels[i] + bias;
        if (unit.residual) v += load(unit.residual + row * unit.residual_row_stride + at[i]);
        store(unit.output + row * unit.output_row_stride + at[i], min(high, max(low, v)));
      });
    });
  }
}

template <int Neighbours>
void output_pixels(const UpsampledOutput& unit) {
  const Clamp clamp = clamp_of(unit.activation);
  int64_t y = unit.first / unit.columns, x = unit.first % unit.columns;
  for (int64_t done = 0; done < unit.count;) {
    const int64_t rest = unit.count - done;
    const int64_t count = rest < unit.columns - x ? rest : unit.columns - x;
    output_row<Neighbours>(unit, unit.products + done * kLanes, y, x, count, clamp);
    if (!is_clamp(unit.activation))
      for (int64_t row = 2 * y; row < 2 * y + 2; ++row)
        activate_pixels(unit.output + row * unit.output_row_stride + 2 * x * kLanes, 2 * count, kLanes, unit.activation);
    done += count;
    x = 0;
    ++y;
  }
}

}  // namespace

void upsampled_input(const UpsampledInput& unit) { unit.neighbours == 1 ? input_pixels<1>(unit) : input_pixels<2>(unit); }

void upsampled_weights(const UpsampledWeights& unit) {
  for (int a = 0; a < unit.down; ++a)
    for (int b = 0; b < unit.across; ++b) {
      float* to = unit.weights + (a * unit.across + b) * unit.point_stride;
      for (int64_t i = 0; i < unit.count; i += kLanes) {
        Vec sum = zero();
        for (int row = unit.rows[a].first; row < unit.rows[a].end; ++row)
          for (int column = unit.columns[b].first; column < unit.columns[b].end; ++column)
            sum += load(unit.filters + (row * unit.taps + column) * unit.count + i);
        store(to + i, sum);
      }
    }
}

void upsampled_output(const UpsampledOutput& unit) { unit.neighbours == 1 ? output_pixels<1>(unit) : output_pixels<2>(unit); }

}  // namespace fastcnn::FASTCNN_ISA
