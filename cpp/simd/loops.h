// Loops over arrays of any length: large groups, then smaller ones; whole vectors, then a partial one. An output may be one of the inputs.
#pragma once

#include "simd/vec.h"

namespace fastcnn::FASTCNN_ISA {

// Cuts `count` entries into groups: as many of the first size as fit, then of the next size, and so on. Calls body(Constant<size>{}, first)
// for each group and returns the number of entries in groups.
template <int... Sizes, class Body>
FASTCNN_INLINE int64_t for_each_group(int64_t count, Body&& body) {
  int64_t first = 0;
  const auto groups_of = [&](auto size) FASTCNN_INLINE_LAMBDA {
    for (; first + size <= count; first += size) body(size, first);
  };
  (groups_of(Constant<Sizes>{}), ...);
  return first;
}

// y[i] = function(x[i]...) for i < count.
template <class Function, class... Inputs>
FASTCNN_INLINE void map(float* y, int64_t count, Function&& function, const Inputs*... x) {
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) store(y + i, function(load(x + i)...));
  if (const int rest = static_cast<int>(count - i)) store_first(y + i, function(load_first(x + i, rest)...), rest);
}

// Returns the sum of function(x[i]...) for i < count, always added in the same order.
template <class Function, class... Inputs>
FASTCNN_INLINE float sum_of(int64_t count, Function&& function, const Inputs*... x) {
  Vec total = zero();
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) total += function(load(x + i)...);
  float last[kLanes] = {};  // the lanes beyond the end must not count
  if (const int rest = static_cast<int>(count - i)) store_first(last, function(load_first(x + i, rest)...), rest);
  return sum(total + load(last));
}

}  // namespace fastcnn::FASTCNN_ISA
