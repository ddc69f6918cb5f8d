// scale_shift: y = scale x + shift. reduce_to: the sum over the axes along which a smaller shape was repeated, the gradient of
// broadcasting.
#include <algorithm>

#include "kernels/kernels.h"
#include "ops/broadcast.h"
#include "ops/ops.h"
#include "ops/rows.h"

namespace fastcnn {

namespace {

// ---- scale_shift

std::vector<TensorType> infer_scale(const NodeView& node) {
  node.attributes.number("scale"), node.attributes.number("shift");
  return {{.shape = node.input(0).shape}};
}

Step bind_scale(const BindScope& scope) {
  const Operand x = scope.inputs[0], y = scope.outputs[0];
  const RowView xs(x.type), ys(y.type);
  const float scale = static_cast<float>(scope.attributes.number("scale")), shift = static_cast<float>(scope.attributes.number("shift"));
  Step step;
  step.units = ys.count();
  step.flops = 2.0 * static_cast<double>(y.type.shape.elements());
  step.run = [=, scale_shift = scope.kernels.scale_shift](const RunContext& run, Index begin, Index end) {
    for (Index i = begin; i < end; ++i) scale_shift(y.data(run) + ys.row(i), x.data(run) + xs.row(i), ys.length(i), scale, shift);
  };
  return step;
}

void backward_scale(GradientScope& scope) {
  const Attributes attributes{{"scale", scope.attributes.number("scale")}, {"shift", 0.0}};
  if (scope.wanted[0]) scope.input_gradients[0] = scope.graph.add_one("scale_shift", {scope.output_gradients[0]}, attributes);
}

// ---- reduce_to

std::vector<TensorType> infer_reduce(const NodeView& node) {
  const Shape to(node.attributes.integers("shape"));
  const Shape& from = node.input(0).shape;
  require(broadcast_shapes(from, to, "reduce_to") == from, "reduce_to", "the shape must be one that broadcasts to the input's", "input ",
          from, ", shape ", to);
  return {{.shape = to}};
}

// A unit is one element of the result: it sums the elements that repeat it, in order, in double.
Step bind_reduce(const BindScope& scope) {
  const Operand x = scope.inputs[0], y = scope.outputs[0];
  const Shape from = x.type.shape, to = y.type.shape;
  std::vector<Index> repeated_sizes, kept_sizes;  // the axes of `from` that are summed over, and those that stay
  const std::vector<Index> to_strides = broadcast_strides(to, from);
  std::vector<Index> repeated_strides, kept_strides;
  Index stride = x.type.shape.elements();
  for (int axis = 0; axis < from.rank(); ++axis) {
    stride = from[axis] ? stride / from[axis] : 0;
    const bool kept = to_strides[static_cast<std::size_t>(axis)] != 0;
    (kept ? kept_sizes : repeated_sizes).push_back(from[axis]);
    (kept ? kept_strides : repeated_strides).push_back(stride);
  }
  const Shape kept(kept_sizes), repeated(repeated_sizes);
  Step step;
  step.units = to.elements();
  step.flops = static_cast<double>(from.elements());
  step.run = [=](const RunContext& run, Index begin, Index end) {
    for (Index i = begin; i < end; ++i) {
      const float* first = x.data(run) + offset_of(i, kept, kept_strides);
      double sum = 0;
      for (Index r = 0; r < repeated.elements(); ++r) sum += first[offset_of(r, repeated, repeated_strides)];
      y.data(run)[i] = static_cast<float>(sum);
    }
  };
  return step;
}

}  // namespace

const Op k_scale_shift = {.name = "scale_shift",
                          .inputs = "x",
                          .infer = infer_scale,
                          .layout = want_same,
                          .bind = bind_scale,
                          .backward = backward_scale,
                          .in_place = {0}};
const Op k_reduce_to = {.name = "reduce_to", .inputs = "x", .infer = infer_reduce, .layout = want_plain, .bind = bind_reduce};

}  // namespace fastcnn
