// resample(x) -> y: weighted sums along one axis, y[i] = sum over t < taps of weights[i taps + t] x[indices[i taps + t]]. It computes
// linear, cubic and antialiased resizing, one axis after the other. resample_backward(dy) -> dx: the product with the transposed matrix,
// summed in the order of the outputs.
//
// Attributes of both: axis, taps, indices, weights. The backward has also size, the number of entries of the axis in x. A weight of 0 reads
// nothing. Values are plain or images (ops/views/axis_pieces.h); y has the shape of x but for this axis.
#include <cmath>

#include "ops/ops.h"
#include "ops/views/axis_pieces.h"
#include "ops/views/sparse_rows.h"

namespace fastcnn {

namespace {

// Checks every rule of the attributes, for an axis of `size` entries, and returns the number of outputs.
Index checked_outputs(std::string_view op, const Attributes& attributes, Index size) {
  const Index taps = attributes.integer("taps");
  const std::vector<Index>& indices = attributes.integers("indices");
  const std::vector<double> weights = attributes.numbers("weights");
  const Index entries = static_cast<Index>(indices.size());
  require(taps >= 1, op, "taps must be at least 1", "taps=", taps);
  require(entries % taps == 0, op, "there must be `taps` indices for each output", entries, " indices, taps=", taps);
  require(weights.size() == indices.size(), op, "there must be a weight for each index", weights.size(), " weights, ", entries, " indices");
  for (Index index : indices) require(index >= 0 && index < size, op, join("indices must be between 0 and ", size - 1), "index ", index);
  for (double weight : weights) require(std::isfinite(static_cast<float>(weight)), op, "weights must be finite", weight);
  return entries / taps;
}

SparseRows rows_of(const Attributes& attributes) {
  const std::vector<Index>& indices = attributes.integers("indices");
  const std::vector<double> weights = attributes.numbers("weights");
  const auto taps = static_cast<std::size_t>(attributes.integer("taps"));
  SparseRows rows;
  for (std::size_t i = 0; i < indices.size(); ++i) {
    if (weights[i] != 0) rows.add(indices[i], static_cast<float>(weights[i]));
    if (i % taps + 1 == taps) rows.end_row();
  }
  return rows;
}

std::vector<TensorType> infer(const NodeView& node) {
  const Shape& x = node.input(0).shape;
  const int axis = axis_of(node.attributes, x, "resample");
  return {{.shape = with_size(x, axis, checked_outputs("resample", node.attributes, x[axis]))}};
}

LayoutWish layout(const NodeView& node) { return want_pieces(node, axis_of(node.attributes, node.input(0).shape, "resample")); }

Step bind(const BindScope& scope) {
  return bind_sparse_rows(scope, axis_of(scope.attributes, scope.inputs[0].type.shape, "resample"), rows_of(scope.attributes));
}

void backward(GradientScope& scope) { give_axis_gradient(scope, "resample_backward"); }

std::vector<TensorType> infer_backward(const NodeView& node) {
  const char* op = "resample_backward";
  const Index outputs = checked_outputs(op, node.attributes, node.attributes.integer("size"));
  return infer_axis_gradient(op, node, outputs, "output", "outputs");
}

Step bind_backward(const BindScope& scope) {
  const int axis = axis_of(scope.attributes, scope.outputs[0].type.shape, "resample_backward");
  return bind_sparse_rows(scope, axis, rows_of(scope.attributes).transposed(scope.attributes.integer("size")));
}

}  // namespace

const Op k_resample = {.name = "resample", .inputs = "x", .infer = infer, .layout = layout, .bind = bind, .backward = backward};
const Op k_resample_backward = {
    .name = "resample_backward", .inputs = "dy", .infer = infer_backward, .layout = layout, .bind = bind_backward};

}  // namespace fastcnn
