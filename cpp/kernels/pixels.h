// The activation of a convolution's finished row, where it is no clamp that the registers went through.
#pragma once

#include "kernels/kernels.h"
#include "simd/clamp.h"

namespace fastcnn::FASTCNN_ISA {

// row: (columns) pixels of kLanes floats, pixel_stride apart. A pass of a transposed convolution writes pixels that are not neighbours;
// those between them belong to other passes.
FASTCNN_INLINE void activate_pixels(float* row, int64_t columns, int64_t pixel_stride, Activation activation) {
  if (activation.kind == ActivationKind::identity) return;
  if (pixel_stride == kLanes) return activate(row, row, columns * kLanes, activation);
  for (int64_t x = 0; x < columns; ++x) activate(row + x * pixel_stride, row + x * pixel_stride, kLanes, activation);
}

// row: such rows of (blocks) channel blocks, block_stride apart. Does nothing for a clamp.
FASTCNN_INLINE void activate_blocks(float* row, int blocks, int64_t block_stride, int64_t columns, int64_t pixel_stride,
                                    Activation activation) {
  if (is_clamp(activation)) return;
  for (int block = 0; block < blocks; ++block) activate_pixels(row + block * block_stride, columns, pixel_stride, activation);
}

}  // namespace fastcnn::FASTCNN_ISA
