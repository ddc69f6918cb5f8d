// Convolution over few input channels: a tile of output pixels x output channels is summed in registers (register_tiles.h) from planes. A
// channel block of an image of 3 channels would fill 3 of 16 lanes; a line has neighbouring pixels side by side.
//
//   planes:  c0 row 0, row 1, ..      lines of one strip:  0 0 [c0 row r    ] 0 0
//            c1 row 0, row 1, ..                           0 0 [c1 row r    ] 0 0
//            c2 row 0, row 1, ..                           0 0 [c2 row r    ] 0 0
//                                                          0 0 [c0 row r + 1] 0 0   ..
#include "kernels/first_lines.h"
#include "kernels/first_planes.h"
#include "kernels/pixels.h"
#include "simd/loops.h"

namespace fastcnn::FASTCNN_ISA {

namespace {

// from: (columns) pixels; to: (line).
void pad_line(const PadLines& strip, const float* from, float* to) {
  const int64_t end = strip.left + strip.columns;
  for (int64_t i = 0; i < strip.left; i += kLanes) store(to + i, zero());
  for (int64_t i = end / kLanes * kLanes; i < strip.line; i += kLanes) store(to + i, zero());
  map(to + strip.left, strip.columns, [](Vec v) { return v; }, from);
}

// Where a tile starts; it has one or two output blocks.
struct FirstTile {
  const float* x;         // lines, from the first pixel on
  const float* weights;   // (kernel_h, channels, kernel_w, blocks, lanes)
  const float* bias;      // (blocks, lanes)
  float* output;          // (blocks, pixels, lanes)
  const float* residual;  // likewise, or nullptr
};

template <int R, int C, int Step>
void tile(const ConvFirst& unit, const FirstTile& at, Clamp clamp) {
  Vec acc[R][C];
  start_sums(acc, [&](auto c) { return load(at.bias + c * kLanes); });
  add_lines<R, C, Step>(acc, unit, unit.kernel_h, unit.channels, at.x, at.weights);
  const Vec low = broadcast(clamp.low), high = broadcast(clamp.high);
  unroll<C>([&](auto c) {
    unroll<R>([&](auto r) {
      Vec v = acc[r][c];
      if (at.residual) v += load(at.residual + c * unit.residual_block_stride + r * kLanes);
      store(at.output + c * unit.output_block_stride + r * kLanes, min(high, max(low, v)));
    });
  });
}

template <int C, int Step>
struct TilesOf {
  template <int R>
  static constexpr auto of = tile<R, C, Step>;
};

}  // namespace

// Lines are whole vectors long, so the vectors at their ends are stored before the pixels.
void pad_lines(const PadLines& strip) {
  float* to = strip.lines;
  for (int64_t row = strip.first_row; row < strip.first_row + strip.rows; ++row) {
    for (int64_t c = 0; c < strip.channels; ++c, to += strip.line) {
      if (row >= 0 && row < strip.height)
        pad_line(strip, strip.input + c * strip.channel_stride + row * strip.row_stride, to);
      else
        for (int64_t i = 0; i < strip.line; i += kLanes) store(to + i, zero());
    }
  }
}

void conv_first(const ConvFirst& given) {
  ConvFirst unit = given;
  if (unit.tap_row == unit.channels * unit.line) {  // the lines of all kernel rows follow on one another
    unit.channels *= unit.kernel_h;
    unit.kernel_h = 1;
  }
  const auto one = first_tiles<TilesOf, 1>(unit.pixel_step);
  const auto two = first_tiles<TilesOf, 2>(unit.pixel_step);
  const int64_t block_weights = (int64_t)unit.kernel_h * unit.channels * unit.kernel_w * kLanes;
  const Clamp clamp = clamp_of(unit.activation);
  const RowOfPlanes row_of_planes = row_of_planes_for(unit);
  for (int row = 0; row < unit.rows; ++row) {
    const float* lines = unit.lines + row * unit.row_step;
    float* output = unit.output + row * unit.output_row_stride;
    if (row_of_planes) {
      row_of_planes(unit, lines, output, clamp);
    } else {
      for_each_first_tile(unit, [&](int block, int blocks, int first, int pixels) {
        FirstTile at = {lines + first * unit.pixel_step, unit.weights + block * block_weights, unit.bias + block * kLanes,
                        output + block * unit.output_block_stride + first * kLanes, nullptr};
        if (unit.residual)
          at.residual = unit.residual + row * unit.residual_row_stride + block * unit.residual_block_stride + first * kLanes;
        (blocks == 2 ? two : one)[pixels](unit, at, clamp);
      });
    }
    activate_blocks(output, unit.output_blocks, unit.output_block_stride, unit.columns, kLanes, unit.activation);
  }
}

}  // namespace fastcnn::FASTCNN_ISA
