// The products of Winograd convolution: at each point a matrix (tiles x input channels) times one (input channels x output channels). The
// register tile (register_tiles.h) has R tiles of the image in place of pixels, and C vectors of output channels.
#include "kernels/kernels.h"
#include "kernels/register_tiles.h"

namespace fastcnn::FASTCNN_ISA {

namespace {

// Channels are summed in runs of 64, whose sums are then added: rounding errors grow with the length of a run, and this halves those of 256
// channels.
constexpr int kRunBlocks = 64 / kLanes;

// weights: (input channels, C, lanes); input: (input_blocks, R, lanes); output: (C, R, lanes); all of one point.
template <int R, int C>
void tile(const WinogradMultiply& unit, const float* weights, const float* input, float* output, Share next) {
  for (int first = 0; first < unit.input_blocks; first += kRunBlocks) {
    Vec acc[R][C];
    start_sums(acc, [](auto) { return zero(); });
    const int end = first + kRunBlocks < unit.input_blocks ? first + kRunBlocks : unit.input_blocks;
    for (int ib = first; ib < end; ++ib, input += unit.input_block_stride) {
      const int channels = ib + 1 < unit.input_blocks ? kLanes : unit.last_channels;
      weights = add_channels(acc, input, [](int k, auto r) { return k + r * kLanes; }, weights, channels, next);
    }
    unroll<C>([&](auto c) {
      float* const to = output + c * unit.output_block_stride;
      if (first == 0 && !unit.accumulate) {
        unroll<R>([&](auto r) { store(to + r * kLanes, acc[r][c]); });
      } else {
        unroll<R>([&](auto r) { store(to + r * kLanes, load(to + r * kLanes) + acc[r][c]); });
      }
    });
  }
}

template <int C>
struct TilesOf {
  template <int R>
  static constexpr auto of = tile<R, C>;
};

}  // namespace

void winograd_multiply(const WinogradMultiply& unit) {
  const int most = kMostTilePixels[unit.output_blocks];
  const auto* tiles = unit.output_blocks == 2 ? kByPixels<TilesOf<2>, kMostTilePixels[2]> : kByPixels<TilesOf<1>, kMostTilePixels[1]>;
  const RowOfTiles row = row_of_tiles(unit.tiles, most);
  const int64_t channels = int64_t{unit.input_blocks - 1} * kLanes + unit.last_channels;
  const float* input = unit.input;
  const float* weights = unit.weights;
  float* output = unit.output;
  for (int point = 0; point < unit.points; ++point) {
    const bool last = point + 1 == unit.points;
    const int64_t behind = unit.next_weights ? unit.next_weights - point * unit.weights_point_stride : 0;
    const NextWeights next = {weights, last ? behind : unit.weights_point_stride, channels, unit.output_blocks * kLanes, row.count()};
    for_each_tile(row, [&](int t, int first, int count) {
      tiles[count](unit, weights, input + first * kLanes, output + first * kLanes, next.of(t));
    });
    input += unit.input_point_stride;
    weights += unit.weights_point_stride;
    output += unit.output_point_stride;
  }
}

}  // namespace fastcnn::FASTCNN_ISA
