// conv_transpose2d(x, weight, bias?) -> y(N, O, OH, OW) = act(sum over i of x(N, I, H, W) weight(I, O / groups, KH, KW) + bias(O)), where
// each pixel of x adds the kernel times its value to y, at distances of the stride:
//
//   OH = (H - 1) stride - top - bottom + dilation (KH - 1) + 1 + output_padding
//
// It is the gradient for its input of the convolution from y to x, and is computed by the algorithms of that convolution (a backward
// ConvProblem), with bias and activation in their epilogue. Attributes: stride, dilation, padding, output_padding, groups; the activation.
// Once an algorithm is chosen (attribute "algorithm"), the output of conv2d_prepare replaces the weight, and "kernel" is its shape.
#include <algorithm>

#include "kernels/kernels.h"
#include "ops/activation_kind.h"
#include "ops/convolution/algorithms.h"
#include "ops/ops.h"

namespace fastcnn {

namespace {

constexpr const char* kOp = "conv_transpose2d";

// Each remainder of a position by the stride is a pass of its own. The square of this bounds the number of passes that a file can ask for.
constexpr Index kMostStride = 256;

// One axis of y, and of the convolution from y to x. Where output_padding is a whole stride or more, that convolution would have too many
// outputs. Then its padding is shortened, and where that does not suffice, the last rows of y, which no pixel of x reaches, are cut off.
struct OutputAxis {
  Index size;            // of y
  Index padding_behind;  // of the convolution from y to x
  Index cut;             // rows of y that it does not read
};

OutputAxis output_axis(Index inputs, Index kernel, Index stride, Index dilation, Index before, Index behind, Index output_padding) {
  require(output_padding < std::max(stride, dilation), kOp, "output_padding must be smaller than stride or dilation",
          "output_padding=", output_padding, ", stride=", stride, ", dilation=", dilation);
  require(stride <= kMostStride, kOp, join("stride must be at most ", kMostStride), "stride=", stride);
  require(kernel - 1 <= Shape::kMostElements / dilation, kOp, "the kernel must reach over at most 2^40 pixels", "kernel ", kernel,
          ", dilation=", dilation);
  const Index span = dilation * (kernel - 1) + 1;
  const Index size = (inputs - 1) * stride + span + output_padding - before - behind;
  require(size >= 1, kOp, "the output must have at least one pixel", "size ", size);
  const Index excess = output_padding / stride * stride;
  return {size, std::max<Index>(0, behind - excess), std::max<Index>(0, excess - behind)};
}

struct Transposed {
  OutputAxis rows, columns;
  Conv2dGeometry g;  // of the convolution from y (g.C, g.H, g.W) to x (g.O, g.OH, g.OW)
};

Transposed transposed(const Attributes& attributes, const Shape& x, const Shape& weight) {
  require(x.rank() == 4, kOp, "input must be (N, C, H, W)", x);
  require(weight.rank() == 4, kOp, "weight must be (in_channels, out_channels / groups, height, width)", weight);
  Transposed t{};
  Conv2dGeometry& g = t.g;
  set_windows(g, attributes, kOp);
  const auto& extra = attributes.integers("output_padding", 2, 0, kOp);
  require(x[1] >= 1 && x[2] >= 1 && x[3] >= 1, kOp, "input sizes must be at least 1", x);
  require(weight.elements() >= 1, kOp, "weight sizes must be at least 1", weight);
  require(weight[0] == x[1], kOp, "weight must have in_channels rows", "weight ", weight, ", in_channels=", x[1]);
  require(x[1] % g.groups == 0, kOp, "groups must divide in_channels", "groups=", g.groups, ", in_channels=", x[1]);

  t.rows = output_axis(x[2], weight[2], g.stride_h, g.dilation_h, g.top, g.bottom, extra[0]);
  t.columns = output_axis(x[3], weight[3], g.stride_w, g.dilation_w, g.left, g.right, extra[1]);
  g.N = x[0];
  g.O = x[1];
  g.OH = x[2];
  g.OW = x[3];
  g.C = weight[1] * g.groups;
  g.H = t.rows.size;
  g.W = t.columns.size;
  g.KH = weight[2];
  g.KW = weight[3];
  return t;
}

Conv2dGeometry geometry_of(const NodeView& node) { return transposed(node.attributes, node.input(0).shape, conv_weight_shape(node)).g; }

std::vector<TensorType> infer(const NodeView& node) {
  const Conv2dGeometry g = geometry_of(node);
  check_bias(kOp, node, g.C);
  fused_activation(node.attributes);
  return {{.shape = {g.N, g.C, g.H, g.W}}};
}

LayoutWish layout(const NodeView& node) { return want_image_but_plain(node, {1}); }

int ring(const NodeView& node, std::size_t input) { return input == 0 ? backward_problem(geometry_of(node), 1).ring() : 0; }

void choose(ChoiceScope& scope) {
  const TensorType &x = scope.graph.type(scope.inputs[0]), &weight = scope.graph.type(scope.inputs[1]);
  const Conv2dGeometry g = transposed(scope.attributes, x.shape, weight.shape).g;
  const Conv2dAlgorithm& algorithm = cheapest_conv2d_algorithm(backward_problem(g, scope.lanes));
  scope.attributes.set("algorithm", std::string(algorithm.name));
  scope.attributes.set("kernel", weight.shape.sizes());

  // Prepared weights are the same for images of any size. Their attributes hold the smallest size that needs every pass, so that programs
  // for all sizes share them.
  const Index height = std::max(std::min(g.H, g.stride_h), g.span_h() - g.top - g.bottom);
  const Index width = std::max(std::min(g.W, g.stride_w), g.span_w() - g.left - g.right);
  scope.inputs[1] = add_prepared(scope, algorithm, {1, g.C, height, width}, weight.shape, true);
  scope.inputs[2] = kNoValue;
}

Step bind(const BindScope& scope) {
  const Conv2dGeometry g = transposed(scope.attributes, scope.inputs[0].type.shape, Shape(scope.attributes.integers("kernel"))).g;
  return find_conv2d_algorithm(scope.attributes.text("algorithm")).bind(backward_problem(g, scope.kernels.lanes), scope);
}

// dx is the convolution of dy, and dweight the gradient for the weight of a convolution from dy to x: input and output are exchanged.
void backward(GradientScope& scope) {
  if (fused_activation(scope.attributes).kind != ActivationKind::identity)
    throw Error(ErrorKind::unsupported, kOp, "a convolution with a fused activation has no gradient");
  const ValueId x = scope.inputs[0], weight = scope.inputs[1], dy = scope.output_gradients[0];
  const Transposed t = transposed(scope.attributes, scope.graph.type(x).shape, scope.graph.type(weight).shape);
  ValueId reached = dy;
  const auto cut = [&](Index axis, Index size, Index rows) {
    if (rows > 0) reached = scope.graph.add_one("slice", {reached}, {{"axis", axis}, {"start", Index{0}}, {"stop", size - rows}});
  };
  cut(2, t.g.H, t.rows.cut);
  cut(3, t.g.W, t.columns.cut);
  Attributes attributes{{"stride", scope.attributes.integers("stride")},
                        {"dilation", scope.attributes.integers("dilation")},
                        {"groups", t.g.groups},
                        {"padding", std::vector<Index>{t.g.top, t.g.left, t.rows.padding_behind, t.columns.padding_behind}}};
  scope.give(0, "conv2d", {reached, weight}, attributes);
  attributes.set("input", scope.graph.type(reached).shape.sizes());
  attributes.set("kernel", scope.graph.type(weight).shape.sizes());
  scope.give(1, "conv2d_backward_weight", {x, reached}, attributes);
  scope.give(2, "channel_sum", {dy});
}

}  // namespace

const Op k_conv_transpose2d = {.name = kOp,
                               .inputs = "x weight bias?",
                               .infer = infer,
                               .layout = layout,
                               .bind = bind,
                               .backward = backward,
                               .ring = ring,
                               .choose = choose};

}  // namespace fastcnn
