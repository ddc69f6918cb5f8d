// cross_entropy(logits, target) -> loss: the mean over all targets of -log softmax(logits)[target]. logits: (N, K, ...); target: (N, ...),
// int32; loss: a scalar. All are plain. A target outside 0 .. K - 1 makes the loss NaN; it is never used as an index.
// cross_entropy_backward(dloss, logits, target) -> dlogits.
//
// Attribute of both: label_smoothing s (Szegedy et al., 2016). The target has the probability 1 - s, and s / K is added for every class.
#include <cmath>
#include <limits>

#include "kernels/kernels.h"
#include "ops/ops.h"
#include "ops/views/lines.h"

namespace fastcnn {

namespace {

void check(const Attributes& attributes, const TensorType& logits, const TensorType& target) {
  const Shape& x = logits.shape;
  require(x.rank() >= 2 && x[1] >= 1, "cross_entropy", "logits must be (N, classes, ...)", x);
  std::vector<Index> sizes = x.sizes();
  sizes.erase(sizes.begin() + 1);
  require(target.dtype == DType::i32, "cross_entropy", "targets must be class numbers, int32", name_of(target.dtype));
  require(target.shape == Shape(sizes), "cross_entropy", "targets must have the shape of the logits without the classes", "targets ",
          target.shape, ", logits ", x);
  require(target.shape.elements() > 0, "cross_entropy", "the mean over an empty batch is not defined", x);
  const double smoothing = attributes.number("label_smoothing");
  require(smoothing >= 0 && smoothing <= 1, "cross_entropy", "label_smoothing must be between 0 and 1", smoothing);
}

// The probabilities of a smoothed target: everywhere for each class, and at_target more for the target.
struct Smoothed {
  float everywhere, at_target;
  Smoothed(const Attributes& attributes, Index classes) {
    const double s = attributes.number("label_smoothing");
    everywhere = static_cast<float>(s / static_cast<double>(classes));
    at_target = static_cast<float>(1 - s);
  }
};

std::vector<TensorType> infer(const NodeView& node) {
  check(node.attributes, node.input(0), node.input(1));
  return {{.shape = Shape()}};
}

// One unit, so that the sum has one order.
Step bind(const BindScope& scope) {
  const Operand logits = scope.inputs[0], target = scope.inputs[1], loss = scope.outputs[0];
  const Lines lines(logits.type.shape, 1);
  const Smoothed smoothed(scope.attributes, lines.size);
  Step step = bind_units(1, [=, softmax_row = scope.kernels.softmax_row](const RunContext& run, Index) {
    float *scratch = run.scratch_data(), *log_p = scratch + lines.size;
    double total = 0;
    for (Index line = 0; line < lines.count(); ++line) {
      softmax_row(log_p, lines.gather(logits.data(run), line, scratch), lines.size, true);
      const std::int32_t k = target.data<std::int32_t>(run)[line];
      if (k < 0 || k >= lines.size) {
        total = std::numeric_limits<double>::quiet_NaN();
        break;
      }
      total -= static_cast<double>(smoothed.at_target) * log_p[k];
      if (smoothed.everywhere > 0)
        for (Index i = 0; i < lines.size; ++i) total -= static_cast<double>(smoothed.everywhere) * log_p[i];
    }
    *loss.data(run) = static_cast<float>(total / static_cast<double>(lines.count()));
  });
  step.flops = 10 * elements_of(logits);
  step.scratch_bytes = 2 * lines.size * bytes_of(DType::f32);
  return step;
}

void backward(GradientScope& scope) {
  scope.give(0, "cross_entropy_backward", {scope.output_gradients[0], scope.inputs[0], scope.inputs[1]}, scope.attributes);
}

std::vector<TensorType> infer_backward(const NodeView& node) {
  require(node.input(0).shape.elements() == 1, "cross_entropy_backward", "dloss must be one number", node.input(0).shape);
  check(node.attributes, node.input(1), node.input(2));
  return {{.shape = node.input(1).shape}};
}

// dlogits = dloss / targets * (softmax - smoothed target)
Step bind_backward(const BindScope& scope) {
  const Operand dloss = scope.inputs[0], logits = scope.inputs[1], target = scope.inputs[2], dlogits = scope.outputs[0];
  const Lines lines(logits.type.shape, 1);
  const Smoothed smoothed(scope.attributes, lines.size);
  Step step = bind_units(lines.count(), [=, &kernels = scope.kernels](const RunContext& run, Index line) {
    float *scratch = run.scratch_data(), *p = scratch + lines.size;
    const float factor = *dloss.data(run) / static_cast<float>(lines.count());
    kernels.softmax_row(p, lines.gather(logits.data(run), line, scratch), lines.size, false);
    const std::int32_t k = target.data<std::int32_t>(run)[line];
    if (k >= 0 && k < lines.size) p[k] -= smoothed.at_target;
    kernels.scale_shift(p, p, lines.size, factor, -factor * smoothed.everywhere);
    lines.scatter(p, dlogits.data(run), line);
  });
  step.flops = 10 * elements_of(logits);
  step.scratch_bytes = 2 * lines.size * bytes_of(DType::f32);
  return step;
}

}  // namespace

const Op k_cross_entropy = {
    .name = "cross_entropy", .inputs = "logits target#", .infer = infer, .layout = want_plain, .bind = bind, .backward = backward};
const Op k_cross_entropy_backward = {.name = "cross_entropy_backward",
                                     .inputs = "dloss logits target#",
                                     .infer = infer_backward,
                                     .layout = want_plain,
                                     .bind = bind_backward};

}  // namespace fastcnn
