#include "core/peak.h"

#include <algorithm>
#include <chrono>
#include <vector>

#include "core/error.h"
#include "core/parallel.h"

namespace fastcnn {

double measure_peak(const Kernels& kernels, int threads) {
  require(threads >= 1 && threads <= kMaxThreads, "measure_peak", join("threads must be between 1 and ", kMaxThreads), threads);
  constexpr int kRounds = 15;
  constexpr std::int64_t kIterations = 500'000;  // about 3 ms a round
  std::vector<double> rounds(kRounds);
  run_parallel(threads, [&](const Worker& worker) {
    alignas(64) float seeds[2 * 16] = {};
    double flops = 0;
    for (double& gflops : rounds) {
      worker.barrier();
      const auto start = std::chrono::steady_clock::now();
      kernels.multiply_adds(seeds, kIterations, &flops);
      worker.barrier();
      const std::chrono::duration<double, std::nano> nanoseconds = std::chrono::steady_clock::now() - start;
      if (worker.index() == 0) gflops = flops * worker.size() / nanoseconds.count();
    }
  });
  return *std::max_element(rounds.begin(), rounds.end());
}

}  // namespace fastcnn
