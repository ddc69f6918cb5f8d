// softmax(x) -> y = e^(x - max) / sum of e^(x - max) along an axis. log_softmax(x) -> y: its logarithm. Attribute: axis.
// softmax_backward(dy, y) -> dx = y (dy - sum of dy y). log_softmax_backward(dy, y) -> dx = dy - e^y sum of dy.
// All values of an op have one shape and are plain.
#include "kernels/kernels.h"
#include "ops/ops.h"
#include "ops/views/lines.h"

namespace fastcnn {

namespace {

template <bool Log>
constexpr const char* kName = Log ? "log_softmax" : "softmax";
template <bool Log>
constexpr const char* kBackwardName = Log ? "log_softmax_backward" : "softmax_backward";

template <bool Log>
std::vector<TensorType> infer(const NodeView& node) {
  axis_of(node.attributes, node.input(0).shape, kName<Log>);
  return {{.shape = node.input(0).shape}};
}

template <bool Log>
Step bind(const BindScope& scope) {
  const Operand x = scope.inputs[0], y = scope.outputs[0];
  const Lines lines(x.type.shape, axis_of(scope.attributes, x.type.shape, kName<Log>));
  Step step = bind_lines<1>(lines, {x}, y, [softmax_row = scope.kernels.softmax_row](float* to, const auto& from, Index size) {
    softmax_row(to, from[0], size, Log);
  });
  step.flops = 10 * elements_of(x);
  return step;
}

template <bool Log>
void backward(GradientScope& scope) {
  scope.give(0, kBackwardName<Log>, {scope.output_gradients[0], scope.outputs[0]}, scope.attributes);
}

template <bool Log>
std::vector<TensorType> infer_backward(const NodeView& node) {
  check_gradient(kName<Log>, node.input(0).shape, node.input(1).shape, "output");
  return infer<Log>(node);
}

template <bool Log>
Step bind_backward(const BindScope& scope) {
  const Operand dy = scope.inputs[0], y = scope.inputs[1], dx = scope.outputs[0];
  const Lines lines(y.type.shape, axis_of(scope.attributes, y.type.shape, kName<Log>));
  Step step = bind_lines<2>(lines, {dy, y}, dx, [kernel = scope.kernels.softmax_backward_row](float* to, const auto& from, Index size) {
    kernel(to, from[0], from[1], size, Log);
  });
  step.flops = 4 * elements_of(y);
  return step;
}

template <bool Log>
Op forward_op() {
  return {.name = kName<Log>,
          .inputs = "x",
          .infer = infer<Log>,
          .layout = want_plain,
          .bind = bind<Log>,
          .backward = backward<Log>,
          .in_place = {0}};
}

template <bool Log>
Op backward_op() {
  return {.name = kBackwardName<Log>,
          .inputs = "dy y",
          .infer = infer_backward<Log>,
          .layout = want_plain,
          .bind = bind_backward<Log>,
          .in_place = {0}};
}

}  // namespace

const Op k_softmax = forward_op<false>();
const Op k_softmax_backward = backward_op<false>();
const Op k_log_softmax = forward_op<true>();
const Op k_log_softmax_backward = backward_op<true>();

}  // namespace fastcnn
