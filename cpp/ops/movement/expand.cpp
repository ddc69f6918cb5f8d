// expand(x) -> y of the attribute "shape": x repeated along axes, by NumPy's rules of broadcasting. Both are plain. Its gradient is
// reduce_to.
#include "ops/ops.h"
#include "ops/views/broadcast.h"
#include "ops/views/strided_copy.h"

namespace fastcnn {

namespace {

std::vector<TensorType> infer(const NodeView& node) {
  const Shape& from = node.input(0).shape;
  const Shape to(node.attributes.integers("shape"));
  require(broadcast_shapes(from, to, "expand") == to, "expand", "the shape must be one that the input broadcasts to", "input ", from,
          ", shape ", to);
  return {{.shape = to, .dtype = node.input(0).dtype}};
}

Step bind(const BindScope& scope) {
  const Operand x = scope.inputs[0], y = scope.outputs[0];
  return bind_strided_copy(x, y, broadcast_strides(x.type.shape, y.type.shape));
}

void backward(GradientScope& scope) {
  scope.give(0, "reduce_to", {scope.output_gradients[0]}, {{"shape", scope.graph.type(scope.inputs[0]).shape.sizes()}});
}

}  // namespace

const Op k_expand = {.name = "expand", .inputs = "x*", .infer = infer, .layout = want_plain, .bind = bind, .backward = backward};

}  // namespace fastcnn
