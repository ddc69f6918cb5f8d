// Convolution over few input channels: a tile of output pixels x output channels is summed up in registers as in conv_direct.cpp, but from
// planes: where an image of 3 channels would fill 3 of 16 lanes, a line has neighbouring pixels side by side.
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

void pad_line(const PadLines& strip, const float* from, float* to) {
  const int64_t end = strip.left + strip.columns;
  for (int64_t i = 0; i < strip.left; i += kLanes) store(to + i, zero());
  for (int64_t i = end / kLanes * kLanes; i < strip.line; i += kLanes) store(to + i, zero());
  map(to + strip.left, strip.columns, [](Vec v) { return v; }, from);
}

struct Corner {
  const float* x;
  const float* weights;
  const float* bias;
  float* output;
  const float* residual;
};

template <int R, int C, int Step>
struct Tile {
  static void run(const ConvFirst& unit, const Corner& at, Clamp clamp) {
    Vec acc[R][C];
    unroll<C>([&](auto c) {
      const Vec bias = load(at.bias + c * kLanes);
      unroll<R>([&](auto r) { acc[r][c] = bias; });
    });
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
};

}  // namespace

// Lines are whole vectors long, so their ends are stored as such before the pixels.
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
  if (unit.tap_row == unit.channels * unit.line) unit.channels *= unit.kernel_h, unit.kernel_h = 1;  // lines that follow on one another
  const auto one = first_tiles<Tile, 1>(unit.pixel_step), two = first_tiles<Tile, 2>(unit.pixel_step);
  const int64_t block_weights = (int64_t)unit.kernel_h * unit.channels * unit.kernel_w * kLanes;
  const Clamp clamp = clamp_of(unit.activation);
  const RowOfPlanes row_of_planes = row_of_planes_for(unit);
  for (int row = 0; row < unit.rows; ++row) {
    const float* lines = unit.lines + row * unit.row_step;
    float* output = unit.output + row * unit.output_row_stride;
    if (row_of_planes) {
      row_of_planes(unit, lines, output, clamp);
    } else {
      for_each_tile(unit, [&](int block, int blocks, int first, int columns) {
        Corner at = {lines + first * unit.pixel_step, unit.weights + block * block_weights, unit.bias + block * kLanes,
                     output + block * unit.output_block_stride + first * kLanes, nullptr};
        if (unit.residual)
          at.residual = unit.residual + row * unit.residual_row_stride + block * unit.residual_block_stride + first * kLanes;
        (blocks == 2 ? two : one)[columns](unit, at, clamp);
      });
    }
    if (is_clamp(unit.activation)) continue;
    for (int block = 0; block < unit.output_blocks; ++block)
      activate_pixels(output + block * unit.output_block_stride, unit.columns, kLanes, unit.activation);
  }
}

}  // namespace fastcnn::FASTCNN_ISA
