// Common parts of the kernel tests: random data, buffers that detect writes outside of them, comparison with double. There is no framework.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <string>
#include <vector>

#include "kernels/kernels.h"

namespace fastcnn::testing {

constexpr double kEps = 1.0 / (1 << 24);  // half a unit in the last place of 1: the rounding error of one operation

// The number of failures of the current test.
inline int& failures() {
  static int count = 0;
  return count;
}

inline void fail(const std::string& what, const std::string& why) {
  constexpr int kMostPrinted = 6;
  if (++failures() <= kMostPrinted) std::printf("FAILED %s: %s\n", what.c_str(), why.c_str());
}

// Uniform in [-1, 1), the same on every machine.
class Random {
 public:
  explicit Random(std::uint32_t seed) : state_(seed * 2654435761u + 12345u) {}
  float next() {
    state_ = state_ * 1664525u + 1013904223u;
    return static_cast<float>(state_ >> 8) / (1 << 23) - 1.0f;
  }

 private:
  std::uint32_t state_;
};

// `size` floats at an odd address between guards of NaN: a read of a guard makes a result NaN, check_guards finds a write to one.
class Buffer {
 public:
  explicit Buffer(std::int64_t size) : floats_(static_cast<std::size_t>(size + 2 * kGuard), std::nanf("")), size_(size) {}
  Buffer(std::int64_t size, Random& random) : Buffer(size) {
    for (std::int64_t i = 0; i < size; ++i) data()[i] = random.next();
  }
  float* data() { return floats_.data() + kGuard; }
  const float* data() const { return floats_.data() + kGuard; }
  std::int64_t size() const { return size_; }
  float operator[](std::int64_t i) const { return data()[i]; }

  void check_guards(const std::string& what) const {
    for (std::int64_t i = 0; i < kGuard; ++i)
      if (!std::isnan(floats_[static_cast<std::size_t>(i)]) || !std::isnan(data()[size_ + i]))
        return fail(what, "wrote outside its output");
  }

 private:
  static constexpr std::int64_t kGuard = 65;  // odd, and more than the vectors of a tile of any ISA
  std::vector<float> floats_;
  std::int64_t size_;
};

// A sum in double with the error bound of the sum in float: at most `terms` roundings of numbers no larger than the sum of the magnitudes.
struct Sum {
  double value = 0;
  double magnitude = 0;
  int terms = 0;
  void add(double term) {
    value += term;
    magnitude += std::abs(term);
    ++terms;
  }
  double bound() const { return (terms + 2) * kEps * magnitude; }
};

inline void check_close(const std::string& what, std::int64_t index, float got, double want, double bound) {
  if (std::isnan(got) ? std::isnan(want) : static_cast<double>(got) == want || std::abs(got - want) <= bound) return;
  char why[160];
  std::snprintf(why, sizeof why, "element %lld is %.9g, must be %.9g +- %.2g", static_cast<long long>(index), static_cast<double>(got),
                want, bound);
  fail(what, why);
}

template <class... Parts>
std::string label(const Kernels& kernels, const char* kernel, const Parts&... parts) {
  std::string text = std::string(kernels.isa) + " " + kernel;
  ((text += " " + std::to_string(parts)), ...);
  return text;
}

// An activation in double, as PyTorch defines it.
double activation(double x, Activation activation);

// The error bound of activation(x) where x has the error bound `error`: no activation here is steeper than 1.2, except by a or b as its
// slope.
double activation_bound(double x, double error, Activation activation);

// One test for each kernel of the manifest. The program does not link without a kernel's test.
#define FASTCNN_KERNEL(name, parameters) void test_##name(const Kernels& kernels);
#include "kernels/kernels.inc"
#undef FASTCNN_KERNEL

}  // namespace fastcnn::testing
