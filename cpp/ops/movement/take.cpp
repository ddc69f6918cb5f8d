// take(x) -> y: entries of one axis by constant indices, y[i] = x[indices[i]], or `value` where the index is -1. It computes nearest
// upsampling, padding of any mode, and slices with steps.
// take_backward(dy) -> dx: each entry of x sums the gradients of all entries of y that took it, in their order.
//
// Attributes of both: axis, indices, value. The backward has also size, the number of entries of the axis in x. Values are plain or images
// (ops/views/axis_pieces.h); y has the shape of x but for this axis.
#include <bit>
#include <cmath>
#include <cstring>

#include "ops/ops.h"
#include "ops/views/axis_pieces.h"
#include "ops/views/sparse_rows.h"

namespace fastcnn {

namespace {

const std::vector<Index>& checked_indices(std::string_view op, const Attributes& attributes, Index size) {
  const std::vector<Index>& indices = attributes.integers("indices");
  for (Index index : indices) require(index >= -1 && index < size, op, join("indices must be between -1 and ", size - 1), "index ", index);
  return indices;
}

std::vector<TensorType> infer(const NodeView& node) {
  const Shape& x = node.input(0).shape;
  const int axis = axis_of(node.attributes, x, "take");
  const std::vector<Index>& indices = checked_indices("take", node.attributes, x[axis]);
  const double value = node.attributes.number("value");
  require(!std::isnan(value), "take", "value must be a number", "nan");
  const DType dtype = node.input(0).dtype;
  require(dtype == DType::f32 || (-0x1p31 <= value && value < 0x1p31 && value == std::trunc(value)), "take",
          "value must be an int32, as the input is", value);
  return {{.shape = with_size(x, axis, static_cast<Index>(indices.size())), .dtype = dtype}};
}

LayoutWish layout(const NodeView& node) {
  if (node.input(0).dtype != DType::f32) return want_plain(node);
  return want_pieces(node, axis_of(node.attributes, node.input(0).shape, "take"));
}

// `value` as a float; for int32 a float with its bits, which is only copied.
float filling(DType dtype, double value) {
  return dtype == DType::i32 ? std::bit_cast<float>(static_cast<std::int32_t>(value)) : static_cast<float>(value);
}

// y[i] = x[indices[i]] for the pieces of one line.
void take_pieces(const LinePart& part, const Index* indices, float value) {
  const auto [x, y, first, count, piece, x_stride, y_stride] = part;
  if (piece == 1) {
    for (Index i = 0; i < count; ++i) y[i * y_stride] = indices[i] < 0 ? value : x[indices[i] * x_stride];
    return;
  }
  for (Index i = 0; i < count; ++i) {
    if (indices[i] < 0)
      std::fill_n(y + i * y_stride, piece, value);
    else
      std::memcpy(y + i * y_stride, x + indices[i] * x_stride, static_cast<std::size_t>(piece) * sizeof(float));
  }
}

// Along the rows the band takes some indices, and x is cut to the rows that they name. Along the columns it takes all.
std::optional<Band> band(const NodeView& node, RowRange made) {
  const TensorType& y = node.output(0);
  if (y.layout.plain()) return {};
  Band band{node.attributes, {Band::Input{made}}};
  if (axis_of(node.attributes, y.shape, "take") != 2) return band;
  const std::vector<Index>& all = node.attributes.integers("indices");
  std::vector<Index> indices(all.begin() + made.begin, all.begin() + made.end);
  RowRange rows{node.input(0).H(), 0};
  for (Index index : indices)
    if (index >= 0) rows = {std::min(rows.begin, index), std::max(rows.end, index + 1)};
  if (rows.empty()) return {};
  for (Index& index : indices)
    if (index >= 0) index -= rows.begin;
  band.inputs[0] = {rows};
  band.attributes.set("indices", std::move(indices));
  return band;
}

Step bind(const BindScope& scope) {
  const Operand x = scope.inputs[0], y = scope.outputs[0];
  const int axis = axis_of(scope.attributes, x.type.shape, "take");
  const float value = filling(x.type.dtype, scope.attributes.number("value"));
  return bind_pieces(x, y, axis, [value, indices = scope.attributes.integers("indices")](const LinePart& part) {
    take_pieces(part, indices.data() + part.first, value);
  });
}

void backward(GradientScope& scope) { give_axis_gradient(scope, "take_backward"); }

std::vector<TensorType> infer_backward(const NodeView& node) {
  const char* op = "take_backward";
  const std::vector<Index>& indices = checked_indices(op, node.attributes, node.attributes.integer("size"));
  return infer_axis_gradient(op, node, static_cast<Index>(indices.size()), "index", "indices");
}

Step bind_backward(const BindScope& scope) {
  const int axis = axis_of(scope.attributes, scope.outputs[0].type.shape, "take_backward");
  SparseRows taken;
  for (Index index : scope.attributes.integers("indices")) {
    if (index >= 0) taken.add(index, 1.0f);
    taken.end_row();
  }
  return bind_sparse_rows(scope, axis, taken.transposed(scope.attributes.integer("size")));
}

}  // namespace

const Op k_take = {.name = "take", .inputs = "x*", .infer = infer, .layout = layout, .bind = bind, .backward = backward, .band = band};
const Op k_take_backward = {.name = "take_backward", .inputs = "dy", .infer = infer_backward, .layout = layout, .bind = bind_backward};

}  // namespace fastcnn
