// cast(x) -> y: int32, as arg_max and top_k give it, converted to float32; exact below 2^24, else rounded to even. Both are plain and of
// one shape. It has no gradient.
#include "ops/ops.h"
#include "ops/views/rows.h"

namespace fastcnn {

namespace {

std::vector<TensorType> infer(const NodeView& node) { return {{.shape = node.input(0).shape}}; }

Step bind(const BindScope& scope) {
  const OperandRows x(scope.inputs[0]), y(scope.outputs[0]);
  Step step = bind_units(y.count(), [=](const RunContext& run, Index row) {
    const std::int32_t* from = x.data<std::int32_t>(run, row);
    float* to = y.data(run, row);
    const Index count = y.length(row);
    for (Index i = 0; i < count; ++i) to[i] = static_cast<float>(from[i]);
  });
  step.flops = elements_of(scope.outputs[0]);
  return step;
}

}  // namespace

const Op k_cast = {.name = "cast", .inputs = "x#", .infer = infer, .layout = want_plain, .bind = bind};

}  // namespace fastcnn
