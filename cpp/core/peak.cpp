#include "core/peak.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <vector>

#include "core/buffer.h"
#include "core/error.h"
#include "core/parallel.h"

namespace fastcnn {

namespace {

void check_threads(const char* op, int threads) {
  require(threads >= 1 && threads <= kMaxThreads, op, join("threads must be between 1 and ", kMaxThreads), threads);
}

// Runs several rounds on all workers at once and returns the highest rate: the amount of all workers divided by nanoseconds. round(worker)
// returns the amount of one worker.
template <class Round>
double best_rate(int threads, Round&& round) {
  std::vector<double> rates(15);
  run_parallel(threads, [&](const Worker& worker) {
    for (double& rate : rates) {
      worker.barrier();
      const auto start = std::chrono::steady_clock::now();
      const double amount = round(worker);
      worker.barrier();
      const std::chrono::duration<double, std::nano> nanoseconds = std::chrono::steady_clock::now() - start;
      if (worker.index() == 0) rate = amount * worker.size() / nanoseconds.count();
    }
  });
  return *std::max_element(rates.begin(), rates.end());
}

}  // namespace

double measure_peak(const Kernels& kernels, int threads) {
  check_threads("measure_peak", threads);
  constexpr std::int64_t kIterations = 500'000;  // a round takes about 3 ms
  return best_rate(threads, [&](const Worker&) {
    alignas(64) float seeds[2 * 16] = {};
    double flops = 0;
    kernels.multiply_adds(seeds, kIterations, &flops);
    return flops;
  });
}

double measure_bandwidth(const Kernels& kernels, int threads, Index bytes) {
  check_threads("measure_bandwidth", threads);
  constexpr Index kMostBytes = Index{1} << 30;
  require(bytes >= 1 && bytes <= kMostBytes, "measure_bandwidth", join("bytes must be between 1 and ", kMostBytes), bytes);
  constexpr Index kFloat = sizeof(float);
  const Index floats = ceil_div(bytes, 2 * kFloat * threads);  // that each worker reads and writes
  const Index times = ceil_div(8 << 20, bytes);                // so that a round takes at least about 100 us
  std::vector<AlignedBuffer> from, to;
  for (int i = 0; i < threads; ++i) {
    from.emplace_back(static_cast<std::size_t>(floats * kFloat));
    to.emplace_back(static_cast<std::size_t>(floats * kFloat));
  }
  for (const AlignedBuffer& buffer : from) std::memset(buffer.data(), 0, buffer.size());  // unwritten pages all map to the same zero page
  return best_rate(threads, [&](const Worker& worker) {
    const auto mine = static_cast<std::size_t>(worker.index());
    for (Index i = 0; i < times; ++i) kernels.scale_shift(to[mine].floats(), from[mine].floats(), floats, 1.0f, 0.0f);
    return 2.0 * static_cast<double>(times * floats * kFloat);
  });
}

}  // namespace fastcnn
