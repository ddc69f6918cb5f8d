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
//
// Output channels that end within the first half of a block are summed in narrow vectors, if the ISA has some and they save time; else two
// pixels may share a vector (kernels/pixel_pairs.h).
#include "kernels/kernels.h"
#include "kernels/next_weights.h"
#include "kernels/pixel_pairs.h"
#include "kernels/pixels.h"
#include "simd/clamp.h"

namespace fastcnn::FASTCNN_ISA {

namespace {

// Registers: R x C accumulators, C weights, one broadcast, one to spare for ISAs that multiply and add apart.
//   32 registers: 14 x 2 + 2 + 2 = 32, or 9 x 3 + 3 + 1 = 31      16 registers: 6 x 2 + 2 + 2 = 16, or 12 x 1 + 1 + 2 = 15
constexpr int kMostPixels[4] = {0, kRegisters == 32 ? 14 : 12, kRegisters == 32 ? 14 : 6, 9};

// What is known of the kernel's taps and of the pixels at compile time.
enum class Walk {
  any,
  near,       // neighbouring pixels lie side by side, in the input and in the output
  pointwise,  // and there is one tap
};

// What a row of weights takes: whole blocks.
template <class V, int C>
constexpr int kWidth = (C * static_cast<int>(sizeof(V) / sizeof(float)) + kLanes - 1) / kLanes * kLanes;

// Where the inputs of a tile's pixels lie: they are R / Rows pixels of each of Rows rows.
struct Steps {
  int64_t pixel, row;
};

// Adds the products of `channels` channels at one tap; returns where the weights of the next lie.
template <int Rows, class V, int R, int C>
FASTCNN_INLINE const float* add_products(V (&acc)[R][C], const float* tap, Steps step, const float* weights, int channels, Share& next) {
  constexpr int lanes = sizeof(V) / sizeof(float), width = kWidth<V, C>;
  for (int k = 0; k < channels; ++k, weights += width) {
    V w[C];
    unroll<C>([&](auto c) { w[c] = load_as<V>(weights + c * lanes); });
    next.ask();
    unroll<R>([&](auto r) {
      constexpr int row = r / (R / Rows), pixel = r % (R / Rows);
      const V x = broadcast_as<V>(tap[k + pixel * step.pixel + row * step.row]);
      unroll<C>([&](auto c) { acc[r][c] = fma(x, w[c], acc[r][c]); });
    });
  }
  return weights;
}

// Tiles side by side, of those of the unit `count` from `first` on. V: the vectors of output channels; R: pixels, of so many rows.
template <class V, int Rows, int R, int C, Walk W>
void tiles(const ConvDirect& unit, Corner at, const Clamp& clamp, const NextWeights& next_weights, int first, int count) {
  constexpr int lanes = sizeof(V) / sizeof(float), a_block = kLanes / lanes;
  constexpr int width = R / Rows;
  const Steps step = {W == Walk::any ? unit.pixel_step : kLanes, unit.row_step};
  const Steps output_step = {W == Walk::any ? unit.output_pixel_stride : kLanes, unit.output_row_stride};
  const int64_t input_block = unit.input_block_stride, output_block = unit.output_block_stride;
  const int input_blocks = unit.input_blocks;
  for (int n = 0; n < count; ++n) {
    V acc[R][C];
    unroll<C>([&](auto c) {
      const V bias = load_as<V>(unit.bias + c * lanes);
      unroll<R>([&](auto r) { acc[r][c] = bias; });
    });

    const float* weights = unit.weights;
    const float* block = at.input;
    Share next = next_weights.of(first + n);
    for (int ib = 0; ib < input_blocks; ++ib, block += input_block) {
      const int channels = ib + 1 < input_blocks ? unit.block_channels : unit.last_channels;
      if constexpr (W == Walk::pointwise) {
        weights = add_products<Rows>(acc, block, step, weights, channels, next);
      } else {
        for (int i = 0; i < unit.kernel_h; ++i)
          for (int j = 0; j < unit.kernel_w; ++j)
            weights = add_products<Rows>(acc, block + i * unit.tap_row + j * unit.tap_column, step, weights, channels, next);
      }
    }

    if (at.residual) {
      unroll<C>([&](auto c) {
        const float* residual = at.residual + c / a_block * unit.residual_block_stride + c % a_block * lanes;
        unroll<R>([&](auto r) { acc[r][c] += load_as<V>(residual + r / width * unit.residual_row_stride + r % width * kLanes); });
      });
      at.residual += width * kLanes;
    }
    const float* bounds = afresh(&clamp.low);  // loaded again: the sums need all registers
    const V low = broadcast_as<V>(bounds[0]), high = broadcast_as<V>(bounds[1]);
    unroll<C>([&](auto c) {
      constexpr int first = c % a_block * lanes;  // lane of its block
      float* output = at.output + c / a_block * output_block + first;
      unroll<R>([&](auto r) {
        const V v = min(high, max(low, acc[r][c]));
        float* to = output + r / width * output_step.row + r % width * output_step.pixel;
        if constexpr (c + 1 == C && first == 0)
          store(to, widened(v));
        else
          store(to, v);
      });
    });
    at.input += width * step.pixel, at.output += width * output_step.pixel;
  }
}

using Tiles = void (*)(const ConvDirect&, Corner, const Clamp&, const NextWeights&, int first, int count);

template <class V, int Rows, int C, Walk W, class>
struct TilesOf;
template <class V, int Rows, int C, Walk W, int... R>
struct TilesOf<V, Rows, C, W, Sequence<R...>> {
  static constexpr Tiles width[] = {nullptr, tiles<V, Rows, Rows*(R + 1), C, W>...};  // by number of pixels in a row
};

// Tiles of one number of channels, by number of pixels in a row. of_two: of two rows, which a narrow image fills a tile with.
struct TileTable {
  const Tiles* width;
  int most;
  const Tiles* of_two = nullptr;
};

template <class V, int C>
TileTable table(Walk walk) {
  constexpr int most = kMostPixels[C];
  using Pixels = SequenceOf<most>;
  if (walk == Walk::pointwise) return {TilesOf<V, 1, C, Walk::pointwise, Pixels>::width, most};
  using Half = SequenceOf<most / 2>;
  if (walk == Walk::near) return {TilesOf<V, 1, C, Walk::near, Pixels>::width, most, TilesOf<V, 2, C, Walk::near, Half>::width};
  return {TilesOf<V, 1, C, Walk::any, Pixels>::width, most, TilesOf<V, 2, C, Walk::any, Half>::width};
}

#if defined(FASTCNN_VEC_AVX512)
template <class>
struct PairTilesOf;
template <int... R>
struct PairTilesOf<Sequence<R...>> {
  static constexpr Tiles width[] = {nullptr, pair_tiles<R + 1>...};
};
#endif

TileTable table_for(const ConvDirect& unit) {
  const bool near = unit.pixel_step == kLanes && unit.output_pixel_stride == kLanes, one_tap = unit.kernel_h == 1 && unit.kernel_w == 1;
  const Walk walk = !near ? Walk::any : one_tap ? Walk::pointwise : Walk::near;
#if defined(FASTCNN_VEC_AVX512)
  constexpr int most_of_pairs = 14;
  if (unit.pixel_pairs && walk == Walk::pointwise) return {PairTilesOf<SequenceOf<most_of_pairs>>::width, most_of_pairs};
  if (unit.last_outputs <= kNarrowLanes && !unit.pixel_pairs)
    return unit.output_blocks == 2 ? table<NarrowVec, 3>(walk) : table<NarrowVec, 1>(walk);
#endif
  return unit.output_blocks == 2 ? table<Vec, 2>(walk) : table<Vec, 1>(walk);
}

}  // namespace

void conv_direct(const ConvDirect& unit) {
  if (unit.columns == 0) return;
  const TileTable table = table_for(unit);
  // As few tiles a row as fit, their widths as even as can be, the wider ones first.
  const int count = (unit.columns + table.most - 1) / table.most, width = (unit.columns + count - 1) / count;
  const int narrower = width * count - unit.columns, wide = count - narrower;
  const int pairs = table.of_two && 2 * unit.columns <= table.most ? unit.rows / 2 : 0;  // of rows, each a tile
  const Clamp clamp = clamp_of(unit.activation);
  const int64_t channels = int64_t{unit.input_blocks - 1} * unit.block_channels + unit.last_channels;
  const NextWeights next = {unit.weights, unit.next_weights, channels * unit.kernel_h * unit.kernel_w, unit.output_blocks * kLanes,
                            pairs + (unit.rows - 2 * pairs) * count};
  for (int row = 0, tile = 0; row < unit.rows;) {
    const int rows = tile < pairs ? 2 : 1;
    float* output = unit.output + row * unit.output_row_stride;
    Corner at = {unit.input + row * unit.row_step, output, unit.residual ? unit.residual + row * unit.residual_row_stride : nullptr};
    if (rows == 2) {
      table.of_two[width](unit, at, clamp, next, tile++, 1);
    } else {
      table.width[width](unit, at, clamp, next, tile, wide);
      if (narrower) {
        const int64_t done = int64_t{wide} * width;
        at.input += done * unit.pixel_step, at.output += done * unit.output_pixel_stride;
        if (at.residual) at.residual += done * kLanes;
        table.width[width - 1](unit, at, clamp, next, tile + wide, narrower);
      }
      tile += count;
    }
    for (const int end = row + rows; row < end; ++row, output += unit.output_row_stride) {
      if (is_clamp(unit.activation)) continue;
      for (int c = 0; c < unit.output_blocks; ++c)
        activate_pixels(output + c * unit.output_block_stride, unit.columns, unit.output_pixel_stride, unit.activation);
    }
  }
}

}  // namespace fastcnn::FASTCNN_ISA
