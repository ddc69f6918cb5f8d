// scale_shift(x) -> y = scale x + shift, element by element, in any layout. Attributes: scale, shift.
// reduce_to(x) -> y of the attribute "shape", which broadcasts to the shape of x: the sum of x over the axes along which y would be
// repeated. It is the gradient of broadcasting. x and y are plain.
#include <algorithm>

#include "kernels/kernels.h"
#include "ops/ops.h"
#include "ops/views/broadcast.h"
#include "ops/views/reduction.h"
#include "ops/views/rows.h"

namespace fastcnn {

namespace {

// ---- scale_shift

std::vector<TensorType> infer_scale(const NodeView& node) {
  node.attributes.number("scale");
  node.attributes.number("shift");
  return {{.shape = node.input(0).shape}};
}

Step bind_scale(const BindScope& scope) {
  const OperandRows x(scope.inputs[0]), y(scope.outputs[0]);
  const float scale = static_cast<float>(scope.attributes.number("scale"));
  const float shift = static_cast<float>(scope.attributes.number("shift"));
  Step step = bind_units(y.count(), [=, scale_shift = scope.kernels.scale_shift](const RunContext& run, Index i) {
    scale_shift(y.data(run, i), x.data(run, i), y.length(i), scale, shift);
  });
  step.flops = 2 * elements_of(scope.outputs[0]);
  return step;
}

void backward_scale(GradientScope& scope) {
  scope.give(0, "scale_shift", {scope.output_gradients[0]}, {{"scale", scope.attributes.number("scale")}, {"shift", 0.0}});
}

// ---- reduce_to

std::vector<TensorType> infer_reduce(const NodeView& node) {
  const Shape to(node.attributes.integers("shape"));
  const Shape& from = node.input(0).shape;
  require(broadcast_shapes(from, to, "reduce_to") == from, "reduce_to", "the shape must be one that broadcasts to the input's", "input ",
          from, ", shape ", to);
  return {{.shape = to}};
}

Step bind_reduce(const BindScope& scope) {
  const Operand x = scope.inputs[0], y = scope.outputs[0];
  const Shape &from = x.type.shape, &to = y.type.shape;
  std::vector<bool> is_reduced;
  for (int axis = 0; axis < from.rank(); ++axis) {
    const int own = axis - (from.rank() - to.rank());
    is_reduced.push_back(own < 0 || to[own] == 1);
  }
  return bind_reduction(x, y, Reduction(from, is_reduced), Sum{}, itself);
}

}  // namespace

const Op k_scale_shift = {.name = "scale_shift",
                          .inputs = "x",
                          .infer = infer_scale,
                          .layout = want_same,
                          .bind = bind_scale,
                          .backward = backward_scale,
                          .band = band_elementwise,
                          .in_place = {0}};
const Op k_reduce_to = {.name = "reduce_to", .inputs = "x", .infer = infer_reduce, .layout = want_plain, .bind = bind_reduce};

}  // namespace fastcnn
