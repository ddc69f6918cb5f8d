// WayBack: which values of a training graph are there on the way forward, and who reads them on the way back. What make_again.cpp and
// choose_kept.cpp both need to know.
#pragma once

#include <vector>

#include "graph/passes/passes.h"

namespace fastcnn {

struct WayBack {
  explicit WayBack(const Graph& graph);

  std::size_t root_at(ValueId value) const { return static_cast<std::size_t>(root[static_cast<std::size_t>(value)]); }

  int start = 0;                       // the first node behind all that makes outputs; those before it are the way forward
  std::vector<ValueId> root;           // of each value: itself, or on the way forward what it is another shape of
  std::vector<std::size_t> maker;      // of each value on the way forward: its node
  std::vector<bool> again;             // of each root: made on the way forward by a node that can be run again, and no output
  std::vector<int> last_forward;       // of each root: its last reader on the way forward; -1: none
  std::vector<std::vector<int>> back;  // of each root: its readers on the way back
};

// Multiply-adds of a node, or for one that only passes over memory as many as take the same time.
double work_of(const Graph& graph, const Node& node);

// Of each root: whether it is kept from the way forward to the way back, so that by an estimate no more than `room` bytes are alive at a
// time, with the least work done again; if that cannot be, with the smallest room that is enough.
std::vector<bool> choose_kept(const Graph& graph, const WayBack& way, Index room);

}  // namespace fastcnn
