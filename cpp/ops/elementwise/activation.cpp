// activation: y = f(x), element by element, in any layout; f by name (kernels/arguments.h). activation_backward(dy, x) -> dx = dy f'(x).
// Of a clamp and a leaky ReLU, f'(f(x)) = f'(x).
#include "kernels/kernels.h"
#include "ops/activation_kind.h"
#include "ops/ops.h"
#include "ops/views/rows.h"

namespace fastcnn {

namespace {

std::vector<TensorType> infer(const NodeView& node) {
  activation_of(node.attributes);
  return {{.shape = node.input(0).shape}};
}

std::vector<TensorType> infer_backward(const NodeView& node) {
  const Shape &dy = node.input(0).shape, &x = node.input(1).shape;
  require(dy == x, "activation_backward", "the gradient must have the shape of the input", "gradient ", dy, ", input ", x);
  return infer(node);
}

Step bind(const BindScope& scope) {
  const Operand x = scope.inputs[0], y = scope.outputs[0];
  const RowView xs(x.type), ys(y.type);
  Step step;
  step.units = ys.count();
  step.flops = static_cast<double>(y.type.shape.elements());
  step.run = [=, activation = activation_of(scope.attributes), activate = scope.kernels.activate](const RunContext& run, Index begin,
                                                                                                  Index end) {
    for (Index i = begin; i < end; ++i) activate(y.data(run) + ys.row(i), x.data(run) + xs.row(i), ys.length(i), activation);
  };
  return step;
}

// Whether the output has the slope of the input: then the input need not be kept.
bool told_by_output(const Activation& activation) {
  const ActivationKind kind = activation.kind;
  return kind == ActivationKind::relu || kind == ActivationKind::clipped || (kind == ActivationKind::leaky_relu && activation.a >= 0);
}

void backward(GradientScope& scope) {
  if (!scope.wanted[0]) return;
  const ValueId x = told_by_output(activation_of(scope.attributes)) ? scope.outputs[0] : scope.inputs[0];
  scope.input_gradients[0] = scope.graph.add_one("activation_backward", {scope.output_gradients[0], x}, scope.attributes);
}

Step bind_backward(const BindScope& scope) {
  const Operand dy = scope.inputs[0], x = scope.inputs[1], dx = scope.outputs[0];
  const RowView dys(dy.type), xs(x.type), dxs(dx.type);
  Step step;
  step.units = dxs.count();
  step.flops = 2.0 * static_cast<double>(dx.type.shape.elements());
  step.run = [=, activation = activation_of(scope.attributes), kernel = scope.kernels.activate_backward](const RunContext& run, Index begin,
                                                                                                         Index end) {
    for (Index i = begin; i < end; ++i)
      kernel(dx.data(run) + dxs.row(i), dy.data(run) + dys.row(i), x.data(run) + xs.row(i), dxs.length(i), activation);
  };
  return step;
}

}  // namespace

const Op k_activation = {.name = "activation",
                         .inputs = "x",
                         .infer = infer,
                         .layout = want_same,
                         .bind = bind,
                         .backward = backward,
                         .band = band_elementwise,
                         .in_place = {0}};
const Op k_activation_backward = {.name = "activation_backward",
                                  .inputs = "dy x",
                                  .infer = infer_backward,
                                  .layout = want_same,
                                  .bind = bind_backward,
                                  .in_place = {0, 1}};

}  // namespace fastcnn
