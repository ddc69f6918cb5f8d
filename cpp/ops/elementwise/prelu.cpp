// prelu(x, weight) -> y = x >= 0 ? x : weight x. x, y: (N, C, ...), plain. weight: (C,), one a channel (axis 1), or (1,), one for all.
// prelu_backward(dy, x, weight) -> (dx, dweight).
#include <algorithm>

#include "kernels/kernels.h"
#include "ops/ops.h"

namespace fastcnn {

namespace {

// x as N * C runs of `length` elements, whatever its rank.
struct Runs {
  Index N, C, length;
};

Runs runs_of(const Shape& shape) {
  const Index N = shape.rank() > 0 ? shape[0] : 1, C = shape.rank() > 1 ? shape[1] : 1;
  Index length = 1;
  for (int axis = 2; axis < shape.rank(); ++axis) length *= shape[axis];
  return {N, C, length};
}

void check_weight(const Shape& x, const Shape& weight) {
  require(weight.rank() == 1 && (weight[0] == 1 || weight[0] == runs_of(x).C), "prelu",
          "weight must have one entry, or one for each channel", "weight ", weight, ", input ", x);
}

std::vector<TensorType> infer(const NodeView& node) {
  check_weight(node.input(0).shape, node.input(1).shape);
  return {{.shape = node.input(0).shape}};
}

Activation leaky(float slope) { return {ActivationKind::leaky_relu, slope, 0}; }

Step bind(const BindScope& scope) {
  const Operand x = scope.inputs[0], weight = scope.inputs[1], y = scope.outputs[0];
  const Runs runs = runs_of(x.type.shape);
  const bool shared = weight.type.shape[0] == 1;
  Step step = bind_units(runs.N * runs.C, [=, activate = scope.kernels.activate](const RunContext& run, Index i) {
    const float slope = weight.data(run)[shared ? 0 : i % runs.C];
    activate(y.data(run) + i * runs.length, x.data(run) + i * runs.length, runs.length, leaky(slope));
  });
  step.flops = elements_of(x);
  return step;
}

void backward(GradientScope& scope) { scope.give_all("prelu_backward", {scope.output_gradients[0], scope.inputs[0], scope.inputs[1]}); }

std::vector<TensorType> infer_backward(const NodeView& node) {
  const Shape &dy = node.input(0).shape, &x = node.input(1).shape;
  check_gradient("prelu_backward", dy, x, "input");
  check_weight(x, node.input(2).shape);
  return {{.shape = node.input(1).shape}, {.shape = node.input(2).shape}};
}

// dweight is a sum over all images. With a weight for each channel a unit is a channel, else there is one unit.
Step bind_backward(const BindScope& scope) {
  const Operand dy = scope.inputs[0], x = scope.inputs[1], weight = scope.inputs[2], dx = scope.outputs[0], dweight = scope.outputs[1];
  const Runs runs = runs_of(x.type.shape);
  const bool shared = weight.type.shape[0] == 1;
  Step step = bind_units(shared ? 1 : runs.C, [=, &kernels = scope.kernels](const RunContext& run, Index unit) {
    double sum = 0;
    const Index first = shared ? 0 : unit, last = shared ? runs.C : unit + 1;
    for (Index n = 0; n < runs.N; ++n) {
      for (Index c = first; c < last; ++c) {
        const Index at = (n * runs.C + c) * runs.length;
        float part = 0;
        kernels.prelu_slope(&part, dy.data(run) + at, x.data(run) + at, runs.length);
        sum += part;
        kernels.activate_backward(dx.data(run) + at, dy.data(run) + at, x.data(run) + at, runs.length, leaky(weight.data(run)[unit]));
      }
    }
    dweight.data(run)[unit] = static_cast<float>(sum);
  });
  step.flops = 4 * elements_of(x);
  return step;
}

}  // namespace

const Op k_prelu = {
    .name = "prelu", .inputs = "x weight", .infer = infer, .layout = want_plain, .bind = bind, .backward = backward, .in_place = {0}};
const Op k_prelu_backward = {
    .name = "prelu_backward", .inputs = "dy x weight", .infer = infer_backward, .layout = want_plain, .bind = bind_backward};

}  // namespace fastcnn
