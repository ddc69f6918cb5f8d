// where(condition, a?, b?) -> y = condition != 0 ? a : b, element by element with NumPy's broadcasting, in any layout. One of a and b may
// be left out and is then zero. The gradients need that: da = where(condition, dy, -), db = where(condition, -, dy). The condition has
// none.
#include "kernels/kernels.h"
#include "ops/ops.h"
#include "ops/views/broadcast.h"
#include "ops/views/broadcast_rows.h"

namespace fastcnn {

namespace {

std::vector<TensorType> infer(const NodeView& node) {
  Shape shape = node.input(0).shape;
  for (std::size_t i = 1; i < 3; ++i)
    if (node.has_input(i)) shape = broadcast_shapes(shape, node.input(i).shape, "where");
  require(node.has_input(1) || node.has_input(2), "where", "a or b must be given");
  return {{.shape = shape}};
}

Step bind(const BindScope& scope) {
  return bind_broadcast_rows(
      scope.outputs[0], scope.inputs, scope.kernels.lanes,
      [where = scope.kernels.where](const auto& row, const auto& input) { where({row.y, input(0), input(1), input(2), row.length}); });
}

void backward(GradientScope& scope) {
  for (std::size_t i = 1; i < 3; ++i) {
    if (!scope.wanted[i]) continue;
    std::vector<ValueId> inputs = {scope.inputs[0], kNoValue, kNoValue};
    inputs[i] = scope.output_gradients[0];
    const ValueId gradient = scope.graph.add_one("where", inputs);
    scope.input_gradients[i] = reduced_to(scope.graph, gradient, scope.graph.type(scope.inputs[i]).shape);
  }
}

}  // namespace

const Op k_where = {.name = "where",
                    .inputs = "condition a? b?",
                    .infer = infer,
                    .layout = broadcast_layout,
                    .bind = bind,
                    .backward = backward,
                    .in_place = {0, 1, 2}};

}  // namespace fastcnn
