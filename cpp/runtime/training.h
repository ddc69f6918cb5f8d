// TrainingProgram: one training step, planned as a whole: forward pass, backward pass and the optimizer's update are one program. The
// gradient of a parameter lives in the arena from when it is complete until the update right behind it; where gradients are clipped, until
// all are complete.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "runtime/optimizer.h"
#include "runtime/program.h"

namespace fastcnn {

class TrainingProgram {
 public:
  struct Options {
    double clip_norm = 0;              // the largest norm of all gradients together; 0: they are not clipped
    std::optional<Index> budget = {};  // see CompileOptions
  };
  // `loss` is a scalar of `graph`, which holds the forward pass in training mode; the gradient and the updates are appended here.
  TrainingProgram(Graph graph, ValueId loss, std::vector<std::shared_ptr<Parameter>> parameters, const Options& options,
                  const Kernels& kernels, std::shared_ptr<ArenaPool> arenas);

  struct Update {
    Optimizer& optimizer;
    const std::vector<std::shared_ptr<Parameter>>& parameters;  // of the optimizer; they must be those of the program, in their order
    const std::vector<Hyper>& groups;                           // hyperparameters
  };
  // Returns the loss. outputs: those of the graph as it was given. Error, before anything is written, if the loss is not finite.
  float step(const void* const* inputs, void* const* outputs, const Update& update, RunOptions options);

  const Program& program() const { return *program_; }
  std::size_t user_outputs() const { return user_outputs_; }

 private:
  void append_updates(Graph& graph, const std::vector<ValueId>& weights, const std::vector<ValueId>& gradients, double clip_norm) const;

  std::vector<std::shared_ptr<Parameter>> parameters_;
  std::unique_ptr<Program> program_;
  std::size_t user_outputs_;
  std::mutex mutex_;  // steps of one program come one after another
};

}  // namespace fastcnn
