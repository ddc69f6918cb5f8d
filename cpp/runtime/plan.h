// Plan: all that is decided about a graph before it runs, for one set of input shapes. It is made once and never changes.
#pragma once

#include <span>
#include <vector>

#include "graph/graph.h"
#include "graph/passes/passes.h"
#include "kernels/kernels.h"
#include "runtime/bands.h"
#include "runtime/binder.h"
#include "runtime/run_steps.h"
#include "runtime/spaces.h"
#include "runtime/storage.h"

namespace fastcnn {

// Bytes.
struct ProgramMemory {
  Index parameters = 0;
  Index prepared = 0;
  Index arena = 0;
  Index scratch_per_thread = 0;
  Index inputs = 0;
  Index outputs = 0;
  Index lower_bound = 0;      // of the arena
  Index without_release = 0;  // of the arena, if every value had memory of its own
  Index logical_bound = 0;    // the lower bound without rings, unused lanes and alignment
};

class Plan {
 public:
  // Training is always strict.
  Plan(Graph graph, const Kernels& kernels, Purpose purpose, const CompileOptions& options);
  Plan(const Plan&) = delete;
  Plan& operator=(const Plan&) = delete;

  const Graph& graph() const { return graph_; }  // after all passes
  const Kernels& kernels() const { return kernels_; }
  Purpose purpose() const { return purpose_; }
  bool is_ahead(std::size_t node) const { return is_ahead_[node]; }  // computed before the runs, from parameters alone
  const Storage& storage() const { return storage_; }
  const Spaces& spaces() const { return spaces_; }
  Binder binder() const { return {graph_, kernels_, storage_, spaces_}; }

  // The steps of a run: those before the first that writes parameters or running statistics, and that one with all behind it.
  std::span<const BoundStep> steps() const { return std::span(steps_).first(first_update_); }
  std::span<const BoundStep> updates() const { return std::span(steps_).subspan(first_update_); }
  Index scratch_bytes() const { return scratch_bytes_; }  // of each worker
  double flops() const { return flops_; }                 // of a run

  const std::vector<StepReport>& reports() const { return reports_; }  // a node each, in the order in which they run
  double recomputed_work() const { return recomputed_work_; }  // multiply-adds that a training step does twice to keep to its budget
  ProgramMemory memory() const;                                // without the prepared forms

 private:
  void bind(const std::vector<BandGroup>& groups);
  void bind_node(const Binder& binder, std::size_t node);
  void bind_bands(const Binder& binder, const BandGroup& group);
  void check_update(const Node& node) const;
  void add_step(BoundStep bound);

  Graph graph_;
  const Kernels& kernels_;
  const Purpose purpose_;
  std::vector<bool> is_ahead_;  // by node
  Storage storage_;
  Spaces spaces_;
  std::vector<BoundStep> steps_;
  std::size_t first_update_ = 0;  // index into steps_; its size if there is none
  std::vector<StepReport> reports_;
  Index scratch_bytes_ = 0;
  double flops_ = 0;
  double recomputed_work_ = 0;
};

}  // namespace fastcnn
