// Sums over arrays: squares, squared differences, and the gradient of a learned slope (PReLU).
#include "kernels/kernels.h"
#include "simd/loops.h"

namespace fastcnn::FASTCNN_ISA {

void squared_norm(double* norm, const float* x, int64_t count) {
  *norm = sum_of(count, [](Vec v) { return v * v; }, x);
}

void squared_distance(double* distance, const float* x, const float* y, int64_t count) {
  *distance = sum_of(count, [](Vec a, Vec b) { return (a - b) * (a - b); }, x, y);
}

void prelu_slope(float* dslope, const float* dy, const float* x, int64_t count) {
  *dslope = sum_of(count, [](Vec d, Vec v) { return select(v > zero(), zero(), d * v); }, dy, x);
}

}  // namespace fastcnn::FASTCNN_ISA
