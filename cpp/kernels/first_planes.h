// First layers with so few output channels that most lanes of a block would be idle (LeNet: 6 of 16): here a lane is a pixel, and the
// finished planes are transposed to the block. Products are added in the same order as in conv_first.cpp, so the bits are the same.
//
//   lines:  x0 x1 .. x15   times a weight of each channel   ->   c0:  y0 y1 .. y15         y0:   c0 c1 .. 0
//                                                                c1:  y0 y1 .. y15   ->    y1:   c0 c1 .. 0   ..
#pragma once

#include "kernels/kernels.h"
#include "simd/clamp.h"
#include "simd/transpose.h"

namespace fastcnn::FASTCNN_ISA {

namespace {

constexpr int kPlanes = 2;  // vectors of pixels at once: two times eight sums, two inputs and a weight fit in the registers of any ISA

// V vectors of pixels of a row and O output channels; the last vector has `last` pixels. x: (kernel_h, channels, line), the lines from the
// first pixel on; output: (pixels, lanes).
template <int O, int V>
void planes(const ConvFirst& unit, const float* x, float* output, int last, Clamp clamp) {
  Vec acc[O][V];
  unroll<O>([&](auto o) { unroll<V>([&](auto v) { acc[o][v] = broadcast(unit.bias[o]); }); });
  const float* weights = unit.weights;
  for (int i = 0; i < unit.kernel_h; ++i, x += unit.tap_row) {
    const float* line = x;
    for (int k = 0; k < unit.channels; ++k, line += unit.line) {
      const float* tap = line;
      for (int j = 0; j < unit.kernel_w; ++j, tap += unit.tap_column, weights += kLanes) {
        Vec in[V];
        unroll<V>([&](auto v) { in[v] = v + 1 < V ? load(tap + v * kLanes) : load_first(tap + v * kLanes, last); });
        unroll<O>([&](auto o) {
          const Vec w = broadcast(weights[o]);
          unroll<V>([&](auto v) { acc[o][v] = fma(in[v], w, acc[o][v]); });
        });
      }
    }
  }
  const Vec low = broadcast(clamp.low), high = broadcast(clamp.high);
  unroll<V>([&](auto v) {
    Vec square[kLanes];
    unroll<kLanes>([&](auto o) {
      if constexpr (o < O)
        square[o] = min(high, max(low, acc[o][v]));
      else
        square[o] = min(high, max(low, zero()));
    });
    transpose(square);
    const int pixels = v + 1 < V ? kLanes : last;
    unroll<kLanes>([&](auto p) {
      if (p < pixels) store(output + (v * kLanes + p) * kLanes, square[p]);
    });
  });
}

// A row of the unit. x: as in planes(); output: (columns, lanes).
template <int O>
void row_of_planes(const ConvFirst& unit, const float* x, float* output, Clamp clamp) {
  constexpr int step = kPlanes * kLanes;
  int column = 0;
  for (; column + step < unit.columns; column += step) planes<O, kPlanes>(unit, x + column, output + column * kLanes, kLanes, clamp);
  const int rest = unit.columns - column;
  if (rest > kLanes)
    planes<O, 2>(unit, x + column, output + column * kLanes, rest - kLanes, clamp);
  else
    planes<O, 1>(unit, x + column, output + column * kLanes, rest, clamp);
}

using RowOfPlanes = void (*)(const ConvFirst&, const float* x, float* output, Clamp);

template <class>
struct RowsOfPlanes;
template <int... I>
struct RowsOfPlanes<Sequence<I...>> {
  static constexpr RowOfPlanes of[] = {row_of_planes<2 * (I + 1)>...};  // by the number of pairs of output channels
};

// Returns nullptr where lanes are channels, because the unit has more channels, a residual or a step.
FASTCNN_INLINE RowOfPlanes row_of_planes_for(const ConvFirst& unit) {
  if (unit.outputs > kLanes / 2 || unit.residual || unit.pixel_step != 1) return nullptr;
  return RowsOfPlanes<SequenceOf<kLanes / 4>>::of[(unit.outputs - 1) / 2];
}

}  // namespace

}  // namespace fastcnn::FASTCNN_ISA
