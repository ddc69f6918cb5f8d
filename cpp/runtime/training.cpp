#include "runtime/training.h"

#include <algorithm>
#include <cmath>

#include "graph/passes/passes.h"

namespace fastcnn {

namespace {

class UpdateByOptimizer final : public WeightUpdater {
 public:
  UpdateByOptimizer(const Optimizer& optimizer, const Kernels& kernels) : optimizer_(optimizer), kernels_(kernels) {}
  void update(std::size_t parameter, Index start, Index count, float* weights, const float* gradient, float scale) const override {
    optimizer_.update(kernels_, parameter, start, count, weights, gradient, scale);
  }

 private:
  const Optimizer& optimizer_;
  const Kernels& kernels_;
};

}  // namespace

TrainingProgram::TrainingProgram(Graph graph, ValueId loss, std::vector<std::shared_ptr<Parameter>> parameters, const Options& options,
                                 const Kernels& kernels, std::shared_ptr<ArenaPool> arenas)
    : parameters_(std::move(parameters)), user_outputs_(graph.outputs.size()) {
  require(graph.type(loss).shape.elements() == 1, "fit", "the loss must be one number", graph.type(loss).shape);
  for (std::size_t i = 0; i < parameters_.size(); ++i)
    require(std::find(parameters_.begin(), parameters_.begin() + static_cast<std::ptrdiff_t>(i), parameters_[i]) ==
                parameters_.begin() + static_cast<std::ptrdiff_t>(i),
            "fit", "a parameter must not be listed twice", i);
  for (const Node& node : graph.nodes)
    require(node.op->name != std::string_view("update_weights"), "fit", "the updates of weights are appended here", node.name);
  graph.outputs.insert(graph.outputs.begin(), loss);
  separate_outputs(graph);  // before the backward pass, so that the loss is known early
  pool_first(graph);
  std::vector<ValueId> weights;
  for (const auto& parameter : parameters_) weights.push_back(graph.parameter(parameter, ""));
  append_updates(graph, weights, graph.gradient({loss}, {kNoValue}, weights), options.clip_norm);
  CompileOptions compile;
  compile.budget = options.budget;
  program_ = std::make_unique<Program>(std::move(graph), kernels, Purpose::training, std::move(arenas), compile);
}

// A parameter that the loss does not depend on has no gradient and no update: neither weight decay nor momentum changes it.
void TrainingProgram::append_updates(Graph& graph, const std::vector<ValueId>& weights, const std::vector<ValueId>& gradients,
                                     double clip_norm) const {
  const std::size_t before = graph.nodes.size();
  std::vector<std::string> layer(graph.values.size());  // by value: the layer that makes it
  for (const Node& node : graph.nodes)
    for (ValueId id : node.outputs) layer[static_cast<std::size_t>(id)] = node.name;
  std::vector<ValueId> given;
  for (ValueId gradient : gradients)
    if (gradient != kNoValue) given.push_back(gradient);
  const bool clips = clip_norm > 0 && !given.empty();
  const ValueId scale = clips ? graph.add_one("clip_scale", given, {{"clip_norm", clip_norm}}) : kNoValue;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    if (gradients[i] == kNoValue) continue;
    graph.add("update_weights", {weights[i], gradients[i], scale}, {{"parameter", static_cast<Index>(i)}},
              layer[static_cast<std::size_t>(gradients[i])]);
  }
  for (std::size_t i = before; i < graph.nodes.size(); ++i) graph.nodes[i].backward = true;
}

float TrainingProgram::step(const void* const* inputs, void* const* outputs, const Update& update, RunOptions options) {
  const std::lock_guard lock(mutex_);
  require(update.parameters == parameters_, "fit", "the optimizer must be made for the program's parameters", update.parameters.size(),
          " in the optimizer, ", parameters_.size(), " in the program");
  update.optimizer.prepare(update.groups);
  const UpdateByOptimizer updater(update.optimizer, program_->plan().kernels());
  options.updater = &updater;
  float loss = 0;
  std::vector<void*> all_outputs{&loss};
  all_outputs.insert(all_outputs.end(), outputs, outputs + user_outputs_);

  Executor::Session session = program_->start(inputs, all_outputs.data(), options);
  session.run();
  if (!std::isfinite(loss)) {
    const Hyper& hyper = update.groups.front();
    const auto lr = hyper.find("lr");
    throw Error(ErrorKind::arithmetic, "fit", "the loss must be finite",
                join("loss=", loss, " at step ", options.iteration, ", learning rate ", lr == hyper.end() ? 0.0 : lr->second));
  }
  session.update();
  ++update.optimizer.steps;
  return loss;
}

}  // namespace fastcnn
