// Long sums of floats: runs of 4096 elements are summed in float, and their sums in double, always in the same order.
#pragma once

#include <algorithm>

#include "core/shape.h"

namespace fastcnn {

// The sum over `count` elements. part(sum, start, count) writes the sum over elements start .. start + count - 1 to *sum.
template <class Part>
double sum_of_runs(Index count, Part&& part) {
  constexpr Index kRun = 4096;
  double total = 0;
  for (Index start = 0; start < count; start += kRun) {
    double sum = 0;
    part(&sum, start, std::min(kRun, count - start));
    total += sum;
  }
  return total;
}

}  // namespace fastcnn
