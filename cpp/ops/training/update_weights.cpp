// The end of a training step, as part of its graph:
//   update_weights(weight, gradient, scale?)   weight, in place: the WeightUpdater of the run updates it with scale * gradient
//   clip_scale(gradient ...) -> scale: (1,)    min(1, clip_norm / (|gradients| + 1e-6)), as torch.nn.utils.clip_grad_norm_
// weight, gradient: of one shape, plain. Attributes: "parameter", the index of the weight among those of the updater; "clip_norm".
#include <algorithm>
#include <cmath>

#include "kernels/kernels.h"
#include "ops/ops.h"
#include "ops/training/sum_of_runs.h"

namespace fastcnn {

namespace {

std::vector<TensorType> infer_update(const NodeView& node) {
  const Shape &weight = node.input(0).shape, &gradient = node.input(1).shape;
  require(weight == gradient, "update_weights", "the gradient must have the shape of the weight", "weight ", weight, ", gradient ",
          gradient);
  if (node.has_input(2)) require(node.input(2).shape == Shape{1}, "update_weights", "scale must be one number", node.input(2).shape);
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
  step.flops = 4 * elements_of(weight);
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

Step bind_scale(const BindScope& scope) {
  const double clip_norm = scope.attributes.number("clip_norm");
  const Operand scale = scope.outputs[0];
  Step step = bind_units(1, [=, gradients = scope.inputs, squared_norm = scope.kernels.squared_norm](const RunContext& run, Index) {
    double squares = 0;
    for (const Operand& gradient : gradients)
      squares += sum_of_runs(gradient.type.shape.elements(),
                             [&](double* sum, Index start, Index count) { squared_norm(sum, gradient.data(run) + start, count); });
    scale.data(run)[0] = static_cast<float>(std::min(1.0, clip_norm / (std::sqrt(squares) + 1e-6)));
  });
  for (const Operand& gradient : scope.inputs) step.flops += 2 * elements_of(gradient);
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
