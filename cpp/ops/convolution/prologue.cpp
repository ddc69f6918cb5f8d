#include "ops/convolution/prologue.h"

#include "kernels/kernels.h"
#include "ops/activation_kind.h"
#include "ops/convolution/algorithms.h"
#include "ops/normalization/batch_norm.h"

namespace fastcnn {

namespace {

constexpr std::size_t kNormWeight = 4, kNormBias = 5, kMean = 6, kVar = 7, kScale = 8;  // among the inputs of conv2d

bool is_normed(const Attributes& attributes) { return attributes.has("norm_eps"); }
bool is_scaled(const Attributes& attributes) { return attributes.has("scaled") && attributes.flag("scaled"); }

float norm_eps(const Attributes& attributes) { return checked_eps("batch_norm", Attributes{{"eps", attributes.number("norm_eps")}}); }

Activation norm_activation(const Attributes& attributes) { return activation_named(attributes, "norm_activation"); }

Prologue bind_norm(const BindScope& scope) {
  const Operand weight = scope.inputs[kNormWeight], bias = scope.inputs[kNormBias], mean = scope.inputs[kMean], var = scope.inputs[kVar];
  return [=, x = scope.inputs[0].type, eps = norm_eps(scope.attributes), activation = norm_activation(scope.attributes),
          normalize = scope.kernels.batch_norm](const RunContext& run, const PrologueRows& part) {
    const Index channel = part.block * x.layout.block;
    normalize({.x = part.from,
               .y = part.to,
               .weight = channel_data(weight, run, channel),
               .bias = channel_data(bias, run, channel),
               .mean = channel_data(mean, run, channel),
               .var = channel_data(var, run, channel),
               .eps = eps,
               .pixels = {1, part.rows, part.pixels, channels_in(x, part.block)},
               .x_strides = {0, part.from_stride},
               .y_strides = {0, part.to_stride},
               .activation = activation});
  };
}

Prologue bind_scale(const BindScope& scope) {
  return [scale = ImageView(scope.inputs[kScale]), binary = scope.kernels.binary](const RunContext& run, const PrologueRows& part) {
    const float* factors = scale.block(run, part.image, part.block);
    for (Index row = 0; row < part.rows; ++row)
      binary({.kind = BinaryKind::multiply,
              .y = part.to + row * part.to_stride,
              .a = {part.from + row * part.from_stride, Repeat::none},
              .b = {factors, Repeat::lanes},
              .count = part.pixels * scale.strides.pixel});
  };
}

}  // namespace

bool has_prologue(const Attributes& attributes) { return is_normed(attributes) || is_scaled(attributes); }

void check_prologue(const NodeView& node, bool pointwise) {
  require(is_scaled(node.attributes) || !node.has_input(kScale), "conv2d", "factors need the attribute scaled");
  if (!has_prologue(node.attributes)) return;
  require(pointwise, "conv2d", "only a 1x1 convolution without stride, padding and groups takes a prologue", "kernel ",
          conv_weight_shape(node));
  require(!is_normed(node.attributes) || !is_scaled(node.attributes), "conv2d", "a prologue normalizes or scales, not both");
  if (is_scaled(node.attributes)) {
    const Shape& x = node.input(0).shape;
    require(node.has_input(kScale), "conv2d", "a prologue that scales needs the factors");
    require(node.input(kScale).shape == Shape{x[0], x[1], 1, 1}, "conv2d", "the factors of a prologue must be (N, channels, 1, 1)",
            node.input(kScale).shape, " for ", x);
    return;
  }
  require(node.has_input(kMean) && node.has_input(kVar), "conv2d", "a prologue needs mean and var");
  check_batch_norm("conv2d", node, 0, {{kNormWeight, "norm_weight"}, {kNormBias, "norm_bias"}, {kMean, "mean"}, {kVar, "var"}});
  norm_eps(node.attributes);
  norm_activation(node.attributes);
}

Prologue bind_prologue(const BindScope& scope) { return is_scaled(scope.attributes) ? bind_scale(scope) : bind_norm(scope); }

}  // namespace fastcnn
