#include "runtime/training.h"

#include <algorithm>
#include <cmath>

#include "core/denormals.h"
#include "graph/passes/passes.h"

namespace fastcnn {

TrainingProgram::TrainingProgram(Graph graph, ValueId loss, std::vector<std::shared_ptr<Parameter>> parameters, const Kernels& kernels,
                                 std::shared_ptr<ArenaPool> arenas)
    : parameters_(std::move(parameters)), user_outputs_(graph.outputs.size()), arenas_(std::move(arenas)) {
  require(graph.type(loss).shape.elements() == 1, "fit", "the loss must be one number", graph.type(loss).shape);
  graph.outputs.insert(graph.outputs.begin(), loss);
  pool_first(graph);
  std::vector<ValueId> wrt;
  for (const auto& parameter : parameters_) {
    wrt.push_back(graph.parameter(parameter, ""));
    offsets_.push_back(gradient_elements_);
    gradient_elements_ += round_up(parameter->shape().elements(), 16);  // each starts on a cache line
  }
  const std::vector<ValueId> gradients = graph.gradient({loss}, {kNoValue}, wrt);
  for (ValueId gradient : gradients) {
    has_gradient_.push_back(gradient != kNoValue);
    if (gradient != kNoValue) graph.outputs.push_back(gradient);
  }
  program_ = std::make_unique<Program>(std::move(graph), kernels, Program::Purpose::training, arenas_);
}

float TrainingProgram::step(const void* const* inputs, void* const* outputs, const Update& update, const RunOptions& options) {
  const std::lock_guard lock(mutex_);
  require(update.parameters == parameters_, "fit", "the optimizer must be made for the program's parameters", update.parameters.size(),
          " in the optimizer, ", parameters_.size(), " in the program");
  update.optimizer.prepare(update.groups);
  const Borrowed gradients(*arenas_, static_cast<std::size_t>(gradient_bytes()));
  float loss = 0;
  std::vector<void*> all_outputs{&loss};
  all_outputs.insert(all_outputs.end(), outputs, outputs + user_outputs_);
  for (std::size_t i = 0; i < parameters_.size(); ++i)
    if (has_gradient_[i]) all_outputs.push_back(gradients.floats() + offsets_[i]);

  Program::Session session(*program_, inputs, all_outputs.data(), options);
  session.run();
  if (!std::isfinite(loss)) {
    const Hyper& hyper = update.groups.front();
    const auto lr = hyper.find("lr");
    throw Error(ErrorKind::arithmetic, "fit", "the loss must be finite",
                join("loss=", loss, " at step ", options.iteration, ", learning rate ", lr == hyper.end() ? 0.0 : lr->second));
  }
  apply(update, gradients.floats(), options);
  session.update();
  return loss;
}

void TrainingProgram::apply(const Update& update, const float* all, const RunOptions& options) {
  std::vector<float*> weights;
  std::vector<const float*> gradients;
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    weights.push_back(parameters_[i]->data());
    gradients.push_back(has_gradient_[i] ? all + offsets_[i] : nullptr);
  }
  Optimizer& optimizer = update.optimizer;
  const Kernels& kernels = program_->kernels();
  float scale = 1;
  if (update.clip_norm > 0) {  // torch.nn.utils.clip_grad_norm_
    double squares = 0;
    for (std::size_t i = 0; i < parameters_.size(); ++i)
      if (gradients[i]) squares += squared_gradient_norm(kernels, gradients[i], parameters_[i]->shape().elements());
    scale = static_cast<float>(std::min(1.0, update.clip_norm / (std::sqrt(squares) + 1e-6)));
  }
  run_parallel(options.threads > 0 ? options.threads : default_threads(), [&](const Worker& worker) {
    const FlushDenormals flush;
    const Index units = optimizer.units();
    optimizer.update(kernels, units * worker.index() / worker.size(), units * (worker.index() + 1) / worker.size(), weights.data(),
                     gradients.data(), scale);
  });
  ++optimizer.steps;
  for (std::size_t i = 0; i < parameters_.size(); ++i)
    if (has_gradient_[i]) parameters_[i]->written();
}

}  // namespace fastcnn
