// softmax: y = e^(x - max) / sum of e^(x - max) along an axis, and log_softmax, its logarithm. The gradients need only y:
//   softmax      dx = y (dy - sum of dy y)          log_softmax      dx = dy - e^y sum of dy
#include "kernels/kernels.h"
#include "ops/ops.h"
#include "ops/views/lines.h"

namespace fastcnn {

namespace {

template <bool Log>
constexpr const char* kName = Log ? "log_softmax" : "softmax";

template <bool Log>
std::vector<TensorType> infer(const NodeView& node) {
  axis_of(node.attributes, node.input(0).shape, kName<Log>);
  return {{.shape = node.input(0).shape}};
}

template <bool Log>
Step bind(const BindScope& scope) {
  const Operand x = scope.inputs[0], y = scope.outputs[0];
  const Lines lines(x.type.shape, axis_of(scope.attributes, x.type.shape, kName<Log>));
  Step step;
  step.units = lines.size ? lines.count() : 0;
  step.flops = 10.0 * static_cast<double>(x.type.shape.elements());
  step.scratch_bytes = lines.size * 4;
  step.run = [=, softmax_row = scope.kernels.softmax_row](const RunContext& run, Index begin, Index end) {
    for (Index line = begin; line < end; ++line) {
      float* scratch = reinterpret_cast<float*>(run.scratch);
      const float* from = lines.gather(x.data(run), line, scratch);
      float* to = lines.inner == 1 ? y.data(run) + lines.first(line) : scratch;
      softmax_row(to, from, lines.size, Log);
      lines.scatter(to, y.data(run), line);
    }
  };
  return step;
}

template <bool Log>
void backward(GradientScope& scope) {
  if (scope.wanted[0])
    scope.input_gradients[0] = scope.graph.add_one(Log ? "log_softmax_backward" : "softmax_backward",
                                                   {scope.output_gradients[0], scope.outputs[0]}, scope.attributes);
}

template <bool Log>
std::vector<TensorType> infer_backward(const NodeView& node) {
  const Shape &dy = node.input(0).shape, &y = node.input(1).shape;
  require(dy == y, kName<Log>, "the gradient must have the shape of the output", "gradient ", dy, ", output ", y);
  return infer<Log>(node);
}

template <bool Log>
Step bind_backward(const BindScope& scope) {
  const Operand dy = scope.inputs[0], y = scope.inputs[1], dx = scope.outputs[0];
  const Lines lines(y.type.shape, axis_of(scope.attributes, y.type.shape, kName<Log>));
  Step step;
  step.units = lines.size ? lines.count() : 0;
  step.flops = 4.0 * static_cast<double>(y.type.shape.elements());
  step.scratch_bytes = 2 * lines.size * 4;
  step.run = [=, kernel = scope.kernels.softmax_backward_row](const RunContext& run, Index begin, Index end) {
    for (Index line = begin; line < end; ++line) {
      float* scratch = reinterpret_cast<float*>(run.scratch);
      const float* from_dy = lines.gather(dy.data(run), line, scratch);
      const float* from_y = lines.gather(y.data(run), line, scratch + lines.size);
      float* to = lines.inner == 1 ? dx.data(run) + lines.first(line) : scratch;
      kernel(to, from_dy, from_y, lines.size, Log);
      lines.scatter(to, dx.data(run), line);
    }
  };
  return step;
}

}  // namespace

const Op k_softmax = {.name = "softmax",
                      .inputs = "x",
                      .infer = infer<false>,
                      .layout = want_plain,
                      .bind = bind<false>,
                      .backward = backward<false>,
                      .in_place = {0}};
const Op k_softmax_backward = {.name = "softmax_backward",
                               .inputs = "dy y",
                               .infer = infer_backward<false>,
                               .layout = want_plain,
                               .bind = bind_backward<false>,
                               .in_place = {0}};
const Op k_log_softmax = {.name = "log_softmax",
                          .inputs = "x",
                          .infer = infer<true>,
                          .layout = want_plain,
                          .bind = bind<true>,
                          .backward = backward<true>,
                          .in_place = {0}};
const Op k_log_softmax_backward = {.name = "log_softmax_backward",
                                   .inputs = "dy y",
                                   .infer = infer_backward<true>,
                                   .layout = want_plain,
                                   .bind = bind_backward<true>,
                                   .in_place = {0}};

}  // namespace fastcnn
