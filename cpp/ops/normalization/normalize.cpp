// normalize(x) -> y = (x - mean) / sqrt(variance + eps), inv_std = 1 / sqrt(variance + eps), with mean and biased variance over the last
// `axes` axes: the common part of layer, group and instance normalization. normalize_backward(dy, y, inv_std) -> dx = inv_std (dy - mean of
// dy - y mean of dy y).
//
// x, y, dy, dx: of one shape, plain. A row is the elements that are normalized together; inv_std has the shape of the other axes.
// Attributes of both: axes, eps. Statistics are computed in double, so a large mean costs no digits.
#include <cmath>

#include "ops/ops.h"
#include "ops/views/reduction.h"

namespace fastcnn {

namespace {

struct Rows {
  Index count = 1, length = 1;
  Shape statistics;  // one number per row
};

Rows rows_of(std::string_view op, const Attributes& attributes, const Shape& x) {
  const Index axes = attributes.integer("axes");
  require(axes >= 1 && axes <= x.rank(), op, join("axes must be between 1 and ", x.rank()), "axes=", axes);
  const double eps = attributes.number("eps");
  require(std::isfinite(eps) && eps >= 0, op, "eps must be at least 0", "eps=", eps);
  Rows rows;
  std::vector<Index> sizes;
  for (int i = 0; i < x.rank(); ++i) {
    const bool within = i >= x.rank() - axes;
    (within ? rows.length : rows.count) *= x[i];
    if (!within) sizes.push_back(x[i]);
  }
  rows.statistics = Shape(sizes);
  return rows;
}

// The mean of term(i) over i < length, in a fixed order.
template <class Term>
double mean_of(Index length, Term&& term) {
  double totals[8] = {};
  Index i = 0;
  for (; i + 8 <= length; i += 8)
    for (Index lane = 0; lane < 8; ++lane) totals[lane] += term(i + lane);
  for (; i < length; ++i) totals[i % 8] += term(i);
  double total = 0;
  for (double lane : totals) total += lane;
  return total / static_cast<double>(length);
}

std::vector<TensorType> infer(const NodeView& node) {
  const Shape& x = node.input(0).shape;
  return {{.shape = x}, {.shape = rows_of("normalize", node.attributes, x).statistics}};
}

Step bind(const BindScope& scope) {
  const Operand x = scope.inputs[0], y = scope.outputs[0], inv_std = scope.outputs[1];
  const Rows rows = rows_of("normalize", scope.attributes, x.type.shape);
  const double eps = scope.attributes.number("eps");
  Step step = bind_units(rows.count, [=](const RunContext& run, Index row) {
    const float* from = x.data(run) + row * rows.length;
    float* to = y.data(run) + row * rows.length;
    const double mean = mean_of(rows.length, [&](Index i) { return from[i]; });
    const double variance = mean_of(rows.length, [&](Index i) { return (from[i] - mean) * (from[i] - mean); });
    const double scale = 1 / std::sqrt(variance + eps);
    for (Index i = 0; i < rows.length; ++i) to[i] = static_cast<float>((from[i] - mean) * scale);
    inv_std.data(run)[row] = static_cast<float>(scale);
  });
  step.flops = 6 * elements_of(x);
  return step;
}

void backward(GradientScope& scope) {
  const ValueId dy = scope.output_gradients[0];
  require(dy != kNoValue && scope.output_gradients[1] == kNoValue, "normalize", "only the normalized values have a gradient");
  scope.give(0, "normalize_backward", {dy, scope.outputs[0], scope.outputs[1]}, scope.attributes);
}

std::vector<TensorType> infer_backward(const NodeView& node) {
  const char* op = "normalize_backward";
  const Shape &y = node.input(1).shape, &inv_std = node.input(2).shape;
  const Rows rows = rows_of(op, node.attributes, y);
  check_gradient(op, node.input(0).shape, y, "output");
  require(inv_std == rows.statistics, op, "inv_std must have one number for each row", inv_std);
  return {{.shape = y}};
}

Step bind_backward(const BindScope& scope) {
  const Operand dy = scope.inputs[0], y = scope.inputs[1], inv_std = scope.inputs[2], dx = scope.outputs[0];
  const Rows rows = rows_of("normalize_backward", scope.attributes, y.type.shape);
  Step step = bind_units(rows.count, [=](const RunContext& run, Index row) {
    const float *d = dy.data(run) + row * rows.length, *v = y.data(run) + row * rows.length;
    float* to = dx.data(run) + row * rows.length;
    const double mean = mean_of(rows.length, [&](Index i) { return d[i]; });
    const double product = mean_of(rows.length, [&](Index i) { return double{d[i]} * v[i]; });
    const double scale = inv_std.data(run)[row];
    for (Index i = 0; i < rows.length; ++i) to[i] = static_cast<float>(scale * (d[i] - mean - v[i] * product));
  });
  step.flops = 8 * elements_of(y);
  return step;
}

}  // namespace

const Op k_normalize = {
    .name = "normalize", .inputs = "x", .infer = infer, .layout = want_plain, .bind = bind, .backward = backward, .in_place = {0}};
const Op k_normalize_backward = {.name = "normalize_backward",
                                 .inputs = "dy y inv_std",
                                 .infer = infer_backward,
                                 .layout = want_plain,
                                 .bind = bind_backward,
                                 .in_place = {0, 1}};

}  // namespace fastcnn
