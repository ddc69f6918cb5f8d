// mse(x, y) -> loss: the mean of (x - y)^2 over all n elements, a scalar. mse_backward(dloss, x, y) -> dx, dy with
// dx = 2 dloss (x - y) / n = -dy. x and y have one shape; all are plain.
#include "kernels/kernels.h"
#include "ops/ops.h"
#include "ops/training/sum_of_runs.h"
#include "ops/views/rows.h"

namespace fastcnn {

namespace {

void check(const TensorType& x, const TensorType& y) {
  require(x.shape == y.shape, "mse", "input and target must have equal shapes", x.shape, " and ", y.shape);
  require(x.shape.elements() > 0, "mse", "the mean of nothing is not defined", x.shape);
}

std::vector<TensorType> infer(const NodeView& node) {
  check(node.input(0), node.input(1));
  return {{.shape = Shape()}};
}

Step bind(const BindScope& scope) {
  const Operand x = scope.inputs[0], y = scope.inputs[1], loss = scope.outputs[0];
  const Index count = x.type.shape.elements();
  Step step = bind_units(1, [=, squared_distance = scope.kernels.squared_distance](const RunContext& run, Index) {
    const double total = sum_of_runs(
        count, [&](double* sum, Index start, Index length) { squared_distance(sum, x.data(run) + start, y.data(run) + start, length); });
    *loss.data(run) = static_cast<float>(total / static_cast<double>(count));
  });
  step.flops = 3 * elements_of(x);
  return step;
}

void backward(GradientScope& scope) { scope.give_all("mse_backward", {scope.output_gradients[0], scope.inputs[0], scope.inputs[1]}); }

std::vector<TensorType> infer_backward(const NodeView& node) {
  require(node.input(0).shape.elements() == 1, "mse_backward", "dloss must be one number", node.input(0).shape);
  check(node.input(1), node.input(2));
  return {{.shape = node.input(1).shape}, {.shape = node.input(1).shape}};
}

Step bind_backward(const BindScope& scope) {
  const Operand dloss = scope.inputs[0];
  const OperandRows x(scope.inputs[1]), y(scope.inputs[2]), dx(scope.outputs[0]), dy(scope.outputs[1]);
  const Index count = scope.inputs[1].type.shape.elements();
  Step step = bind_units(dx.count(), [=, &kernels = scope.kernels](const RunContext& run, Index i) {
    const float factor = 2.0f * *dloss.data(run) / static_cast<float>(count);
    const Index length = dx.length(i);
    float *to = dx.data(run, i), *negative = dy.data(run, i);
    kernels.binary({BinaryKind::subtract, to, {x.data(run, i), Repeat::none}, {y.data(run, i), Repeat::none}, length});
    kernels.scale_shift(to, to, length, factor, 0.0f);
    kernels.scale_shift(negative, to, length, -1.0f, 0.0f);
  });
  step.flops = 3 * elements_of(scope.inputs[1]);
  return step;
}

}  // namespace

const Op k_mse = {.name = "mse", .inputs = "x y", .infer = infer, .layout = want_plain, .bind = bind, .backward = backward};
const Op k_mse_backward = {
    .name = "mse_backward", .inputs = "dloss x y", .infer = infer_backward, .layout = want_plain, .bind = bind_backward};

}  // namespace fastcnn
