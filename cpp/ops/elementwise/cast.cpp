// cast: int32, as arg_max and top_k count, as float32: exact below 2^24, else rounded to even. It has no gradient.
#include "ops/ops.h"

namespace fastcnn {

namespace {

constexpr Index kRun = 4096;  // elements in a unit: 16 KB

std::vector<TensorType> infer(const NodeView& node) { return {{.shape = node.input(0).shape}}; }

Step bind(const BindScope& scope) {
  const Operand x = scope.inputs[0], y = scope.outputs[0];
  const Index elements = x.type.shape.elements();
  Step step;
  step.units = ceil_div(elements, kRun);
  step.flops = static_cast<double>(elements);
  step.run = [=](const RunContext& run, Index begin, Index end) {
    const std::int32_t* from = x.data<std::int32_t>(run);
    float* to = y.data(run);
    for (Index i = begin * kRun; i < std::min(elements, end * kRun); ++i) to[i] = static_cast<float>(from[i]);
  };
  return step;
}

}  // namespace

const Op k_cast = {.name = "cast", .inputs = "x#", .infer = infer, .layout = want_plain, .bind = bind};

}  // namespace fastcnn
