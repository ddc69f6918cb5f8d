// Packs filters, which are stored one after another, into the order in which convolutions read them: output channels next to each other.
#include "kernels/kernels.h"
#include "simd/transpose.h"

namespace fastcnn::FASTCNN_ISA {

namespace {

// Packs kLanes floats of kLanes filters, from float `first` on; of these, `count` floats and `outputs` filters exist.
//
//   filter 0:  a0 a1 a2 ..        a0 b0 c0 ..    input 0, tap 0
//   filter 1:  b0 b1 b2 ..   ->   a1 b1 c1 ..    input 0, tap 1      each line goes to the place of its input and tap
//   filter 2:  c0 c1 c2 ..        a2 b2 c2 ..    ..
//
// filters: (outputs, inputs * taps); packed: (taps, inputs, blocks * lanes), from this block of outputs on.
void pack_square(const PackFilters& unit, const float* filters, int outputs, int64_t first, int count, float* packed) {
  const int64_t line = int64_t{unit.blocks} * kLanes;
  const int64_t tap_stride = unit.inputs * line;
  Vec square[kLanes];
  unroll<kLanes>([&](auto o) {
    const float* filter = filters + o * unit.filter_stride + first;
    square[o] = o >= outputs ? zero() : count == kLanes ? load(filter) : load_first(filter, count);
  });
  transpose(square);
  int64_t tap = first % unit.taps;
  float* to = packed + tap * tap_stride + first / unit.taps * line;
  unroll<kLanes>([&](auto i) {
    if (i >= count) return;
    store(to, square[i]);
    to += tap_stride;
    if (++tap == unit.taps) {
      tap = 0;
      to += line - unit.taps * tap_stride;
    }
  });
}

}  // namespace

void pack_filters(const PackFilters& unit) {
  const int64_t floats = unit.inputs * unit.taps;
  for (int block = 0; block < unit.blocks; ++block) {
    const int outputs = unit.outputs - block * kLanes < kLanes ? unit.outputs - block * kLanes : kLanes;
    for (int64_t first = 0; first < floats; first += kLanes) {
      const int count = floats - first < kLanes ? static_cast<int>(floats - first) : kLanes;
      pack_square(unit, unit.filters + block * kLanes * unit.filter_stride, outputs, first, count, unit.packed + block * kLanes);
    }
  }
}

}  // namespace fastcnn::FASTCNN_ISA
