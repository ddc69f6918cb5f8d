// The measured peak: what a loop of multiply-adds reaches on this machine, now. Benchmarks divide by it.
#pragma once

#include "kernels/kernels.h"

namespace fastcnn {

double measure_peak(const Kernels& kernels, int threads);  // GFLOP/s of all threads together, the best of several short rounds

}  // namespace fastcnn
