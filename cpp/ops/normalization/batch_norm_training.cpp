// Batch normalization with the statistics of the batch, as training uses it:
//   batch_norm_training(x, weight?, bias?) -> y, mean, var (biased), inv_std = 1 / sqrt(var + eps)
//   batch_norm_training_backward(dy, x, weight?, mean, inv_std) -> dx, dweight, dbias      with the terms of the statistics in dx
//   batch_norm_update(running, batch, rate?)      running = (1 - m) running + m correction batch, in place, with m = momentum * rate
// x, y, dy, dx: (N, C, H, W), images; rate: (1,), 1 if it is left out, so that it may change from step to step; all others (C,).
// Attributes: eps; of the update momentum and correction. A unit is a channel block of all images, so its statistics have one order.
#include <cmath>

#include "ops/normalization/batch_norm.h"
#include "ops/ops.h"

namespace fastcnn {

namespace {

std::vector<TensorType> infer(const NodeView& node) {
  const char* op = "batch_norm_training";
  check_batch_norm(op, node, 0, {{1, "weight"}, {2, "bias"}});
  const Shape &x = node.input(0).shape, channels{x[1]};
  require(x[0] * x[2] * x[3] > 1, op, "there must be more than one value per channel", x);
  checked_eps(op, node.attributes);
  return {{.shape = x}, {.shape = channels}, {.shape = channels}, {.shape = channels}};
}

LayoutWish layout(const NodeView& node) { return layout_batch_norm(node, 1); }

Step bind(const BindScope& scope) {
  const Operand weight = scope.inputs[1], bias = scope.inputs[2];
  const Operand mean = scope.outputs[1], var = scope.outputs[2], inv_std = scope.outputs[3];
  const ImageView x(scope.inputs[0]), y(scope.outputs[0]);
  const float eps = checked_eps("batch_norm_training", scope.attributes);
  Step step = bind_units(x.strides.blocks, [=, &kernels = scope.kernels](const RunContext& run, Index block) {
    const Index first = block * x.strides.pixel;
    const BlockPixels pixels = pixels_of_block(x.operand.type, block);
    kernels.batch_norm_statistics({.x = x.block(run, 0, block),
                                   .mean = channel_data(mean, run, first),
                                   .var = channel_data(var, run, first),
                                   .inv_std = channel_data(inv_std, run, first),
                                   .eps = eps,
                                   .pixels = pixels,
                                   .x_strides = pixel_strides(x)});
    kernels.batch_norm({.x = x.block(run, 0, block),
                        .y = y.block(run, 0, block),
                        .weight = channel_data(weight, run, first),
                        .bias = channel_data(bias, run, first),
                        .mean = channel_data(mean, run, first),
                        .var = channel_data(var, run, first),
                        .eps = eps,
                        .pixels = pixels,
                        .x_strides = pixel_strides(x),
                        .y_strides = pixel_strides(y),
                        .activation = {}});
  });
  step.flops = 7 * elements_of(x.operand);
  return step;
}

void backward(GradientScope& scope) {
  for (std::size_t i = 1; i < 4; ++i)
    if (scope.output_gradients[i] != kNoValue)
      throw Error(ErrorKind::unsupported, "batch_norm_training", "the statistics that it returns have no gradient");
  const std::vector<ValueId>&in = scope.inputs, &out = scope.outputs;
  scope.give_all("batch_norm_training_backward", {scope.output_gradients[0], in[0], in[1], out[1], out[3]});
}

std::vector<TensorType> infer_backward(const NodeView& node) {
  const char* op = "batch_norm_training_backward";
  const Shape& x = node.input(1).shape;
  check_batch_norm(op, node, 1, {{2, "weight"}, {3, "mean"}, {4, "inv_std"}});
  check_gradient(op, node.input(0).shape, x, "input");
  require(x[0] >= 1, op, "there must be more than one value per channel", x);
  return {{.shape = x}, {.shape = {x[1]}}, {.shape = {x[1]}}};
}

LayoutWish layout_backward(const NodeView& node) { return layout_batch_norm(node, 2); }

Step bind_backward(const BindScope& scope) {
  const auto inv_std = [array = scope.inputs[4]](const RunContext& run, Index first, int) { return channel_data(array, run, first); };
  return bind_batch_norm_backward(scope, inv_std, true);
}

std::vector<TensorType> infer_update(const NodeView& node) {
  const char* op = "batch_norm_update";
  const Shape &running = node.input(0).shape, &batch = node.input(1).shape;
  require(running == batch, op, "running and batch statistics must have one shape", "running ", running, ", batch ", batch);
  if (node.has_input(2)) require(node.input(2).shape == Shape{1}, op, "rate must be one number", node.input(2).shape);
  const double momentum = node.attributes.number("momentum");
  const double correction = node.attributes.number("correction");
  require(momentum >= 0 && momentum <= 1, op, "momentum must be from 0 to 1", "momentum=", momentum);
  require(std::isfinite(correction) && correction > 0, op, "correction must be finite and positive", "correction=", correction);
  return {};
}

Step bind_update(const BindScope& scope) {
  const Operand running = scope.inputs[0], batch = scope.inputs[1], rate = scope.inputs[2];
  const Index count = running.type.shape.elements();
  const double momentum = scope.attributes.number("momentum");
  const double correction = scope.attributes.number("correction");
  return bind_units(1, [=](const RunContext& run, Index) {
    const double share = rate.given ? momentum * rate.data(run)[0] : momentum;
    const float keep = static_cast<float>(1.0 - share), take = static_cast<float>(share * correction);
    float* to = running.data(run);
    const float* from = batch.data(run);
    for (Index i = 0; i < count; ++i) to[i] = keep * to[i] + take * from[i];
  });
}

}  // namespace

const Op k_batch_norm_training = {.name = "batch_norm_training",
                                  .inputs = "x weight? bias?",
                                  .infer = infer,
                                  .layout = layout,
                                  .bind = bind,
                                  .backward = backward,
                                  .in_place = {0}};
const Op k_batch_norm_training_backward = {.name = "batch_norm_training_backward",
                                           .inputs = "dy x weight? mean inv_std",
                                           .infer = infer_backward,
                                           .layout = layout_backward,
                                           .bind = bind_backward,
                                           .in_place = {0}};  // not in x, which would then be kept with the ring that dx needs
const Op k_batch_norm_update = {.name = "batch_norm_update",
                                .inputs = "running batch rate?",
                                .infer = infer_update,
                                .layout = want_plain,
                                .bind = bind_update,
                                .update = true};

}  // namespace fastcnn
