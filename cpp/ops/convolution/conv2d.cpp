// conv2d: y(N, O, OH, OW) = act(sum over c, i, j of x(N, C, H, W) weight(O, C / groups, KH, KW) + bias(O) + residual(N, O, OH, OW)).
// Gradients: conv2d_backward.cpp. Attributes: stride, dilation, padding (top, left, bottom, right), groups; the activation.
//
// Inputs: x, weight, bias?, residual?, and those of a prologue, which only a 1x1 convolution without stride, padding and groups has:
//   norm_weight?, norm_bias?, mean, var, each (C,)   x is first normalized and activated, like batch_norm with the attributes norm_eps,
//                                                    norm_activation, norm_activation_a, norm_activation_b
//   scale, (N, C, 1, 1)                              with the attribute "scaled": x is first multiplied by it
// With the attributes pool_kernel, pool_stride, pool_padding and pool_ceil_mode, y is the max_pool of the result. There is no residual
// then.
//
// Once an algorithm is chosen (attribute "algorithm"), the output of conv2d_prepare replaces the weight, there is no bias, and "kernel" is
// the shape of the weight. With the attribute "packed", it is prepared for direct sums, whatever the algorithm.
#include <algorithm>

#include "kernels/kernels.h"
#include "ops/activation_kind.h"
#include "ops/convolution/algorithms.h"
#include "ops/convolution/prologue.h"
#include "ops/ops.h"
#include "ops/views/row_bands.h"

namespace fastcnn {

namespace {

Conv2dGeometry geometry_of(const NodeView& node) { return conv2d_geometry(node.attributes, node.input(0).shape, conv_weight_shape(node)); }

bool is_pointwise(const Conv2dGeometry& g) {
  return g.KH == 1 && g.KW == 1 && g.stride_h == 1 && g.stride_w == 1 && g.groups == 1 && g.OH == g.H && g.OW == g.W;
}

// The pooling of the node, if it has one.
std::optional<PoolGeometry> pool_of(const Conv2dGeometry& g, const Attributes& attributes) {
  if (!attributes.has("pool_kernel")) return {};
  Attributes pool;
  for (const char* name : {"kernel", "stride", "padding"}) pool.set(name, attributes.integers(std::string("pool_") + name));
  pool.set("ceil_mode", attributes.flag("pool_ceil_mode"));
  return pool_geometry("conv2d", pool, {g.N, g.O, g.OH, g.OW});
}

// Sets the parts of a problem that come before and behind the convolution.
void add_fused(ConvProblem& problem, const Conv2dGeometry& g, const Attributes& attributes) {
  const ActivationKind kind = fused_activation(attributes).kind;
  problem.prologue = has_prologue(attributes);
  problem.pool = pool_of(g, attributes);
  problem.clamped = kind == ActivationKind::identity || kind == ActivationKind::relu || kind == ActivationKind::clipped;
}

ConvProblem problem_of(const Conv2dGeometry& g, const Attributes& attributes, int lanes, bool plain_input) {
  ConvProblem problem = forward_problem(g, lanes, plain_input);
  add_fused(problem, g, attributes);
  problem.packed = attributes.has("packed");
  return problem;
}

std::vector<TensorType> infer(const NodeView& node) {
  const Conv2dGeometry g = geometry_of(node);
  const std::optional<PoolGeometry> pool = pool_of(g, node.attributes);
  const TensorType y{.shape = pool ? pool->output : Shape{g.N, g.O, g.OH, g.OW}};
  require(!pool || !node.has_input(3), "conv2d", "a convolution with a pooling takes no residual");
  check_bias("conv2d", node, g.O);
  check_residual("conv2d", node, y.shape);
  fused_activation(node.attributes);
  check_prologue(node, is_pointwise(g));
  return {y};
}

const Conv2dAlgorithm& algorithm_of(const NodeView& node) { return find_conv2d_algorithm(node.attributes.text("algorithm")); }

LayoutWish layout(const NodeView& node) {
  LayoutWish wish = want_image_but_plain(node, {1, 4, 5, 6, 7});
  wish.inputs[0] = algorithm_of(node).input;
  return wish;
}

int ring(const NodeView& node, std::size_t input) {
  if (input != 0) return 0;
  return forward_problem(geometry_of(node), 1, false).ring();
}

// The row windows of the convolution. The Winograd form of first layers reads whole strides of rows.
RowWindows row_windows(const Conv2dGeometry& g, const Conv2dAlgorithm& algorithm) {
  const Index span = g.span_h();
  const bool whole_strides = algorithm.input == Want::plain && algorithm.rows_at_once > 1;
  return {.size = g.H,
          .outputs = g.OH,
          .stride = g.stride_h,
          .span = span,
          .before = g.top,
          .after = g.bottom,
          .more = whole_strides ? round_up(span, g.stride_h) - span : 0};
}

std::optional<Band> band(const NodeView& node, RowRange made) {
  const Conv2dGeometry g = geometry_of(node);
  const Conv2dAlgorithm& algorithm = algorithm_of(node);
  const std::optional<PoolGeometry> pool = pool_of(g, node.attributes);
  // First layers with a pooling have strips of their own (PooledRows).
  if (algorithm.rows_at_once == 0 || (pool && algorithm.input == Want::plain)) return {};
  const Index stride = pool ? pool->rows.stride : 1;
  const RowRange rows{made.begin * stride, made.end == node.output(0).H() ? g.OH : made.end * stride};
  std::optional<Band> band = padded_band(node, row_windows(g, algorithm), rows);
  if (band && node.has_input(3)) band->inputs[3] = {made};
  return band;
}

BandSizes band_sizes(const NodeView& node) {
  const Conv2dAlgorithm& algorithm = algorithm_of(node);
  const Index rows = std::max(Index{1}, algorithm.rows_at_once);
  const Index stride = node.attributes.has("pool_kernel") ? 2 : 1;
  if (algorithm.input == Want::plain || rows == 1) return {rows, rows};
  const Conv2dGeometry g = geometry_of(node);
  const Index across = ceil_div(g.OW, rows);
  const Index all = across * ceil_div(g.OH, rows);
  Index tiles = std::max(g.C, g.O) <= 128 ? 14 : 28;  // a group of convolution/winograd.cpp
  // With packed weights a group has 56 tiles, because each transforms all weights; fewer for a small image, where that is most of its rows.
  if (node.attributes.has("packed")) tiles = std::clamp<Index>(all / 8, 28, 56);
  return {rows / stride, rows / stride * ceil_div(tiles, across)};
}

// An algorithm that the node itself names.
const Conv2dAlgorithm& asked_algorithm(std::string_view op, const std::string& name, const ConvProblem& problem) {
  const Conv2dAlgorithm& algorithm = find_conv2d_algorithm(name);
  require(can_compute(algorithm, problem), op, "the algorithm must be able to compute this convolution", name);
  return algorithm;
}

// Everything that the time of a convolution depends on, except for the machine and the ISA.
std::string text_of(const Conv2dGeometry& g, const ConvProblem& problem, const Attributes& attributes) {
  std::string text = join("conv2d ", g.N, "x", g.C, "x", g.H, "x", g.W, " by ", g.O, "x", g.KH, "x", g.KW, " stride ", g.stride_h, "x",
                          g.stride_w, " dilation ", g.dilation_h, "x", g.dilation_w, " padding ", g.top, ",", g.left, ",", g.bottom, ",",
                          g.right, " groups ", g.groups);
  if (problem.plain_input) text += " plain";
  if (problem.prologue) text += attributes.has("norm_eps") ? " normed" : " scaled";
  if (problem.cold) text += " cold";
  if (problem.most_error <= kDirectError) text += " strict";
  if (problem.packed) text += " small";
  return text;
}

void choose(ChoiceScope& scope) {
  const TensorType &x = scope.graph.type(scope.inputs[0]), &weight = scope.graph.type(scope.inputs[1]);
  const Conv2dGeometry g = conv2d_geometry(scope.attributes, x.shape, weight.shape);
  ConvProblem problem = forward_problem(g, scope, 0);
  add_fused(problem, g, scope.attributes);
  const std::string text = text_of(g, problem, scope.attributes);
  const Conv2dAlgorithm& algorithm = scope.attributes.has("algorithm")
                                         ? asked_algorithm("conv2d", scope.attributes.text("algorithm"), problem)
                                         : chosen_conv2d_algorithm(problem, scope.options.choices, text);
  scope.attributes.set("problem", text);
  scope.attributes.set("algorithm", std::string(algorithm.name));
  scope.attributes.set("kernel", weight.shape.sizes());

  // Prepared weights are the same for images of any size. With the size of the smallest in their attributes, all programs of a model share
  // them.
  const Shape smallest{1, g.C, g.span_h(), g.span_w()};
  const bool packed = scope.options.small && algorithm.takes_packed;
  if (packed) scope.attributes.set("packed", true);
  scope.inputs[1] = add_prepared(scope, packed ? k_direct : algorithm, smallest, weight.shape, false);
  scope.inputs[2] = kNoValue;
}

Step bind(const BindScope& scope) {
  const Conv2dGeometry g = conv2d_geometry(scope.attributes, scope.inputs[0].type.shape, Shape(scope.attributes.integers("kernel")));
  const Conv2dAlgorithm& algorithm = find_conv2d_algorithm(scope.attributes.text("algorithm"));
  const ConvProblem problem = problem_of(g, scope.attributes, scope.kernels.lanes, algorithm.input == Want::plain);
  Step step = algorithm.bind(problem, scope);
  if (problem.pool) {
    step.algorithm += " + max_pool";
    step.flops += problem.pool->taps();
  }
  return step;
}

void backward(GradientScope& scope) {
  const Attributes& fused = scope.attributes;
  if (fused_activation(fused).kind != ActivationKind::identity || scope.inputs[3] != kNoValue || has_prologue(fused) ||
      fused.has("pool_kernel"))
    throw Error(ErrorKind::unsupported, "conv2d", "a convolution with a fused prologue, activation, residual or pooling has no gradient");
  const ValueId x = scope.inputs[0], weight = scope.inputs[1], dy = scope.output_gradients[0];
  Attributes attributes = scope.attributes;
  attributes.set("input", scope.graph.type(x).shape.sizes());
  attributes.set("kernel", scope.graph.type(weight).shape.sizes());
  const auto give_input = [&] { scope.give(0, "conv2d_backward_data", {dy, weight}, attributes); };
  // Memory: the lifetime of x can end between the two nodes, and that of the first result goes on, so the smaller result comes first.
  const bool weight_first = scope.graph.type(weight).shape.elements() <= scope.graph.type(x).shape.elements();
  if (!weight_first) give_input();
  scope.give(1, "conv2d_backward_weight", {dy, x}, attributes);
  scope.give(2, "channel_sum", {dy});
  if (weight_first) give_input();
}

// conv2d_prepare(weight, bias?) -> prepared, a plain array in the order of the algorithm. Attributes: stride, dilation, padding and groups
// of the convolution; "input" and "kernel", the shapes of x and weight; "lanes"; "algorithm"; "backward": for the gradient for the input,
// or for a transposed convolution.
ConvProblem prepared_problem(const Attributes& attributes) {
  const Conv2dGeometry g = conv2d_geometry(attributes, Shape(attributes.integers("input")), Shape(attributes.integers("kernel")));
  const int lanes = checked_lanes("conv2d_prepare", attributes);
  return attributes.flag("backward") ? backward_problem(g, lanes) : forward_problem(g, lanes, true);
}

const Conv2dAlgorithm& preparing_algorithm(const Attributes& attributes, const ConvProblem& problem) {
  return asked_algorithm("conv2d_prepare", attributes.text("algorithm"), problem);
}

std::vector<TensorType> infer_prepare(const NodeView& node) {
  const ConvProblem problem = prepared_problem(node.attributes);
  const Shape kernel(node.attributes.integers("kernel"));
  require(node.input(0).shape == kernel, "conv2d_prepare", "weight must have the shape of the kernel", node.input(0).shape, ", kernel ",
          kernel);
  if (node.has_input(1))
    require(node.input(1).shape == Shape{problem.out_channels}, "conv2d_prepare", "bias must be (out_channels,)", node.input(1).shape);
  return {{.shape = {preparing_algorithm(node.attributes, problem).prepared_elements(problem)}}};
}

Step bind_prepare(const BindScope& scope) {
  const ConvProblem problem = prepared_problem(scope.attributes);
  check_lanes("conv2d_prepare", problem.lanes, scope.kernels);
  const Conv2dAlgorithm& algorithm = preparing_algorithm(scope.attributes, problem);
  const Operand weight = scope.inputs[0], bias = scope.inputs[1], prepared = scope.outputs[0];
  Step step = bind_units(algorithm.prepare_units(problem),
                         [=, &kernels = scope.kernels, prepare = algorithm.prepare(problem)](const RunContext& run, Index unit) {
                           prepare(kernels, weight.data(run), bias.data(run), prepared.data(run), unit);
                         });
  step.algorithm = algorithm.name;
  return step;
}

}  // namespace

bool conv2d_takes_pool(const NodeView& conv, const Attributes& pool, int lanes) {
  if (pool.has("adaptive") || is_dilated(pool)) return false;
  if (conv.has_input(3) || conv.attributes.has("pool_kernel")) return false;
  const Conv2dAlgorithm& algorithm = algorithm_of(conv);
  ConvProblem problem = problem_of(geometry_of(conv), conv.attributes, lanes, algorithm.input == Want::plain);
  problem.pool = pool_geometry("max_pool", pool, {problem.N, problem.out_channels, problem.out_h, problem.out_w});
  return can_compute(algorithm, problem);
}

bool takes_over(const NodeView& node) { return node.has_input(3) && algorithm_of(node).takes_over; }

const Op k_conv2d = {.name = "conv2d",
                     .inputs = "x weight bias? residual? norm_weight? norm_bias? mean? var? scale?",
                     .infer = infer,
                     .layout = layout,
                     .bind = bind,
                     .backward = backward,
                     .ring = ring,
                     .choose = choose,
                     .band = band,
                     .band_sizes = band_sizes,
                     .in_place = {3},
                     .works_in_place = takes_over};

const Op k_conv2d_prepare = {
    .name = "conv2d_prepare", .inputs = "weight bias?", .infer = infer_prepare, .layout = want_plain, .bind = bind_prepare};

}  // namespace fastcnn
