// transpose(x) -> y with the axes of x in another order: axis i of y is axis axes[i] of x. Both are plain. The gradient is the inverse
// transpose.
#include "ops/ops.h"
#include "ops/views/strided_copy.h"

namespace fastcnn {

namespace {

// The attribute "axes", counted from the front; negative ones count from the end. It must name every axis of `shape` once.
std::vector<std::size_t> permutation_of(const Attributes& attributes, const Shape& shape) {
  const std::vector<Index>& axes = attributes.integers("axes");
  const Index rank = shape.rank();
  std::vector<std::size_t> found;
  std::vector<bool> seen(static_cast<std::size_t>(rank), false);
  for (Index axis : axes) {
    const bool inside = axis >= -rank && axis < rank;
    const auto at = static_cast<std::size_t>(!inside ? 0 : axis < 0 ? axis + rank : axis);
    require(inside && !seen[at], "transpose", join("axes must name each of the ", rank, " axes once"), "axis ", axis);
    seen[at] = true;
    found.push_back(at);
  }
  require(static_cast<Index>(found.size()) == rank, "transpose", join("axes must name each of the ", rank, " axes once"), found.size(),
          " of them");
  return found;
}

std::vector<TensorType> infer(const NodeView& node) {
  const Shape& x = node.input(0).shape;
  std::vector<Index> sizes;
  for (std::size_t axis : permutation_of(node.attributes, x)) sizes.push_back(x[static_cast<int>(axis)]);
  return {{.shape = Shape(sizes), .dtype = node.input(0).dtype}};
}

Step bind(const BindScope& scope) {
  const Shape& x = scope.inputs[0].type.shape;
  std::vector<Index> x_strides(static_cast<std::size_t>(x.rank()));
  Index stride = 1;
  for (int i = x.rank(); i-- > 0; stride *= x[i]) x_strides[static_cast<std::size_t>(i)] = stride;
  std::vector<Index> strides;
  for (std::size_t axis : permutation_of(scope.attributes, x)) strides.push_back(x_strides[axis]);
  return bind_strided_copy(scope.inputs[0], scope.outputs[0], strides);
}

void backward(GradientScope& scope) {
  const std::vector<std::size_t> axes = permutation_of(scope.attributes, scope.graph.type(scope.inputs[0]).shape);
  std::vector<Index> inverse(axes.size());
  for (std::size_t i = 0; i < axes.size(); ++i) inverse[axes[i]] = static_cast<Index>(i);
  scope.give(0, "transpose", {scope.output_gradients[0]}, {{"axes", inverse}});
}

}  // namespace

const Op k_transpose = {.name = "transpose", .inputs = "x*", .infer = infer, .layout = want_plain, .bind = bind, .backward = backward};

}  // namespace fastcnn
