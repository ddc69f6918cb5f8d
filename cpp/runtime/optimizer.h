// Optimizer: turns gradients into new weights, and keeps its state from step to step. It knows no threads: the steps of
// ops/training/update_weights.cpp deal out chunks.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "core/buffer.h"
#include "core/shape.h"
#include "kernels/kernels.h"

namespace fastcnn {

using Hyper = std::map<std::string, double>;  // "lr", "momentum", ...; kinds() in optimizer.cpp lists them

class Optimizer {
 public:
  // kind: "sgd", "adagrad", "rmsprop", "adam", "adamw"; sizes: elements of each parameter; groups: the group that each belongs to.
  Optimizer(const std::string& kind, std::vector<Index> sizes, std::vector<std::size_t> groups);

  // Checks the hyperparameters of each group for the next step, and makes the slots that one of the groups needs. Error:
  // `[sgd] rule. Got value.`
  void prepare(const std::vector<Hyper>& groups);

  // Updates elements start .. start + count - 1 of a parameter, in the step that was prepared last.
  void update(const Kernels& kernels, std::size_t parameter, Index start, Index count, float* weights, const float* gradient,
              float gradient_scale) const;

  // Slots under torch's names. Those that no step has needed yet do not exist: make_slot() makes one, zeroed.
  std::vector<std::string> slot_names() const;
  bool has_slot(const std::string& name) const { return slots_.at(name).data() != nullptr; }
  void make_slot(const std::string& name);
  float* slot(const std::string& name, std::size_t parameter) const { return slots_.at(name).floats() + offsets_[parameter]; }

  Index bytes() const;  // of the slots that exist
  Index steps = 0;      // made so far

 private:
  WeightUpdate constants(const Hyper& hyper) const;
  void add_adam_constants(const Hyper& hyper, WeightUpdate& step) const;

  std::string kind_;
  std::vector<Index> sizes_;    // by parameter, as the next two
  std::vector<Index> offsets_;  // into each slot
  std::vector<std::size_t> groups_;
  Index elements_ = 0;
  std::map<std::string, AlignedBuffer> slots_;
  std::vector<WeightUpdate> step_;  // by group: the constants of the step that was prepared last
};

}  // namespace fastcnn
