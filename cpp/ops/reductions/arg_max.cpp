// arg_max(x) -> y: the index of the largest entry along an axis, int32. Of equal entries it is the first, or the last with the attribute
// "last". A NaN is larger than anything. y has the shape of x without the axis, or with size 1 there if keepdims. Both are plain. No
// gradient. Attributes: axis, keepdims, last.
#include <limits>

#include "ops/ops.h"
#include "ops/views/lines.h"

namespace fastcnn {

namespace {

std::vector<TensorType> infer(const NodeView& node) {
  const Shape& x = node.input(0).shape;
  const int axis = axis_of(node.attributes, x, "arg_max");
  node.attributes.flag("last");
  require(x[axis] >= 1 && x[axis] <= std::numeric_limits<std::int32_t>::max(), "arg_max", "the axis must have at least one entry", x);
  std::vector<Index> sizes = x.sizes();
  if (node.attributes.flag("keepdims"))
    sizes[static_cast<std::size_t>(axis)] = 1;
  else
    sizes.erase(sizes.begin() + axis);
  return {{.shape = Shape(sizes), .dtype = DType::i32}};
}

// Whether `a`, a later entry, replaces `b` as the largest.
bool replaces(float a, float b, bool last) {
  if (b != b) return last && a != a;
  return a > b || a != a || (last && a == b);
}

Step bind(const BindScope& scope) {
  const Operand x = scope.inputs[0], y = scope.outputs[0];
  const Lines lines(x.type.shape, axis_of(scope.attributes, x.type.shape, "arg_max"));
  const bool last = scope.attributes.flag("last");
  Step step = bind_units(lines.count(), [=](const RunContext& run, Index line) {
    const float* from = x.data(run) + lines.first(line);
    Index most = 0;
    for (Index i = 1; i < lines.size; ++i)
      if (replaces(from[i * lines.inner], from[most * lines.inner], last)) most = i;
    y.data<std::int32_t>(run)[line] = static_cast<std::int32_t>(most);
  });
  step.flops = elements_of(x);
  return step;
}

}  // namespace

const Op k_arg_max = {.name = "arg_max", .inputs = "x", .infer = infer, .layout = want_plain, .bind = bind};

}  // namespace fastcnn
