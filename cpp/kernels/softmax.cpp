// Softmax of one array, its logarithm, and their gradients. The output may be an input.
#include <math.h>

#include "kernels/kernels.h"
#include "simd/loops.h"
#include "simd/math.h"

namespace fastcnn::FASTCNN_ISA {

namespace {

float largest(const float* x, int64_t count) {
  float most = x[0];
  for (int64_t i = 1; i < count; ++i) most = x[i] > most ? x[i] : most;
  return most;
}

}  // namespace

void softmax_row(float* y, const float* x, int64_t count, bool log) {
  const Vec most = broadcast(largest(x, count));
  const float total = sum_of(count, [&](Vec v) { return exp(v - most); }, x);
  if (log) {
    const Vec log_total = broadcast(logf(total));  // not added to `most`, which may be so large that the sum loses its digits
    map(y, count, [&](Vec v) { return (v - most) - log_total; }, x);
  } else {
    const Vec factor = broadcast(1.0f / total);
    map(y, count, [&](Vec v) { return exp(v - most) * factor; }, x);
  }
}

void softmax_backward_row(float* dx, const float* dy, const float* y, int64_t count, bool log) {
  if (log) {
    const Vec total = broadcast(sum_of(count, [](Vec d) { return d; }, dy));
    map(dx, count, [&](Vec d, Vec v) { return d - exp(v) * total; }, dy, y);
  } else {
    const Vec total = broadcast(sum_of(count, [](Vec d, Vec v) { return d * v; }, dy, y));
    map(dx, count, [&](Vec d, Vec v) { return v * (d - total); }, dy, y);
  }
}

}  // namespace fastcnn::FASTCNN_ISA
