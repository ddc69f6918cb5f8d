// TrainingProgram: one training step, planned as a whole. Forward and backward are one program, the optimizer's update comes behind it;
// the gradients of all parameters lie in one flat buffer, which the programs of a pool share.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "runtime/optimizer.h"
#include "runtime/program.h"

namespace fastcnn {

class TrainingProgram {
 public:
  // `loss` is a scalar of `graph`, which holds the forward pass in training mode; the gradient is appended here.
  TrainingProgram(Graph graph, ValueId loss, std::vector<std::shared_ptr<Parameter>> parameters, const Kernels& kernels,
                  std::shared_ptr<ArenaPool> arenas);

  struct Update {
    Optimizer& optimizer;
    const std::vector<std::shared_ptr<Parameter>>& parameters;  // that the optimizer was made for: those of the program, in their order
    const std::vector<Hyper>& groups;                           // hyperparameters
    double clip_norm = 0;                                       // 0: gradients are not clipped
  };
  // outputs: those of the graph as it was given. Returns the loss. A loss that is not finite is an Error before anything is written.
  float step(const void* const* inputs, void* const* outputs, const Update& update, const RunOptions& options);

  const Program& program() const { return *program_; }
  std::size_t user_outputs() const { return user_outputs_; }
  Index gradient_bytes() const { return gradient_elements_ * static_cast<Index>(sizeof(float)); }

 private:
  void apply(const Update& update, const float* gradients, const RunOptions& options);

  std::vector<std::shared_ptr<Parameter>> parameters_;
  std::unique_ptr<Program> program_;
  std::size_t user_outputs_;
  std::vector<Index> offsets_;      // of each parameter's gradient, in floats
  std::vector<bool> has_gradient_;  // false: the loss does not depend on it, and it is not updated
  Index gradient_elements_ = 0;
  std::shared_ptr<ArenaPool> arenas_;  // of the gradients, too
  std::mutex mutex_;                   // steps of one program come one after another
};

}  // namespace fastcnn
