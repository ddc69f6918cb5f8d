// The sum of each lane over all images, rows and columns: the gradient of a bias. Each row is summed by itself first, then each image.
#include "kernels/kernels.h"
#include "simd/vec.h"

namespace fastcnn::FASTCNN_ISA {

// x: (images, rows, columns, lanes), strided; sums: (lanes).
void channel_sum(float* sums, const float* x, int64_t images, int64_t rows, int64_t columns, int64_t image_stride, int64_t row_stride) {
  Vec total = zero();
  for (int64_t n = 0; n < images; ++n) {
    Vec image = zero();
    for (int64_t h = 0; h < rows; ++h) {
      const float* pixels = x + n * image_stride + h * row_stride;
      Vec row = zero();
      for (int64_t w = 0; w < columns; ++w) row += load(pixels + w * kLanes);
      image += row;
    }
    total += image;
  }
  store(sums, total);
}

}  // namespace fastcnn::FASTCNN_ISA
