// activation(x) -> y = f(x), element by element; all values have one shape, in any layout. kernels/activations.inc lists the functions f.
// activation_backward(dy, x) -> dx = dy f'(x). For a clamp and a leaky ReLU y can take the place of x, because f'(f(x)) = f'(x).
//
// Attributes of both: kind (the name of f), a, b (its parameters).
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
  check_gradient("activation_backward", dy, x, "input");
  return infer(node);
}

Step bind(const BindScope& scope) {
  const OperandRows x(scope.inputs[0]), y(scope.outputs[0]);
  const Activation activation = activation_of(scope.attributes);
  Step step = bind_units(y.count(), [=, activate = scope.kernels.activate](const RunContext& run, Index i) {
    activate(y.data(run, i), x.data(run, i), y.length(i), activation);
  });
  step.flops = elements_of(scope.outputs[0]);
  return step;
}

// Whether f'(y) = f'(x). Then x need not be kept for the backward pass.
bool slope_is_in_output(const Activation& activation) {
  const ActivationKind kind = activation.kind;
  return kind == ActivationKind::relu || kind == ActivationKind::clipped || (kind == ActivationKind::leaky_relu && activation.a >= 0);
}

void backward(GradientScope& scope) {
  const ValueId x = slope_is_in_output(activation_of(scope.attributes)) ? scope.outputs[0] : scope.inputs[0];
  scope.give(0, "activation_backward", {scope.output_gradients[0], x}, scope.attributes);
}

Step bind_backward(const BindScope& scope) {
  const OperandRows dy(scope.inputs[0]), x(scope.inputs[1]), dx(scope.outputs[0]);
  const Activation activation = activation_of(scope.attributes);
  Step step = bind_units(dx.count(), [=, kernel = scope.kernels.activate_backward](const RunContext& run, Index i) {
    kernel(dx.data(run, i), dy.data(run, i), x.data(run, i), dx.length(i), activation);
  });
  step.flops = 2 * elements_of(scope.outputs[0]);
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
