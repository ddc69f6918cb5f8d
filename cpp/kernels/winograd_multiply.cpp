// The products of Winograd convolution: at each point a matrix (tiles x input channels) times one (input channels x output channels). The
// register tile is that of conv_direct.cpp, R tiles x C vectors of output channels; here nothing comes before or after it.
#include "kernels/kernels.h"
#include "kernels/next_weights.h"

namespace fastcnn::FASTCNN_ISA {

namespace {

constexpr int kMostTiles[3] = {0, kRegisters == 32 ? 14 : 12, kRegisters == 32 ? 14 : 6};

// Channels are summed in runs of 64, whose sums are then added: rounding errors grow with the length of a run, and this halves those of 256
// channels.
constexpr int kRunBlocks = 64 / kLanes;

template <int R, int C>
void tile(const WinogradMultiply& unit, const float* weights, const float* input, float* output, Share next) {
  for (int first = 0; first < unit.input_blocks; first += kRunBlocks) {
    Vec acc[R][C];
    unroll<C>([&](auto c) { unroll<R>([&](auto r) { acc[r][c] = zero(); }); });
    const int end = first + kRunBlocks < unit.input_blocks ? first + kRunBlocks : unit.input_blocks;
    for (int ib = first; ib < end; ++ib, input += unit.input_block_stride) {
      const int channels = ib + 1 < unit.input_blocks ? kLanes : unit.last_channels;
      for (int k = 0; k < channels; ++k, weights += C * kLanes) {
        Vec w[C];
        unroll<C>([&](auto c) { w[c] = load(weights + c * kLanes); });
        next.ask();
        unroll<R>([&](auto r) {
          const Vec x = broadcast(input[k + r * kLanes]);
          unroll<C>([&](auto c) { acc[r][c] = fma(x, w[c], acc[r][c]); });
        });
      }
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

using Tile = void (*)(const WinogradMultiply&, const float* weights, const float* input, float* output, Share);

template <int C, class>
struct Tiles;
template <int C, int... R>
struct Tiles<C, Sequence<R...>> {
  static constexpr Tile of[] = {nullptr, tile<R + 1, C>...};  // by number of tiles
};

}  // namespace

void winograd_multiply(const WinogradMultiply& unit) {
  const Tile* tiles = unit.output_blocks == 2 ? Tiles<2, SequenceOf<kMostTiles[2]>>::of : Tiles<1, SequenceOf<kMostTiles[1]>>::of;
  const int most = kMostTiles[unit.output_blocks], parts = (unit.tiles + most - 1) / most;
  const int64_t channels = int64_t{unit.input_blocks - 1} * kLanes + unit.last_channels;
  const float *input = unit.input, *weights = unit.weights;
  float* output = unit.output;
  for (int point = 0; point < unit.points; ++point) {
    const bool last = point + 1 == unit.points;
    const int64_t behind = unit.next_weights ? unit.next_weights - point * unit.weights_point_stride : 0;
    const NextWeights next = {weights, last ? behind : unit.weights_point_stride, channels, unit.output_blocks * kLanes, parts};
    for (int p = 0, from = 0; p < parts; ++p) {
      const int to = parts == 1 ? unit.tiles : unit.tiles * (p + 1) / parts;
      tiles[to - from](unit, weights, input + from * kLanes, output + from * kLanes, next.of(p));
      from = to;
    }
    input += unit.input_point_stride, weights += unit.weights_point_stride, output += unit.output_point_stride;
  }
}

}  // namespace fastcnn::FASTCNN_ISA
