// top_k(x) -> values, places: the k largest (or smallest) entries along an axis, in order, and their indices, int32. Of equal entries the
// first comes first; a NaN is larger than anything. Both have the shape of x with size k along the axis; all are plain. It has no gradient.
// Attributes: axis, k, largest.
#include <algorithm>
#include <limits>
#include <numeric>

#include "ops/ops.h"
#include "ops/views/lines.h"

namespace fastcnn {

namespace {

std::vector<TensorType> infer(const NodeView& node) {
  const Shape& x = node.input(0).shape;
  const int axis = axis_of(node.attributes, x, "top_k");
  const Index k = node.attributes.integer("k");
  node.attributes.flag("largest");
  require(x[axis] <= std::numeric_limits<std::int32_t>::max(), "top_k", "the axis must have fewer than 2^31 entries", x);
  require(k >= 0 && k <= x[axis], "top_k", join("k must be between 0 and ", x[axis]), "k=", k);
  const Shape y = with_size(x, axis, k);
  return {{.shape = y}, {.shape = y, .dtype = DType::i32}};
}

// A strict order of all indices of a line, also of those with equal values or NaN.
struct Before {
  const float* values;
  Index stride;
  bool largest;

  bool operator()(std::int32_t i, std::int32_t j) const {
    const float a = values[i * stride], b = values[j * stride];
    if (a < b || a > b) return (a > b) == largest;
    if ((a != a) != (b != b)) return (a != a) == largest;
    return i < j;
  }
};

Step bind(const BindScope& scope) {
  const Operand x = scope.inputs[0], values = scope.outputs[0], places = scope.outputs[1];
  const int axis = axis_of(scope.attributes, x.type.shape, "top_k");
  const Lines from(x.type.shape, axis), to(values.type.shape, axis);
  const bool largest = scope.attributes.flag("largest");
  Step step = bind_units(to.size ? to.count() : 0, [=](const RunContext& run, Index line) {
    std::int32_t* order = run.scratch_data<std::int32_t>();
    const float* entries = x.data(run) + from.first(line);
    std::iota(order, order + from.size, 0);
    std::partial_sort(order, order + to.size, order + from.size, Before{entries, from.inner, largest});
    for (Index i = 0; i < to.size; ++i) {
      const Index at = to.first(line) + i * to.inner;
      values.data(run)[at] = entries[order[i] * from.inner];
      places.data<std::int32_t>(run)[at] = order[i];
    }
  });
  step.flops = 4 * elements_of(x);
  step.scratch_bytes = from.size * bytes_of(DType::i32);
  return step;
}

}  // namespace

const Op k_top_k = {.name = "top_k", .inputs = "x", .infer = infer, .layout = want_plain, .bind = bind};

}  // namespace fastcnn
