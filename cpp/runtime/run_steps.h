// BoundStep: a step of a program, bound to the places of its operands; run_steps() runs a list of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "ops/step.h"

namespace fastcnn {

// An image whose ring of zeros a step must write. It may be a band of rows: where the image goes on, the ring has no rows above or below.
struct Ring {
  Operand image;
  bool above = true;
  bool below = true;
};

struct BoundStep {
  std::size_t node;  // of the graph
  Step step;
  std::vector<Ring> rings;
  std::size_t report = 0;  // index of the report that its time counts for
};

struct RunOptions {
  int threads = 0;  // 0: default_threads()
  std::uint64_t seed = 0;
  std::uint64_t iteration = 0;
  const WeightUpdater* updater = nullptr;  // of a training step
  double* step_seconds = nullptr;          // for profiling: an entry for each report of the plan, to which time is added
};

// Private memory of the workers of a run, one piece behind another.
struct Scratch {
  std::byte* first = nullptr;
  Index bytes_a_worker = 0;
};

// Runs the steps in their order on at most `threads` workers. spaces: the first byte of each space that operands lie in.
void run_steps(std::span<const BoundStep> steps, const std::vector<std::byte*>& spaces, Scratch scratch, const RunOptions& options,
               int threads);

}  // namespace fastcnn
