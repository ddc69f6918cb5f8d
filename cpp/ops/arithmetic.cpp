// add, multiply: element by element with NumPy's broadcasting; operands of equal shapes in any layout, others plain.
// scale_shift: y = scale x + shift. reduce_to: the sum over the axes along which a smaller shape was repeated, the gradient of
// broadcasting.
#include <algorithm>

#include "kernels/kernels.h"
#include "ops/broadcast.h"
#include "ops/ops.h"
#include "ops/reduction.h"
#include "ops/rows.h"

namespace fastcnn {

namespace {

using Binary = void (*)(float*, const float*, const float*, int64_t);

template <bool Multiply>
std::vector<TensorType> infer(const NodeView& node) {
  return {{.shape = broadcast_shapes(node.input(0).shape, node.input(1).shape, Multiply ? "multiply" : "add")}};
}

LayoutWish layout(const NodeView& node) { return node.input(0).shape == node.input(1).shape ? want_same(node) : want_plain(node); }

Step bind_equal(const BindScope& scope, Binary kernel) {
  const Operand a = scope.inputs[0], b = scope.inputs[1], y = scope.outputs[0];
  const RowView as(a.type), bs(b.type), ys(y.type);
  Step step;
  step.units = ys.count();
  step.run = [=](const RunContext& run, Index begin, Index end) {
    for (Index i = begin; i < end; ++i) kernel(y.data(run) + ys.row(i), a.data(run) + as.row(i), b.data(run) + bs.row(i), ys.length(i));
  };
  return step;
}

// Rows along the last axis; there each operand either runs along or repeats one element.
Step bind_broadcast(const BindScope& scope, Binary kernel, bool multiplies) {
  const Operand a = scope.inputs[0], b = scope.inputs[1], y = scope.outputs[0];
  const Shape& shape = y.type.shape;
  const std::vector<Index> as = broadcast_strides(a.type.shape, shape), bs = broadcast_strides(b.type.shape, shape);
  const Index length = shape.rank() ? shape[-1] : 1, rows = length ? shape.elements() / length : 0;
  const bool a_runs = length == 1 || as.back() == 1, b_runs = length == 1 || bs.back() == 1;
  const auto scale_shift = scope.kernels.scale_shift;
  Step step;
  step.units = rows;
  step.run = [=](const RunContext& run, Index begin, Index end) {
    for (Index row = begin; row < end; ++row) {
      const float* pa = a.data(run) + offset_of(row * length, shape, as);
      const float* pb = b.data(run) + offset_of(row * length, shape, bs);
      float* py = y.data(run) + row * length;
      if (a_runs && b_runs) {
        kernel(py, pa, pb, length);
      } else {
        const float repeated = a_runs ? *pb : *pa;
        scale_shift(py, a_runs ? pa : pb, length, multiplies ? repeated : 1.0f, multiplies ? 0.0f : repeated);
      }
    }
  };
  return step;
}

Step bind(const BindScope& scope, Binary kernel, bool multiplies) {
  const bool equal = scope.inputs[0].type.shape == scope.inputs[1].type.shape;
  Step step = equal ? bind_equal(scope, kernel) : bind_broadcast(scope, kernel, multiplies);
  step.flops = static_cast<double>(scope.outputs[0].type.shape.elements());
  return step;
}

Step bind_add(const BindScope& scope) { return bind(scope, scope.kernels.add, false); }
Step bind_multiply(const BindScope& scope) { return bind(scope, scope.kernels.multiply, true); }

// Sums a gradient of the broadcast shape back to the shape of the operand.
ValueId reduced(GraphEditor& graph, ValueId gradient, const Shape& shape) {
  return graph.type(gradient).shape == shape ? gradient : graph.add_one("reduce_to", {gradient}, {{"shape", shape.sizes()}});
}

void backward_add(GradientScope& scope) {
  for (std::size_t i = 0; i < 2; ++i)
    if (scope.wanted[i])
      scope.input_gradients[i] = reduced(scope.graph, scope.output_gradients[0], scope.graph.type(scope.inputs[i]).shape);
  // Both operands may be one value: gradient() then sums the two.
}

void backward_multiply(GradientScope& scope) {
  for (std::size_t i = 0; i < 2; ++i) {
    if (!scope.wanted[i]) continue;
    const ValueId product = scope.graph.add_one("multiply", {scope.output_gradients[0], scope.inputs[1 - i]});
    scope.input_gradients[i] = reduced(scope.graph, product, scope.graph.type(scope.inputs[i]).shape);
  }
}

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

const Op k_add = {.name = "add",
                  .inputs = "a b",
                  .infer = infer<false>,
                  .layout = layout,
                  .bind = bind_add,
                  .backward = backward_add,
                  .in_place = {0, 1}};
const Op k_multiply = {.name = "multiply",
                       .inputs = "a b",
                       .infer = infer<true>,
                       .layout = layout,
                       .bind = bind_multiply,
                       .backward = backward_multiply,
                       .in_place = {0, 1}};
const Op k_scale_shift = {.name = "scale_shift",
                          .inputs = "x",
                          .infer = infer_scale,
                          .layout = want_same,
                          .bind = bind_scale,
                          .backward = backward_scale,
                          .in_place = {0}};
const Op k_reduce_to = {.name = "reduce_to", .inputs = "x", .infer = infer_reduce, .layout = want_plain, .bind = bind_reduce};

}  // namespace fastcnn
