// BackwardReads: which values of a training graph the forward pass makes, and which nodes of the forward and of the backward pass read
// them. choose_kept.cpp and recompute_within_budget.cpp need it.
#pragma once

#include <vector>

#include "graph/passes/passes.h"

namespace fastcnn {

struct BackwardReads {
  explicit BackwardReads(const Graph& graph);

  std::size_t root_at(ValueId value) const { return static_cast<std::size_t>(root[static_cast<std::size_t>(value)]); }

  int backward_start = 0;                          // the backward pass begins behind the last node that makes an output
  std::vector<ValueId> root;                       // by value: itself, or in the forward pass what it is another shape of
  std::vector<std::size_t> maker;                  // by value of the forward pass: its node
  std::vector<bool> can_recompute;                 // by root: made in the forward pass by a node that can run again, and no output
  std::vector<int> last_forward_reader;            // by root: -1 for none
  std::vector<std::vector<int>> backward_readers;  // by root
};

// Multiply-adds of a node, or for one that only passes over memory as many as take the same time.
double work_of(const Graph& graph, const Node& node);

// Chooses the roots that are kept from the forward pass for the backward pass, so that by an estimate no more than `budget` bytes are alive
// at a time, with the least work recomputed. If that cannot be, it chooses for the smallest budget that is enough.
std::vector<bool> choose_kept(const Graph& graph, const BackwardReads& reads, Index budget);

}  // namespace fastcnn
