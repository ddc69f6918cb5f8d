// mse: the mean of (x - y)^2 over all elements, a scalar. mse_backward(dloss, x, y) -> (dx, dy), dx = 2 dloss (x - y) / n = -dy.
#include <algorithm>

#include "kernels/kernels.h"
#include "ops/ops.h"

namespace fastcnn {

namespace {

constexpr Index kRun = 4096;  // elements that are summed in float; the runs are added up in double

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
  Step step;
  step.flops = 3.0 * static_cast<double>(count);
  step.run = [=, squared_distance = scope.kernels.squared_distance](const RunContext& run, Index begin, Index end) {
    if (begin == end) return;
    double total = 0;
    for (Index start = 0; start < count; start += kRun) {
      double part = 0;
      squared_distance(&part, x.data(run) + start, y.data(run) + start, std::min(kRun, count - start));
      total += part;
    }
    *loss.data(run) = static_cast<float>(total / static_cast<double>(count));
  };
  return step;
}

void backward(GradientScope& scope) {
  const std::vector<ValueId> gradients = scope.graph.add("mse_backward", {scope.output_gradients[0], scope.inputs[0], scope.inputs[1]}, {});
  for (std::size_t i = 0; i < 2; ++i)
    if (scope.wanted[i]) scope.input_gradients[i] = gradients[i];
}

std::vector<TensorType> infer_backward(const NodeView& node) {
  require(node.input(0).shape.elements() == 1, "mse_backward", "dloss must be one number", node.input(0).shape);
  check(node.input(1), node.input(2));
  return {{.shape = node.input(1).shape}, {.shape = node.input(1).shape}};
}

Step bind_backward(const BindScope& scope) {
  const Operand dloss = scope.inputs[0], x = scope.inputs[1], y = scope.inputs[2], dx = scope.outputs[0], dy = scope.outputs[1];
  const Index count = x.type.shape.elements();
  Step step;
  step.units = ceil_div(count, kRun);
  step.flops = 3.0 * static_cast<double>(count);
  step.run = [=, scale_shift = scope.kernels.scale_shift, binary = scope.kernels.binary](const RunContext& run, Index begin, Index end) {
    const float factor = 2.0f * *dloss.data(run) / static_cast<float>(count);
    for (Index start = begin * kRun; start < std::min(count, end * kRun); start += kRun) {
      const Index length = std::min(kRun, count - start);
      float *to = dx.data(run) + start, *negative = dy.data(run) + start;
      binary({BinaryKind::subtract, to, {x.data(run) + start, Repeat::none}, {y.data(run) + start, Repeat::none}, length});
      scale_shift(to, to, length, factor, 0.0f);
      scale_shift(negative, to, length, -1.0f, 0.0f);
    }
  };
  return step;
}

}  // namespace

const Op k_mse = {.name = "mse", .inputs = "x y", .infer = infer, .layout = want_plain, .bind = bind, .backward = backward};
const Op k_mse_backward = {
    .name = "mse_backward", .inputs = "dloss x y", .infer = infer_backward, .layout = want_plain, .bind = bind_backward};

}  // namespace fastcnn
