// Batch normalization with given statistics, as in inference:
//   batch_norm(x, weight?, bias?, mean, var) -> y = act((x - mean) / sqrt(var + eps) * weight + bias)
//   batch_norm_backward(dy, x, weight?, mean, var) -> dx, dweight, dbias
// x, y, dy, dx: (N, C, H, W), images; all others (C,). The statistics are constants without a gradient; batch_norm_training.cpp computes
// them. Attributes: eps; batch_norm also the activation.
#include "ops/normalization/batch_norm.h"

#include <algorithm>
#include <cmath>

#include "ops/activation_kind.h"
#include "ops/ops.h"
#include "ops/views/image_pieces.h"

namespace fastcnn {

void check_batch_norm(std::string_view op, const NodeView& node, std::size_t image, std::initializer_list<ChannelArray> arrays) {
  const Shape& x = node.input(image).shape;
  require(x.rank() == 4, op, "input must be (N, C, H, W)", x);
  require(x[1] >= 1 && x[2] >= 1 && x[3] >= 1, op, "input sizes must be at least 1", x);
  for (const auto& [index, name] : arrays)
    if (node.has_input(index))
      require(node.input(index).shape == Shape{x[1]}, op, join(name, " must be (channels,)"), node.input(index).shape, ", channels=", x[1]);
}

float checked_eps(std::string_view op, const Attributes& attributes) {
  const double eps = attributes.number("eps");
  require(std::isfinite(eps) && eps >= 0, op, "eps must be finite and at least 0", "eps=", eps);
  return static_cast<float>(eps);
}

LayoutWish layout_batch_norm(const NodeView& node, std::size_t images_in) {
  LayoutWish wish = want_plain(node);
  std::fill_n(wish.inputs.begin(), images_in, Want::image);
  wish.outputs[0] = Want::image;
  return wish;
}

namespace {

std::vector<TensorType> infer(const NodeView& node) {
  check_batch_norm("batch_norm", node, 0, {{1, "weight"}, {2, "bias"}, {3, "mean"}, {4, "var"}});
  checked_eps("batch_norm", node.attributes);
  fused_activation(node.attributes);
  return {{.shape = node.input(0).shape}};
}

LayoutWish layout(const NodeView& node) { return layout_batch_norm(node, 1); }

// A unit is a row of pixels of one channel block. The kernel takes all rows of a block that a worker has at once.
Step bind(const BindScope& scope) {
  const Operand weight = scope.inputs[1], bias = scope.inputs[2], mean = scope.inputs[3], var = scope.inputs[4];
  const ImageView x(scope.inputs[0]), y(scope.outputs[0]);
  const TensorType type = x.operand.type;
  const float eps = checked_eps("batch_norm", scope.attributes);
  const Activation activation = fused_activation(scope.attributes);
  Step step;
  step.units = x.all_blocks() * type.H();
  step.flops = 3 * elements_of(x.operand);
  step.run = [=, kernel = scope.kernels.batch_norm](const RunContext& run, Index begin, Index end) {
    for_images(type.H(), begin, end, [&](Index i, Index row, Index rows, Index) {
      const Index block = i % x.strides.blocks;
      const Index first = block * x.strides.pixel;
      kernel({.x = x.block(run, i) + row * x.strides.row,
              .y = y.block(run, i) + row * y.strides.row,
              .weight = channel_data(weight, run, first),
              .bias = channel_data(bias, run, first),
              .mean = channel_data(mean, run, first),
              .var = channel_data(var, run, first),
              .eps = eps,
              .pixels = {1, rows, type.W(), channels_in(type, block)},
              .x_strides = {0, x.strides.row},
              .y_strides = {0, y.strides.row},
              .activation = activation});
    });
  };
  return step;
}

void backward(GradientScope& scope) {
  const std::vector<ValueId>& in = scope.inputs;
  if (fused_activation(scope.attributes).kind != ActivationKind::identity)
    throw Error(ErrorKind::unsupported, "batch_norm", "a normalization with a fused activation has no gradient");
  if (scope.wanted[3] || scope.wanted[4])
    throw Error(ErrorKind::unsupported, "batch_norm", "mean and var are constants and have no gradient");
  scope.give_all("batch_norm_backward", {scope.output_gradients[0], in[0], in[1], in[3], in[4]}, scope.attributes);
}

std::vector<TensorType> infer_backward(const NodeView& node) {
  const char* op = "batch_norm_backward";
  const Shape& x = node.input(1).shape;
  check_batch_norm(op, node, 1, {{2, "weight"}, {3, "mean"}, {4, "var"}});
  check_gradient(op, node.input(0).shape, x, "input");
  checked_eps(op, node.attributes);
  return {{.shape = x}, {.shape = {x[1]}}, {.shape = {x[1]}}};
}

LayoutWish layout_backward(const NodeView& node) { return layout_batch_norm(node, 2); }

Step bind_backward(const BindScope& scope) {
  const Operand var = scope.inputs[4];
  const float eps = checked_eps("batch_norm_backward", scope.attributes);
  const auto inv_std = [=](const RunContext& run, Index first, int channels) {
    float* const values = run.scratch_data();
    for (int i = 0; i < channels; ++i) values[i] = 1.0f / std::sqrt(var.data(run)[first + i] + eps);
    return values;
  };
  return bind_batch_norm_backward(scope, inv_std, false);
}

}  // namespace

// A unit is a channel block of all images, so its sums have one order.
Step bind_batch_norm_backward(const BindScope& scope, InverseStd inv_std, bool batch_statistics) {
  const Operand weight = scope.inputs[2], mean = scope.inputs[3], dweight = scope.outputs[1], dbias = scope.outputs[2];
  const ImageView dy(scope.inputs[0]), x(scope.inputs[1]), dx(scope.outputs[0]);
  Step step = bind_units(x.strides.blocks, [=, kernel = scope.kernels.batch_norm_backward](const RunContext& run, Index block) {
    const Index first = block * x.strides.pixel;
    const BlockPixels pixels = pixels_of_block(x.operand.type, block);
    kernel({.dy = dy.block(run, 0, block),
            .x = x.block(run, 0, block),
            .dx = dx.block(run, 0, block),
            .weight = channel_data(weight, run, first),
            .mean = channel_data(mean, run, first),
            .inv_std = inv_std(run, first, pixels.channels),
            .dweight = channel_data(dweight, run, first),
            .dbias = channel_data(dbias, run, first),
            .batch_statistics = batch_statistics,
            .pixels = pixels,
            .dy_strides = pixel_strides(dy),
            .x_strides = pixel_strides(x),
            .dx_strides = pixel_strides(dx)});
  });
  step.flops = 8 * elements_of(x.operand);
  step.scratch_bytes = x.strides.pixel * bytes_of(DType::f32);
  return step;
}

const Op k_batch_norm = {.name = "batch_norm",
                         .inputs = "x weight? bias? mean var",
                         .infer = infer,
                         .layout = layout,
                         .bind = bind,
                         .backward = backward,
                         .band = band_elementwise,
                         .in_place = {0}};
const Op k_batch_norm_backward = {.name = "batch_norm_backward",
                                  .inputs = "dy x weight? mean var",
                                  .infer = infer_backward,
                                  .layout = layout_backward,
                                  .bind = bind_backward,
                                  .in_place = {0, 1}};

}  // namespace fastcnn
