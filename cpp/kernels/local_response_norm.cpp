// Local response normalization of plain images: a lane is a position, and the window runs over the channels of that position.
#include <math.h>

#include "kernels/kernels.h"
#include "simd/vec.h"

namespace fastcnn::FASTCNN_ISA {

namespace {

// base^-beta. beta is nearly always 3/4, which needs only two square roots.
FASTCNN_INLINE Vec inverse_power(Vec base, float beta) {
  if (beta == 0.75f) {
    const Vec root = sqrt(base);
    return broadcast(1.0f) / (root * sqrt(root));
  }
  float lanes[kLanes];
  store(lanes, base);
  for (int i = 0; i < kLanes; ++i) lanes[i] = powf(lanes[i], -beta);
  return load(lanes);
}

// The first n lanes, without a mask where n is kLanes, the usual case.
FASTCNN_INLINE Vec load_lanes(const float* p, int n) { return n == kLanes ? load(p) : load_first(p, n); }
FASTCNN_INLINE void store_lanes(float* p, Vec v, int n) { n == kLanes ? store(p, v) : store_first(p, v, n); }

// The channels from c - before to c + after.
struct Window {
  int64_t first, last;
  Window(int64_t c, int64_t before, int64_t after, int64_t channels)
      : first(c < before ? 0 : c - before), last(channels - c <= after ? channels : c + after + 1) {}
};

// k + alpha sum of squares around channel c, at `lanes` positions from `at` on.
FASTCNN_INLINE Vec base_of(const LocalResponseNorm& unit, int64_t c, int64_t at, int lanes) {
  const Window window(c, unit.before, unit.after, unit.channels);
  Vec squares = zero();
  for (int64_t j = window.first; j < window.last; ++j) {
    const Vec x = load_lanes(unit.x + j * unit.channel_stride + at, lanes);
    squares = fma(x, x, squares);
  }
  return fma(broadcast(unit.alpha), squares, broadcast(unit.k));
}

// Calls body(position, lanes) for all positions. Only the last call may have fewer than kLanes lanes.
template <class Body>
FASTCNN_INLINE void for_each_vector(int64_t count, Body&& body) {
  int64_t at = 0;
  for (; at + kLanes <= count; at += kLanes) body(at, kLanes);
  if (at < count) body(at, (int)(count - at));
}

}  // namespace

void local_response_norm(const LocalResponseNorm& unit) {
  for (int64_t c = unit.first; c < unit.last; ++c)
    for_each_vector(unit.count, [&](int64_t at, int lanes) {
      const int64_t here = c * unit.channel_stride + at;
      store_lanes(unit.y + here, load_lanes(unit.x + here, lanes) * inverse_power(base_of(unit, c, at, lanes), unit.beta), lanes);
    });
}

// With b = k + alpha sum x^2:
//   dx[i] = dy[i] b[i]^-beta - 2 alpha beta x[i] sum over all j whose window has i of dy[j] x[j] b[j]^(-beta - 1)
// The first pass computes the first term and writes the terms of the sum to scratch; the second pass adds them.
void local_response_norm_backward(const LocalResponseNorm& unit) {
  for (int64_t c = 0; c < unit.channels; ++c)
    for_each_vector(unit.count, [&](int64_t at, int lanes) {
      const int64_t here = c * unit.channel_stride + at;
      const Vec base = base_of(unit, c, at, lanes);
      const Vec direct = load_lanes(unit.dy + here, lanes) * inverse_power(base, unit.beta);
      store_lanes(unit.scratch + c * unit.count + at, direct * load_lanes(unit.x + here, lanes) / base, lanes);
      store_lanes(unit.y + here, direct, lanes);
    });
  const Vec factor = broadcast(-2.0f * unit.alpha * unit.beta);
  for (int64_t c = 0; c < unit.channels; ++c) {
    const Window window(c, unit.after, unit.before, unit.channels);
    for_each_vector(unit.count, [&](int64_t at, int lanes) {
      const int64_t here = c * unit.channel_stride + at;
      Vec terms = zero();
      for (int64_t j = window.first; j < window.last; ++j) terms += load_lanes(unit.scratch + j * unit.count + at, lanes);
      const Vec x = load_lanes(unit.x + here, lanes);
      store_lanes(unit.y + here, fma(factor * x, terms, load_lanes(unit.y + here, lanes)), lanes);
    });
  }
}

}  // namespace fastcnn::FASTCNN_ISA
