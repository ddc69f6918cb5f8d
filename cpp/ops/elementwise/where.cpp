// where: y = condition != 0 ? a : b, element by element with NumPy's broadcasting. a or b may be left out and is then zero, which is what
// the gradients need: da = where(condition, dy, -), db = where(condition, -, dy). The condition has no gradient.
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
  const Operand y = scope.outputs[0];
  const BroadcastRows rows(y, scope.inputs, scope.kernels.lanes);
  Step step;
  step.units = rows.count();
  step.scratch_bytes = rows.scratch_bytes();
  step.flops = static_cast<double>(y.type.shape.elements());
  step.run = [=, where = scope.kernels.where](const RunContext& run, Index begin, Index end) {
    for (Index i = begin; i < end; ++i) {
      const BroadcastRows::Row row = rows.row(i, run);
      where({row.y, rows.input(0, row, run), rows.input(1, row, run), rows.input(2, row, run), row.length});
    }
  };
  return step;
}

void backward(GradientScope& scope) {
  for (std::size_t i = 1; i < 3; ++i) {
    if (!scope.wanted[i]) continue;
    std::vector<ValueId> inputs = {scope.inputs[0], kNoValue, kNoValue};
    inputs[i] = scope.output_gradients[0];
    const ValueId gradient = scope.graph.add_one("where", inputs);
    const Shape& shape = scope.graph.type(scope.inputs[i]).shape;
    const bool whole = scope.graph.type(gradient).shape == shape;
    scope.input_gradients[i] = whole ? gradient : scope.graph.add_one("reduce_to", {gradient}, {{"shape", shape.sizes()}});
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
