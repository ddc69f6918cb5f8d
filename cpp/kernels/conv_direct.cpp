// Direct convolution: a tile of output pixels x output channels is summed up in registers over all input channels and kernel taps, and
// written once, with bias, residual and activation. 1x1 convolution is the same with one tap.
//
//                    C vectors of output channels
//                 +-----------+-----------+
//     pixel 0     |  acc 0,0  |  acc 0,1  |     for each input block, kernel row, kernel column, channel k of the block:
//     pixel 1     |  acc 1,0  |  acc 1,1  |         acc[r][c] += input[pixel r, k] (broadcast) * weights[k][c]
//       ...       |           |           |
//     pixel R - 1 |           |           |
//                 +-----------+-----------+
#include "kernels/kernels.h"
#include "kernels/pixels.h"
#include "simd/clamp.h"

namespace fastcnn::FASTCNN_ISA {

namespace {

// Registers: R x C accumulators, C weights, one broadcast, one to spare for ISAs that multiply and add apart.
//   32 registers: 14 x 2 + 2 + 2 = 32      16 registers: 6 x 2 + 2 + 2 = 16, or 12 x 1 + 1 + 2 = 15
constexpr int kMostPixels[3] = {0, kRegisters == 32 ? 14 : 12, kRegisters == 32 ? 14 : 6};

// Where one tile starts.
struct Corner {
  const float* input;
  float* output;
  const float* residual;
};

// While it works, the weights that are needed next are asked for: `ahead` floats from this unit's.
// Step is the distance between the inputs of neighbouring output pixels where it is known at compile time, else 0.
template <int R, int C, int Step>
void tile(const ConvDirect& unit, Corner at, int64_t ahead, Clamp clamp) {
  const int64_t step = Step ? Step : unit.pixel_step;
  Vec acc[R][C];
  unroll<C>([&](auto c) {
    const Vec bias = load(unit.bias + c * kLanes);
    unroll<R>([&](auto r) { acc[r][c] = bias; });
  });

  const float* weights = unit.weights;
  const float* block = at.input;
  for (int ib = 0; ib < unit.input_blocks; ++ib, block += unit.input_block_stride) {
    const int channels = ib + 1 < unit.input_blocks ? unit.block_channels : unit.last_channels;
    for (int i = 0; i < unit.kernel_h; ++i) {
      const float* tap = block + i * unit.tap_row;
      for (int j = 0; j < unit.kernel_w; ++j, tap += unit.tap_column) {
        for (int k = 0; k < channels; ++k, weights += C * kLanes) {
          Vec w[C];
          unroll<C>([&](auto c) { w[c] = load(weights + c * kLanes); });
          __builtin_prefetch(weights + ahead, 0, 2);
          if constexpr (C * kLanes * sizeof(float) > 64) __builtin_prefetch(weights + ahead + 16, 0, 2);
          unroll<R>([&](auto r) {
            const Vec x = broadcast(tap[k + r * step]);
            unroll<C>([&](auto c) { acc[r][c] = fma(x, w[c], acc[r][c]); });
          });
        }
      }
    }
  }

  const Vec low = broadcast(clamp.low), high = broadcast(clamp.high);
  unroll<C>([&](auto c) {
    unroll<R>([&](auto r) {
      Vec v = acc[r][c];
      if (at.residual) v += load(at.residual + c * unit.residual_block_stride + r * kLanes);
      store(at.output + c * unit.output_block_stride + r * unit.output_pixel_stride, min(high, max(low, v)));
    });
  });
}

using Tile = void (*)(const ConvDirect&, Corner, int64_t, Clamp);

template <int C, int Step, class>
struct Tiles;
template <int C, int Step, int... R>
struct Tiles<C, Step, Sequence<R...>> {
  static constexpr Tile of[] = {nullptr, tile<R + 1, C, Step>...};  // by number of pixels
};

template <int C>
const Tile* tiles_for(int64_t pixel_step) {
  using Pixels = SequenceOf<kMostPixels[C]>;
  if (pixel_step == kLanes) return Tiles<C, kLanes, Pixels>::of;
  return Tiles<C, 0, Pixels>::of;
}

}  // namespace

void conv_direct(const ConvDirect& unit) {
  const Tile* tiles = unit.output_blocks == 2 ? tiles_for<2>(unit.pixel_step) : tiles_for<1>(unit.pixel_step);
  const int64_t most = kMostPixels[unit.output_blocks];
  const int64_t tiles_a_row = (unit.columns + most - 1) / most;  // as few as fit, their widths as even as can be
  const Clamp clamp = clamp_of(unit.activation);
  for (int row = 0; row < unit.rows; ++row) {
    float* output = unit.output + row * unit.output_row_stride;
    for (int64_t t = 0; t < tiles_a_row; ++t) {
      const int64_t from = unit.columns * t / tiles_a_row, to = unit.columns * (t + 1) / tiles_a_row;
      const Corner at = {unit.input + row * unit.row_step + from * unit.pixel_step, output + from * unit.output_pixel_stride,
                         unit.residual ? unit.residual + row * unit.residual_row_stride + from * kLanes : nullptr};
      const bool last = row + 1 == unit.rows && t + 1 == tiles_a_row;
      tiles[to - from](unit, at, last ? unit.next_weights : 0, clamp);
    }
    if (is_clamp(unit.activation)) continue;
    for (int c = 0; c < unit.output_blocks; ++c)
      activate_pixels(output + c * unit.output_block_stride, unit.columns, unit.output_pixel_stride, unit.activation);
  }
}

}  // namespace fastcnn::FASTCNN_ISA
