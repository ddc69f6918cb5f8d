// Step: what a node becomes when a program runs: a fixed grid of work units, and a function that computes a range of them.
//
// The grid depends on shape, ISA and options, never on the number of threads. Each unit writes elements that no other unit of the step
// writes, and sums in an order of its own. So any number of threads gives the same bits.
#pragma once

#include <algorithm>
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

// Computes the new values of weights in a training step: an optimizer.
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

  template <class T = float>
  T* scratch_data() const {
    return reinterpret_cast<T*>(scratch);
  }
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

inline double elements_of(const Operand& operand) { return static_cast<double>(operand.type.shape.elements()); }

struct Step {
  Index units = 1;
  std::function<void(const RunContext&, Index begin, Index end)> run;
  Index scratch_bytes = 0;  // for each worker
  double flops = 0;         // multiplications and additions
  std::string algorithm;    // for reports: "direct 14x32"
};

// A step whose units are computed one by one: body(run, unit).
template <class Body>
Step bind_units(Index units, Body body) {
  Step step;
  step.units = units;
  step.run = [body = std::move(body)](const RunContext& run, Index begin, Index end) {
    for (Index unit = begin; unit < end; ++unit) body(run, unit);
  };
  return step;
}

// Units first_unit .. first_unit + count - 1 of a step are one part of its work. Calls work(first, last) if some of them are among units
// begin .. end - 1: units first .. last - 1, numbered within the part.
template <class Work>
void for_part(Index begin, Index end, Index first_unit, Index count, Work&& work) {
  const Index first = std::max(begin, first_unit) - first_unit, last = std::min(end, first_unit + count) - first_unit;
  if (first < last) work(first, last);
}

}  // namespace fastcnn
