// The end of a training step, as part of its graph:
//   update_weights(weight, gradient, scale?)   weight <- what the run's WeightUpdater makes of it and scale * gradient, in place
//   clip_scale(gradient ...) -> scale: (1,)    min(1, clip_norm / (|gradients| + 1e-6)): torch.nn.utils.clip_grad_norm_
// Attributes: "parameter", the weight's place among those that the updater knows; "clip_norm". What the update is says the optimizer.
#include <algorithm>
#include <cmath>

#include "kernels/kernels.h"
#include "ops/ops.h"

namespace fastcnn {

namespace {

std::vector<TensorType> infer_update(const NodeView& node) {
  const Shape &weight = node.input(0).shape, &gradient = node.input(1).shape;
  require(weight == gradient, "update_weights", "the gradient must have the shape of the weight", "weight ", weight, ", gradient ",
          gradient);
  require(!node.has_input(2) || node.input(2).shape == Shape{1}, "update_weights", "scale must be one number",
          node.has_input(2) ? node.input(2).shape : Shape{});
  require(node.attributes.integer("parameter") >= 0, "update_weights", "parameter must not be negative",
          node.attributes.integer("parameter"));
  return {};
}

// A unit is a chunk of the weights.
Step bind_update(const BindScope& scope) {
  const Operand weight = scope.inputs[0], gradient = scope.inputs[1], scale = scope.inputs[2];
  const auto parameter = static_cast<std::size_t>(scope.attributes.integer("parameter"));
  const Index elements = weight.type.shape.elements();
  Step step;
  step.units = ceil_div(elements, WeightUpdater::kChunk);
  step.flops = 4.0 * static_cast<double>(elements);
  step.run = [=](const RunContext& run, Index begin, Index end) {
    const Index start = begin * WeightUpdater::kChunk, count = std::min(elements, end * WeightUpdater::kChunk) - start;
    run.updater->update(parameter, start, count, weight.data(run) + start, gradient.data(run) + start,
                        scale.given ? scale.data(run)[0] : 1.0f);
  };
  return step;
}

std::vector<TensorType> infer_scale(const NodeView& node) {
  require(!node.inputs.empty(), "clip_scale", "there must be a gradient", node.inputs.size());
  require(node.attributes.number("clip_norm") > 0, "clip_scale", "clip_norm must be positive", node.attributes.number("clip_norm"));
  return {{.shape = {1}}};
}

// Floats are summed in runs that are short enough for them, and these in double: always in the same order.
double squared_norm(const Kernels& kernels, const float* values, Index count) {
  constexpr Index kRun = 4096;
  double total = 0;
  for (Index start = 0; start < count; start += kRun) {
    double part = 0;
    kernels.squared_norm(&part, values + start, std::min(kRun, count - start));
    total += part;
  }
  return total;
}

Step bind_scale(const BindScope& scope) {
  const double clip_norm = scope.attributes.number("clip_norm");
  Step step;
  for (const Operand& gradient : scope.inputs) step.flops += 2.0 * static_cast<double>(gradient.type.shape.elements());
  step.run = [gradients = scope.inputs, scale = scope.outputs[0], clip_norm, &kernels = scope.kernels](const RunContext& run, Index begin,
                                                                                                       Index end) {
    if (begin == end) return;
    double squares = 0;
    for (const Operand& gradient : gradients) squares += squared_norm(kernels, gradient.data(run), gradient.type.shape.elements());
    scale.data(run)[0] = static_cast<float>(std::min(1.0, clip_norm / (std::sqrt(squares) + 1e-6)));
  };
  return step;
}

}  // namespace

const Op k_update_weights = {.name = "update_weights",
                             .inputs = "weight gradient scale?",
                             .infer = infer_update,
                             .layout = want_plain,
                             .bind = bind_update,
                             .update = true};
const Op k_clip_scale = {.name = "clip_scale", .inputs = "gradient...", .infer = infer_scale, .layout = want_plain, .bind = bind_scale};

}  // namespace fastcnn
