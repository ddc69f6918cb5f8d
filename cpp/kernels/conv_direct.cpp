// Direct convolution: a tile of output pixels x output channels (register_tiles.h) is summed in registers over all input channels and
// kernel taps, and written once, with bias, residual and activation. 1x1 convolution is the same with one tap.
//
// Output channels that end within the first half of a block are summed in narrow vectors, if the ISA has some and they save time; else two
// pixels may share a vector (pixel_pairs.h).
#include "kernels/kernels.h"
#include "kernels/pixel_pairs.h"
#include "kernels/pixels.h"
#include "kernels/register_tiles.h"
#include "simd/clamp.h"

namespace fastcnn::FASTCNN_ISA {

namespace {

// The arrangement of the kernel's taps and of the pixels, as far as it is known at compile time.
enum class Walk {
  any,
  near,       // neighbouring pixels lie side by side, in the input and in the output
  pointwise,  // the same, and there is one tap
};

// Strides of pixels and of rows.
struct Steps {
  int64_t pixel, row;
};

// `count` tiles side by side, the tiles from `first` on of the unit. V: the vector of output channels. R: pixels of a tile, which are R /
// Rows neighbours in each of Rows rows.
template <class V, int Rows, int R, int C, Walk W>
void tiles(const ConvDirect& unit, TileStart at, const Clamp& clamp, const NextWeights& next_weights, int first, int count) {
  constexpr int lanes = sizeof(V) / sizeof(float);
  constexpr int vectors = kLanes / lanes;  // of a block
  constexpr int width = R / Rows;
  const Steps step = {W == Walk::any ? unit.pixel_step : kLanes, unit.row_step};
  const Steps output_step = {W == Walk::any ? unit.output_pixel_stride : kLanes, unit.output_row_stride};
  const int64_t input_block = unit.input_block_stride;
  const int64_t output_block = unit.output_block_stride;
  const int input_blocks = unit.input_blocks;
  const auto channel_at = [&](int k, auto r) { return k + r % width * step.pixel + r / width * step.row; };
  for (int n = 0; n < count; ++n) {
    V acc[R][C];
    start_sums(acc, [&](auto c) { return load_as<V>(unit.bias + c * lanes); });
    const float* weights = unit.weights;
    const float* block = at.input;
    Share next = next_weights.of(first + n);
    for (int ib = 0; ib < input_blocks; ++ib, block += input_block) {
      const int channels = ib + 1 < input_blocks ? unit.block_channels : unit.last_channels;
      if constexpr (W == Walk::pointwise) {
        weights = add_channels(acc, block, channel_at, weights, channels, next);
      } else {
        for (int i = 0; i < unit.kernel_h; ++i)
          for (int j = 0; j < unit.kernel_w; ++j)
            weights = add_channels(acc, block + i * unit.tap_row + j * unit.tap_column, channel_at, weights, channels, next);
      }
    }

    if (at.residual) {
      unroll<C>([&](auto c) {
        const float* residual = at.residual + c / vectors * unit.residual_block_stride + c % vectors * lanes;
        unroll<R>([&](auto r) { acc[r][c] += load_as<V>(residual + r / width * unit.residual_row_stride + r % width * kLanes); });
      });
      at.residual += width * kLanes;
    }
    const float* bounds = afresh(&clamp.low);  // loaded again: the sums need all registers
    const V low = broadcast_as<V>(bounds[0]), high = broadcast_as<V>(bounds[1]);
    unroll<C>([&](auto c) {
      constexpr int lane = c % vectors * lanes;  // of the block, the first of this vector
      float* output = at.output + c / vectors * output_block + lane;
      unroll<R>([&](auto r) {
        const V v = min(high, max(low, acc[r][c]));
        float* to = output + r / width * output_step.row + r % width * output_step.pixel;
        if constexpr (c + 1 == C && lane == 0)
          store(to, widened(v));
        else
          store(to, v);
      });
    });
    at.input += width * step.pixel;
    at.output += width * output_step.pixel;
  }
}

template <class V, int Rows, int C, Walk W>
struct TilesOf {
  template <int Width>
  static constexpr auto of = tiles<V, Rows, Rows * Width, C, W>;
};
#if defined(FASTCNN_VEC_AVX512)
struct PairTiles {
  template <int Width>
  static constexpr auto of = pair_tiles<Width>;
};
#endif

using Tiles = void (*)(const ConvDirect&, TileStart, const Clamp&, const NextWeights&, int first, int count);

// The tiles for one number of output channels, by the number of pixels in a row.
struct TileTable {
  const Tiles* width;
  int most;
  const Tiles* of_two = nullptr;  // tiles of two rows, for narrow images
};

template <class V, int C, Walk W>
TileTable table() {
  constexpr int most = kMostTilePixels[C];
  const Tiles* width = kByPixels<TilesOf<V, 1, C, W>, most>;
  if constexpr (W == Walk::pointwise)
    return {width, most};
  else
    return {width, most, kByPixels<TilesOf<V, 2, C, W>, most / 2>};
}

template <class V, int C>
TileTable table(Walk walk) {
  switch (walk) {
    case Walk::pointwise: return table<V, C, Walk::pointwise>();
    case Walk::near: return table<V, C, Walk::near>();
    default: return table<V, C, Walk::any>();
  }
}

TileTable table_for(const ConvDirect& unit) {
  const bool near = unit.pixel_step == kLanes && unit.output_pixel_stride == kLanes;
  const bool one_tap = unit.kernel_h == 1 && unit.kernel_w == 1;
  const Walk walk = !near ? Walk::any : one_tap ? Walk::pointwise : Walk::near;
#if defined(FASTCNN_VEC_AVX512)
  constexpr int most_of_pairs = 14;
  if (unit.pixel_pairs && walk == Walk::pointwise) return {kByPixels<PairTiles, most_of_pairs>, most_of_pairs};
  if (unit.last_outputs <= kNarrowLanes && !unit.pixel_pairs)
    return unit.output_blocks == 2 ? table<NarrowVec, 3>(walk) : table<NarrowVec, 1>(walk);
#endif
  return unit.output_blocks == 2 ? table<Vec, 2>(walk) : table<Vec, 1>(walk);
}

}  // namespace

void conv_direct(const ConvDirect& unit) {
  if (unit.columns == 0) return;
  const TileTable table = table_for(unit);
  const RowOfTiles tiles = row_of_tiles(unit.columns, table.most);
  const int pairs = table.of_two && 2 * unit.columns <= table.most ? unit.rows / 2 : 0;  // of rows, each a tile
  const Clamp clamp = clamp_of(unit.activation);
  const int64_t channels = int64_t{unit.input_blocks - 1} * unit.block_channels + unit.last_channels;
  const NextWeights next = {unit.weights, unit.next_weights, channels * unit.kernel_h * unit.kernel_w, unit.output_blocks * kLanes,
                            pairs + (unit.rows - 2 * pairs) * tiles.count()};
  for (int row = 0, done = 0; row < unit.rows;) {  // done: tiles
    const int rows = done < pairs ? 2 : 1;
    const float* input = unit.input + row * unit.row_step;
    const float* residual = unit.residual ? unit.residual + row * unit.residual_row_stride : nullptr;
    float* output = unit.output + row * unit.output_row_stride;
    if (rows == 2) {
      table.of_two[tiles.width](unit, {input, output, residual}, clamp, next, done, 1);
    } else {
      for_each_width(tiles, [&](int tile, int64_t column, int width, int count) {
        const TileStart at = {input + column * unit.pixel_step, output + column * unit.output_pixel_stride,
                              residual ? residual + column * kLanes : nullptr};
        table.width[width](unit, at, clamp, next, done + tile, count);
      });
    }
    done += rows == 2 ? 1 : tiles.count();
    for (const int end = row + rows; row < end; ++row, output += unit.output_row_stride)
      activate_blocks(output, unit.output_blocks, unit.output_block_stride, unit.columns, unit.output_pixel_stride, unit.activation);
  }
}

}  // namespace fastcnn::FASTCNN_ISA
