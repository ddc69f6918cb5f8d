// A loop of multiply-adds alone: its speed is the limit of all kernels of this ISA. Benchmarks report their share of it.
#include "kernels/kernels.h"
#include "simd/vec.h"

namespace fastcnn::FASTCNN_ISA {

// Sums that do not wait for one another: two units with a latency of 4 to 5 cycles need 10. The other registers are free for x and y.
constexpr int kSums = 12;

void multiply_adds(float* seeds, int64_t iterations, double* flops) {
  const Vec x = load(seeds), y = load(seeds + kLanes);
  Vec acc[kSums];
  unroll<kSums>([&](auto i) { acc[i] = broadcast(static_cast<float>(i)); });
  for (int64_t n = 0; n < iterations; ++n) unroll<kSums>([&](auto i) { acc[i] = fma(acc[i], x, y); });
  unroll<kSums>([&](auto i) { store(seeds, load(seeds) + acc[i]); });
  *flops = 2.0 * kSums * kLanes * static_cast<double>(iterations);
}

}  // namespace fastcnn::FASTCNN_ISA
