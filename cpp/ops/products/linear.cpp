// linear(x, weight, bias?) -> y(N, O) = act(x(N, I) weight(O, I)^T + bias(O)), and its gradients:
// linear_backward_data(dy, weight) -> dx, linear_backward_weight(dy, x) -> dweight, column_sum(dy) -> dbias.
//
// All values are plain. Weights are read as they are stored, never packed. Attributes: the activation.
#include "kernels/kernels.h"
#include "ops/activation_kind.h"
#include "ops/ops.h"
#include "ops/products/product_steps.h"

namespace fastcnn {

namespace {

std::vector<TensorType> infer(const NodeView& node) {
  const Shape &x = node.input(0).shape, &weight = node.input(1).shape;
  require(x.rank() == 2, "linear", "input must be (N, in_features)", x);
  require(weight.rank() == 2 && weight.elements() > 0, "linear", "weight must be (out_features, in_features)", weight);
  require(x[1] == weight[1], "linear", "input must have in_features columns", "input ", x, ", in_features=", weight[1]);
  if (node.has_input(2)) require(node.input(2).shape == Shape{weight[0]}, "linear", "bias must be (out_features,)", node.input(2).shape);
  fused_activation(node.attributes);
  return {{.shape = {x[0], weight[0]}}};
}

Step bind(const BindScope& scope) {
  const Operand x = scope.inputs[0], weight = scope.inputs[1], bias = scope.inputs[2];
  const Products products{.M = x.type.shape[0], .N = weight.type.shape[0], .K = x.type.shape[1]};
  return bind_dot_products(scope.kernels, products, x, weight, bias, scope.outputs[0], fused_activation(scope.attributes));
}

void backward(GradientScope& scope) {
  if (fused_activation(scope.attributes).kind != ActivationKind::identity)
    throw Error(ErrorKind::unsupported, "linear", "a linear layer with a fused activation has no gradient");
  const ValueId x = scope.inputs[0], weight = scope.inputs[1], dy = scope.output_gradients[0];
  scope.give(0, "linear_backward_data", {dy, weight});
  scope.give(1, "linear_backward_weight", {dy, x});
  scope.give(2, "column_sum", {dy});
}

// dx(N, I) = dy(N, O) weight(O, I)
std::vector<TensorType> infer_data(const NodeView& node) {
  const Shape &dy = node.input(0).shape, &weight = node.input(1).shape;
  require(dy.rank() == 2 && weight.rank() == 2 && dy[1] == weight[0], "linear_backward_data", "dy must be (N, O) and weight (O, I)", dy,
          " and ", weight);
  return {{.shape = {dy[0], weight[1]}}};
}

Step bind_data(const BindScope& scope) {
  const Operand dy = scope.inputs[0], weight = scope.inputs[1];
  const Products products{.M = dy.type.shape[0], .N = weight.type.shape[1], .K = dy.type.shape[1]};
  return bind_products(scope.kernels, products, dy, weight, scope.outputs[0], products.K, 1);
}

// dweight(O, I) = dy(N, O)^T x(N, I)
std::vector<TensorType> infer_weight(const NodeView& node) {
  const Shape &dy = node.input(0).shape, &x = node.input(1).shape;
  require(dy.rank() == 2 && x.rank() == 2 && dy[0] == x[0], "linear_backward_weight", "dy must be (N, O) and x (N, I)", dy, " and ", x);
  return {{.shape = {dy[1], x[1]}}};
}

Step bind_weight(const BindScope& scope) {
  const Operand dy = scope.inputs[0], x = scope.inputs[1];
  const Products products{.M = dy.type.shape[1], .N = x.type.shape[1], .K = dy.type.shape[0]};
  return bind_products(scope.kernels, products, dy, x, scope.outputs[0], 1, products.M);
}

// dbias(O) = sum over n of dy(n, O)
std::vector<TensorType> infer_sum(const NodeView& node) {
  require(node.input(0).shape.rank() == 2, "column_sum", "input must be (N, O)", node.input(0).shape);
  return {{.shape = {node.input(0).shape[1]}}};
}

Step bind_sum(const BindScope& scope) {
  const Operand dy = scope.inputs[0], sums = scope.outputs[0];
  const Index N = dy.type.shape[0], O = dy.type.shape[1];
  Step step = bind_units(1, [=, multiply_rows = scope.kernels.multiply_rows](const RunContext& run, Index) {
    const float one = 1.0f;  // the sum is the product with a row of ones
    multiply_rows({.a = &one,
                   .b = dy.data(run),
                   .c = sums.data(run),
                   .m = 1,
                   .n = O,
                   .k = N,
                   .a_row = 0,
                   .a_column = 0,
                   .b_stride = O,
                   .c_stride = O});
  });
  step.flops = elements_of(dy);
  return step;
}

}  // namespace

const Op k_linear = {
    .name = "linear", .inputs = "x weight bias?", .infer = infer, .layout = want_plain, .bind = bind, .backward = backward};
const Op k_linear_backward_data = {
    .name = "linear_backward_data", .inputs = "dy weight", .infer = infer_data, .layout = want_plain, .bind = bind_data};
const Op k_linear_backward_weight = {
    .name = "linear_backward_weight", .inputs = "dy x", .infer = infer_weight, .layout = want_plain, .bind = bind_weight};
const Op k_column_sum = {.name = "column_sum", .inputs = "dy", .infer = infer_sum, .layout = want_plain, .bind = bind_sum};

}  // namespace fastcnn
