// Copies one row of pixels between layouts: from planes (channel block 1) to channel blocks, and back.
#include "kernels/kernels.h"
#include "simd/vec.h"

namespace fastcnn::FASTCNN_ISA {

namespace {

// planes:  aaaa.. bbbb.. cccc..   (the row of each plane)      blocks:  abc_ abc_ abc_ abc_   (the channels of each pixel)
void planes_to_blocks(const ReorderRow& row) {
  for (int64_t first = 0; first < row.channels; first += row.to_block) {
    float* to = row.to + first / row.to_block * row.to_block_stride;
    const int64_t present = row.channels - first < row.to_block ? row.channels - first : row.to_block;
    for (int64_t c = 0; c < present; ++c) {
      const float* from = row.from + (first + c) * row.from_block_stride;
      for (int64_t x = 0; x < row.columns; ++x) to[x * row.to_block + c] = from[x];
    }
    for (int64_t c = present; c < row.to_block; ++c)
      for (int64_t x = 0; x < row.columns; ++x) to[x * row.to_block + c] = 0.0f;
  }
}

void blocks_to_planes(const ReorderRow& row) {
  for (int64_t channel = 0; channel < row.channels; ++channel) {
    const float* from = row.from + channel / row.from_block * row.from_block_stride + channel % row.from_block;
    float* to = row.to + channel * row.to_block_stride;
    for (int64_t x = 0; x < row.columns; ++x) to[x] = from[x * row.from_block];
  }
}

}  // namespace

void reorder_row(const ReorderRow& row) {
  if (row.from_block == row.to_block) {
    const int64_t blocks = (row.channels + row.from_block - 1) / row.from_block;
    for (int64_t b = 0; b < blocks; ++b)
      memcpy(row.to + b * row.to_block_stride, row.from + b * row.from_block_stride,
             sizeof(float) * (size_t)row.columns * (size_t)row.from_block);
  } else if (row.from_block == 1) {
    planes_to_blocks(row);
  } else {
    blocks_to_planes(row);
  }
}

}  // namespace fastcnn::FASTCNN_ISA
