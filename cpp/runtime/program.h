// Program: a graph made ready to run for one set of input shapes: its plan, the forms of its parameters, and the executor of its runs.
// Inference and training are the same: a training step is a program whose graph is longer.
#pragma once

#include <memory>

#include "runtime/executor.h"
#include "runtime/plan.h"
#include "runtime/prepared_forms.h"

namespace fastcnn {

class Program {
 public:
  Program(Graph graph, const Kernels& kernels, Purpose purpose, std::shared_ptr<ArenaPool> arenas, const CompileOptions& options = {})
      : plan_(std::move(graph), kernels, purpose, options), forms_(plan_), executor_(plan_, forms_, std::move(arenas)) {}

  Executor::Session start(const void* const* inputs, void* const* outputs, const RunOptions& options) {
    return {executor_, inputs, outputs, options};
  }
  int useful_threads(int asked) const { return executor_.useful_threads(asked); }

  const Plan& plan() const { return plan_; }
  const PreparedForms& forms() const { return forms_; }
  const Graph& graph() const { return plan_.graph(); }
  ProgramMemory memory() const {
    ProgramMemory memory = plan_.memory();
    memory.prepared = forms_.bytes();
    return memory;
  }

 private:
  Plan plan_;
  PreparedForms forms_;
  Executor executor_;
};

}  // namespace fastcnn
