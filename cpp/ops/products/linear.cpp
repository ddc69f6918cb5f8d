// linear: y(N, O) = act(x(N, I) weight(O, I)^T + bias(O)), and its gradients. Weights are read as they are stored, never packed.
//
// linear(x, weight, bias?) -> y; linear_backward_data(dy, weight) -> dx; linear_backward_weight(dy, x) -> dweight; column_sum(dy) -> dbias.
#include "kernels/kernels.h"
#include "ops/activation_kind.h"
#include "ops/ops.h"
#include "ops/products/product_grid.h"

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
  const Operand x = scope.inputs[0], weight = scope.inputs[1], bias = scope.inputs.size() > 2 ? scope.inputs[2] : Operand{};
  const Operand y = scope.outputs[0];
  const Index N = x.type.shape[0], I = x.type.shape[1], O = weight.type.shape[0];
  const ProductGrid grid = grid_of_dot_products(N, O, I);
  LinearRows common{};
  common.inputs = I, common.x_stride = I, common.weights_stride = I, common.y_stride = O;
  common.activation = fused_activation(scope.attributes);
  Step step;
  step.units = grid.units();
  step.flops = 2.0 * static_cast<double>(N * I * O);
  step.algorithm = "dot_products";
  step.run = [=, linear_rows = scope.kernels.linear_rows](const RunContext& run, Index begin, Index end) {
    for (Index unit = begin; unit < end; ++unit) {
      const Index row = grid.first_row(unit), output = grid.first_column(unit);
      LinearRows args = common;
      args.x = x.data(run) + row * I;
      args.weights = weight.data(run) + output * I;
      args.bias = bias.given ? bias.data(run) + output : nullptr;
      args.y = y.data(run) + row * O + output;
      args.rows = grid.rows_of(unit), args.outputs = grid.columns_of(unit);
      linear_rows(args);
    }
  };
  return step;
}

void backward(GradientScope& scope) {
  if (fused_activation(scope.attributes).kind != ActivationKind::identity)
    throw Error(ErrorKind::unsupported, "linear", "a linear layer with a fused activation has no gradient");
  const ValueId x = scope.inputs[0], weight = scope.inputs[1], dy = scope.output_gradients[0];
  if (scope.wanted[0]) scope.input_gradients[0] = scope.graph.add_one("linear_backward_data", {dy, weight});
  if (scope.wanted[1]) scope.input_gradients[1] = scope.graph.add_one("linear_backward_weight", {dy, x});
  if (scope.inputs.size() > 2 && scope.wanted[2]) scope.input_gradients[2] = scope.graph.add_one("column_sum", {dy});
}

// c(m, n) = sum over k of a(m, k) b(k, n), where a is read with any strides.
Step bind_product(const BindScope& scope, const Operand& a, const Operand& b, const Operand& c, MultiplyRows common) {
  const ProductGrid grid = grid_of_products(common.m, common.n);
  Step step;
  step.units = grid.units();
  step.flops = 2.0 * static_cast<double>(common.m * common.n * common.k);
  step.algorithm = "products";
  step.run = [=, multiply_rows = scope.kernels.multiply_rows](const RunContext& run, Index begin, Index end) {
    for (Index unit = begin; unit < end; ++unit) {
      const Index row = grid.first_row(unit), column = grid.first_column(unit);
      MultiplyRows args = common;
      args.a = a.data(run) + row * common.a_row;
      args.b = b.data(run) + column;
      args.c = c.data(run) + row * common.c_stride + column;
      args.m = grid.rows_of(unit), args.n = grid.columns_of(unit);
      multiply_rows(args);
    }
  };
  return step;
}

// dx(N, I) = dy(N, O) weight(O, I)
std::vector<TensorType> infer_data(const NodeView& node) {
  const Shape &dy = node.input(0).shape, &weight = node.input(1).shape;
  require(dy.rank() == 2 && weight.rank() == 2 && dy[1] == weight[0], "linear_backward_data", "dy must be (N, O) and weight (O, I)", dy,
          " and ", weight);
  return {{.shape = {node.input(0).shape[0], node.input(1).shape[1]}}};
}

Step bind_data(const BindScope& scope) {
  const Index N = scope.inputs[0].type.shape[0], O = scope.inputs[0].type.shape[1], I = scope.inputs[1].type.shape[1];
  MultiplyRows common{};
  common.m = N, common.n = I, common.k = O;
  common.a_row = O, common.a_column = 1, common.b_stride = I, common.c_stride = I;
  return bind_product(scope, scope.inputs[0], scope.inputs[1], scope.outputs[0], common);
}

// dweight(O, I) = dy(N, O)^T x(N, I)
std::vector<TensorType> infer_weight(const NodeView& node) {
  const Shape &dy = node.input(0).shape, &x = node.input(1).shape;
  require(dy.rank() == 2 && x.rank() == 2 && dy[0] == x[0], "linear_backward_weight", "dy must be (N, O) and x (N, I)", dy, " and ", x);
  return {{.shape = {node.input(0).shape[1], node.input(1).shape[1]}}};
}

Step bind_weight(const BindScope& scope) {
  const Index N = scope.inputs[0].type.shape[0], O = scope.inputs[0].type.shape[1], I = scope.inputs[1].type.shape[1];
  MultiplyRows common{};
  common.m = O, common.n = I, common.k = N;
  common.a_row = 1, common.a_column = O, common.b_stride = I, common.c_stride = I;
  return bind_product(scope, scope.inputs[0], scope.inputs[1], scope.outputs[0], common);
}

// dbias(O) = sum over n of dy(n, O)
std::vector<TensorType> infer_sum(const NodeView& node) {
  require(node.input(0).shape.rank() == 2, "column_sum", "input must be (N, O)", node.input(0).shape);
  return {{.shape = {node.input(0).shape[1]}}};
}

Step bind_sum(const BindScope& scope) {
  const Operand dy = scope.inputs[0], sums = scope.outputs[0];
  const Index N = dy.type.shape[0], O = dy.type.shape[1];
  Step step;
  step.flops = static_cast<double>(N * O);
  step.run = [=, multiply_rows = scope.kernels.multiply_rows](const RunContext& run, Index begin, Index end) {
    const float one = 1.0f;  // a matrix of ones: the product with it is the sum
    MultiplyRows args{
        .a = &one, .b = dy.data(run), .c = sums.data(run), .m = 1, .n = O, .k = N, .a_row = 0, .a_column = 0, .b_stride = O, .c_stride = O};
    if (begin < end) multiply_rows(args);
  };
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
