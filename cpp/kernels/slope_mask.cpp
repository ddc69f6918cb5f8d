// A bit for each element says which of two slopes an activation has there: the backward pass needs nothing else of a ReLU's output.
//
//   word    0                                1
//   bit     0    1    2  ...  31             0 ...
//   float   y0   y1   y2 ...  y31            y32 ...       1: the slope is 1; 0: it is the other
#include "kernels/kernels.h"
#include "simd/activation.h"

namespace fastcnn::FASTCNN_ISA {

namespace {

constexpr int kVectors = 32 / kLanes;  // vectors of a word

// In lane i, only the bit v * kLanes + i is set.
FASTCNN_INLINE IntVec bits_of_vector(int v) {
  IntVec bits;
  for (int i = 0; i < kLanes; ++i) bits[i] = (int32_t)(1u << (v * kLanes + i));
  return bits;
}

// words: (count / 32), rounded up; y: (count). a, b: the parameters of the activation.
template <class Kind>
FASTCNN_INLINE void mask(uint32_t* words, const float* y, int64_t count, Vec a, Vec b, Kind) {
  for (int64_t at = 0; at < count; at += 32) {
    uint32_t word = 0;
    unroll<kVectors>([&](auto v) FASTCNN_INLINE_LAMBDA {
      const int64_t left = count - at - v * kLanes;
      if (left <= 0) return;
      const Vec x = left >= kLanes ? load(y + at + v * kLanes) : load_first(y + at + v * kLanes, (int)left);
      const IntVec steep = Kind::value == ActivationKind::clipped ? (x > a) & (x < b) : x > zero();
      word |= set_lanes(steep) << v * kLanes;
    });
    *words++ = word;
  }
}

}  // namespace

void slope_mask(uint32_t* words, const float* y, int64_t count, Activation chosen) {
  const Vec a = broadcast(chosen.a), b = broadcast(chosen.b);
  if (chosen.kind == ActivationKind::clipped)
    mask(words, y, count, a, b, KindConstant<ActivationKind::clipped>{});
  else
    mask(words, y, count, a, b, KindConstant<ActivationKind::relu>{});
}

// dx = dy times the slope: 1 where the bit is set, else `other`.
void slope_mask_backward(float* dx, const float* dy, const uint32_t* words, int64_t count, float other) {
  const Vec one = broadcast(1.0f), other_slope = broadcast(other);
  for (int64_t at = 0; at < count; at += 32) {
    const IntVec word = IntVec{} + (int32_t)*words++;
    unroll<kVectors>([&](auto v) FASTCNN_INLINE_LAMBDA {
      const int64_t first = at + v * kLanes;
      const int64_t left = count - first;
      if (left <= 0) return;
      const Vec slope = select((word & bits_of_vector(v)) != 0, one, other_slope);
      if (left >= kLanes)
        store(dx + first, load(dy + first) * slope);
      else
        store_first(dx + first, load_first(dy + first, (int)left) * slope, (int)left);
    });
  }
}

}  // namespace fastcnn::FASTCNN_ISA
