// Weighted sums of the entries of one axis, each an array: resizing, and gradients of gathers. They add in the order of the weights.
#include "kernels/kernels.h"
#include "simd/loops.h"

namespace fastcnn::FASTCNN_ISA {

namespace {

// Entries of one float: the axis is the last one of a plain value.
void sums_of_floats(const WeightedSums& unit) {
  for (int64_t i = 0; i < unit.outputs; ++i) {
    float total = 0;
    for (int64_t j = unit.starts[i]; j < unit.starts[i + 1]; ++j) total += unit.weights[j] * unit.x[unit.indices[j] * unit.x_stride];
    unit.y[i * unit.y_stride] = total;
  }
}

// V vectors of output i, from element `at` on.
template <int V>
FASTCNN_INLINE void sums_of_vectors(const WeightedSums& unit, int64_t i, int64_t at) {
  Vec total[V] = {};
  for (int64_t j = unit.starts[i]; j < unit.starts[i + 1]; ++j) {
    const float* x = unit.x + unit.indices[j] * unit.x_stride + at;
    const Vec weight = broadcast(unit.weights[j]);
    unroll<V>([&](auto v) { total[v] = fma(load(x + v * kLanes), weight, total[v]); });
  }
  unroll<V>([&](auto v) { store(unit.y + i * unit.y_stride + at + v * kLanes, total[v]); });
}

// The last `rest` elements of output i, fewer than a vector.
void sums_of_rest(const WeightedSums& unit, int64_t i, int64_t at, int rest) {
  Vec total = zero();
  for (int64_t j = unit.starts[i]; j < unit.starts[i + 1]; ++j)
    total = fma(load_first(unit.x + unit.indices[j] * unit.x_stride + at, rest), broadcast(unit.weights[j]), total);
  store_first(unit.y + i * unit.y_stride + at, total, rest);
}

}  // namespace

void weighted_sums(const WeightedSums& args) {
  const WeightedSums unit = args;  // a copy that no store can change
  if (unit.count == 1) return sums_of_floats(unit);
  for (int64_t i = 0; i < unit.outputs; ++i) {
    const int64_t at = for_each_group<4 * kLanes, kLanes>(
        unit.count, [&](auto size, int64_t first) FASTCNN_INLINE_LAMBDA { sums_of_vectors<size / kLanes>(unit, i, first); });
    if (const int rest = static_cast<int>(unit.count - at)) sums_of_rest(unit, i, at, rest);
  }
}

}  // namespace fastcnn::FASTCNN_ISA
