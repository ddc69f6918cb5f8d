// Binder: turns a node of a graph into a step, once its values have their places.
#pragma once

#include "graph/graph.h"
#include "runtime/run_steps.h"
#include "runtime/spaces.h"

namespace fastcnn {

// What a program tells about a node of its runs. The step is not to be run; for a node in bands it sums up the steps of all bands.
struct StepReport {
  std::size_t node;
  Step step;
  Index bands = 1;
};

// Refers to what it is made from.
class Binder {
 public:
  Binder(const Graph& graph, const Kernels& kernels, const Storage& storage, const Spaces& spaces)
      : graph_(graph), kernels_(kernels), storage_(storage), spaces_(spaces) {}

  const Graph& graph() const { return graph_; }
  const Kernels& kernels() const { return kernels_; }
  const Storage& storage() const { return storage_; }

  BoundStep bind(std::size_t node) const;
  Operand operand(ValueId value) const;
  bool is_made_of_parts(std::size_t node) const;  // a concatenation whose parts already lie where they belong: it needs no step

 private:
  const Graph& graph_;
  const Kernels& kernels_;
  const Storage& storage_;
  const Spaces& spaces_;
};

}  // namespace fastcnn
