// upsampled_conv2d_prepare(weight, bias?) -> prepared: the weights of upsampled_conv2d at all points and the bias (point_weights), a plain
// array. The weight of a point is a sum of taps. weight: (O, C, 2, 2) or (O, C, 3, 3); bias: (O,). Attributes: "padding", "kernel",
// "lanes".
#include "kernels/kernels.h"
#include "ops/convolution/upsampled.h"
#include "ops/ops.h"

namespace fastcnn {

namespace {

UpsampledAxis axis_of(std::string_view op, Index before, Index behind, Index taps) {
  require(before <= 1 && behind <= 1 && before + behind == taps - 1, op, "padding must be 0 or 1 a side, and keep the size", "padding ",
          before, " and ", behind, ", kernel ", taps);
  return {before == 1, behind == 1};
}

// The taps whose sum is the weight of point `at` of an axis.
TapRange taps_of(const UpsampledAxis& axis, int taps, int at) {
  if (at == 0) return {0, taps};
  return axis.before && at == 1 ? TapRange{0, 1} : TapRange{taps - 1, taps};
}

Upsampled prepared(const Attributes& attributes, const Shape& weight) {
  require(weight.rank() == 4, "upsampled_conv2d_prepare", "weight must have rank 4", weight);
  const int lanes = checked_lanes("upsampled_conv2d_prepare", attributes);
  return upsampled("upsampled_conv2d_prepare", attributes, {1, weight[1], 1, 1}, weight, lanes);
}

std::vector<TensorType> infer(const NodeView& node) {
  const Upsampled u = prepared(node.attributes, node.input(0).shape);
  if (node.has_input(1))
    require(node.input(1).shape == Shape{u.O}, "upsampled_conv2d_prepare", "bias must be (out_channels,)", node.input(1).shape);
  return {{.shape = {point_weights(u.problem(), u.points())}}};
}

Step bind(const BindScope& scope) {
  const Upsampled u = prepared(scope.attributes, scope.inputs[0].type.shape);
  check_lanes("upsampled_conv2d_prepare", u.lanes, scope.kernels);
  const Operand weight = scope.inputs[0], bias = scope.inputs[1], to = scope.outputs[0];
  const ConvProblem problem = u.problem();
  return bind_units(problem.out_pairs(),
                    [=, points = u.points(), sums = sums_of_taps(u), &kernels = scope.kernels](const RunContext& run, Index tile) {
                      prepare_points(kernels, problem, points, sums, weight.data(run), bias.data(run), to.data(run), tile);
                    });
}

}  // namespace

Upsampled upsampled(std::string_view op, const Attributes& attributes, const Shape& x, const Shape& weight, int lanes) {
  require(x.rank() == 4, op, "input must be (N, C, H, W)", x);
  require(weight.rank() == 4 && weight[2] == weight[3] && (weight[2] == 2 || weight[2] == 3), op,
          "weight must be (out_channels, in_channels, 2, 2) or (.., 3, 3)", weight);
  require(weight[1] == x[1], op, "input must have the weight's number of channels", x, ", weight ", weight);
  const auto& padding = attributes.integers("padding", 4, 0, op);
  return {x[0],
          x[1],
          x[2],
          x[3],
          weight[0],
          weight[2],
          axis_of(op, padding[0], padding[2], weight[2]),
          axis_of(op, padding[1], padding[3], weight[2]),
          lanes};
}

ConvProblem Upsampled::problem() const {
  const Attributes attributes = plain_windows({rows.before, columns.before, rows.behind, columns.behind});
  return forward_problem(conv2d_geometry(attributes, {N, C, 2 * H, 2 * W}, {O, C, taps, taps}), lanes, false);
}

PanelWeights sums_of_taps(const Upsampled& u) {
  UpsampledWeights unit{};
  unit.taps = static_cast<int>(u.taps);
  unit.down = 1 + u.rows.neighbours();
  unit.across = 1 + u.columns.neighbours();
  const auto list = [&](const UpsampledAxis& axis, TapRange(&ranges)[3]) {
    for (int at = 0; at <= axis.neighbours(); ++at) ranges[at] = taps_of(axis, unit.taps, at);
  };
  list(u.rows, unit.rows);
  list(u.columns, unit.columns);
  return [unit](const Kernels& kernels, const float* filters, Index count, float* weights, Index point_stride) {
    UpsampledWeights sums = unit;
    sums.filters = filters;
    sums.count = count;
    sums.weights = weights;
    sums.point_stride = point_stride;
    kernels.upsampled_weights(sums);
  };
}

const Op k_upsampled_conv2d_prepare = {
    .name = "upsampled_conv2d_prepare", .inputs = "weight bias?", .infer = infer, .layout = want_plain, .bind = bind};

}  // namespace fastcnn
