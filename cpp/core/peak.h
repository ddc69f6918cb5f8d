// The measured limits: what a loop of multiply-adds reaches on this machine, now, and a loop that copies. Benchmarks compare with them.
#pragma once

#include "core/shape.h"
#include "kernels/kernels.h"

namespace fastcnn {

double measure_peak(const Kernels& kernels, int threads);  // GFLOP/s of all threads together, the best of several short rounds

// GB/s, read and written, of all threads together, with `bytes` touched again and again: of the cache that holds so much. The best of
// several short rounds.
double measure_bandwidth(const Kernels& kernels, int threads, Index bytes);

}  // namespace fastcnn
