// Step: what is left of a node when a program runs. A fixed grid of work units and a function that does a range of them.
//
// The grid depends on shape, ISA and options, never on the number of threads; each unit writes elements that no other unit of the step
// writes, and sums in an order of its own. That is why any number of threads gives the same bits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

#include "core/tensor.h"

namespace fastcnn {

struct Kernels;

// Where a value lies: `offset` bytes into one of the program's spaces (the arena, an input, an output, a parameter, prepared weights).
struct Location {
  int space = 0;
  Index offset = 0;
  bool operator==(const Location&) const = default;
};

// What gives weights their new values in a training step: an optimizer.
class WeightUpdater {
 public:
  static constexpr Index kChunk = 4096;  // elements of a unit of work
  virtual ~WeightUpdater() = default;
  // Elements start .. start + count - 1 of a parameter, whose weights and gradient begin at the pointers.
  virtual void update(std::size_t parameter, Index start, Index count, float* weights, const float* gradient,
                      float gradient_scale) const = 0;
};

// What a step sees of the run that it is part of.
struct RunContext {
  std::byte* const* spaces = nullptr;
  std::byte* scratch = nullptr;  // private to this worker, as large as the step asked for, aligned to 64 bytes
  std::uint64_t seed = 0;        // of random masks, with `iteration`: the number of the training step
  std::uint64_t iteration = 0;
  const WeightUpdater* updater = nullptr;  // of a training step
};

// A value that a step reads or writes.
struct Operand {
  TensorType type;
  Location where;
  bool given = false;  // false: an optional input that was left out

  template <class T = float>
  T* data(const RunContext& run) const {
    return given ? reinterpret_cast<T*>(run.spaces[where.space] + where.offset) : nullptr;
  }
};

struct Step {
  Index units = 1;
  std::function<void(const RunContext&, Index begin, Index end)> run;
  Index scratch_bytes = 0;  // for each worker
  double flops = 0;         // multiplications and additions
  std::string algorithm;    // for reports: "direct 14x32"
};

}  // namespace fastcnn
