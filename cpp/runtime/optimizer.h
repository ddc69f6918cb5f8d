// Optimizer: what turns gradients into new weights, and what it remembers from step to step. It knows no threads: the caller deals out
// units.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "core/buffer.h"
#include "core/shape.h"
#include "kernels/kernels.h"

namespace fastcnn {

using Hyper = std::map<std::string, double>;  // "lr", "momentum", ...: which there are says kinds() in optimizer.cpp

class Optimizer {
 public:
  // kind: "sgd", "adagrad", "rmsprop", "adam", "adamw"; sizes: elements of each parameter; groups: the group that each belongs to.
  Optimizer(const std::string& kind, std::vector<Index> sizes, std::vector<std::size_t> groups);

  // Checks the hyperparameters of the step about to be made, those of each group, and makes the slots that one of them needs. Error:
  // `[sgd] rule. Got value.`
  void prepare(const std::vector<Hyper>& groups);

  // Units begin .. end - 1 of the step: chunks of kChunk elements of the parameters, one parameter after another. A parameter without a
  // gradient (nullptr) stays as it is, decay and momentum included.
  Index units() const { return static_cast<Index>(chunks_.size()); }
  void update(const Kernels& kernels, Index begin, Index end, float* const* weights, const float* const* gradients,
              float gradient_scale) const;

  // Slots under torch's names. Those that no step has needed yet do not exist: make_slot() makes one, zeroed.
  std::vector<std::string> slot_names() const;
  bool has_slot(const std::string& name) const { return slots_.at(name).data() != nullptr; }
  void make_slot(const std::string& name);
  float* slot(const std::string& name, std::size_t parameter) const { return slots_.at(name).floats() + offsets_[parameter]; }

  Index bytes() const;  // of the slots that exist
  Index steps = 0;      // made so far

 private:
  static constexpr Index kChunk = 4096;
  struct Chunk {
    std::size_t parameter;
    Index start, count;
  };
  WeightUpdate constants(const Hyper& hyper) const;
  void add_adam_constants(const Hyper& hyper, WeightUpdate& step) const;

  std::string kind_;
  std::vector<Index> sizes_, offsets_;
  std::vector<std::size_t> groups_;  // of each parameter
  Index elements_ = 0;
  std::vector<Chunk> chunks_;
  std::map<std::string, AlignedBuffer> slots_;
  std::vector<WeightUpdate> step_;  // the constants of the step about to be made, for each group
};

// The squared Euclidean norm of a gradient, always summed in the same order.
double squared_gradient_norm(const Kernels& kernels, const float* gradients, Index count);

}  // namespace fastcnn
