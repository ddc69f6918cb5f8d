// The activation of a convolution's finished row, for those that are no clamp in registers.
#pragma once

#include "kernels/kernels.h"
#include "simd/vec.h"

namespace fastcnn::FASTCNN_ISA {

// Pixels of a transposed convolution's pass lie a stride apart, and what is between them belongs to other passes.
FASTCNN_INLINE void activate_pixels(float* row, int64_t columns, int64_t pixel_stride, Activation activation) {
  if (activation.kind == ActivationKind::identity) return;
  if (pixel_stride == kLanes) return activate(row, row, columns * kLanes, activation);
  for (int64_t x = 0; x < columns; ++x) activate(row + x * pixel_stride, row + x * pixel_stride, kLanes, activation);
}

}  // namespace fastcnn::FASTCNN_ISA
