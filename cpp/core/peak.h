// The measured limits of this machine: the speed of a loop of multiply-adds, and of a loop that copies. Benchmarks compare with them.
#pragma once

#include "core/shape.h"
#include "kernels/kernels.h"

namespace fastcnn {

double measure_peak(const Kernels& kernels, int threads);  // GFLOP/s of all threads together, the best of several short rounds

// GB/s, read and written, of all threads together, which copy the same `bytes` again and again: the bandwidth of the cache that holds them.
// The best of several short rounds.
double measure_bandwidth(const Kernels& kernels, int threads, Index bytes);

}  // namespace fastcnn
