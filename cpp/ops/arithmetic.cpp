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

// The axes of the input, neighbours of one kind merged: `kept` in the result, or summed over. Sizes of 1 are left out.
struct Axis {
  Index size, stride;
  bool kept;
};

std::vector<Axis> merged_axes(const Shape& from, const Shape& to) {
  const std::vector<Index> to_strides = broadcast_strides(to, from);
  std::vector<Axis> axes;
  Index stride = 1;
  for (int i = from.rank() - 1; i >= 0; stride *= from[i], --i) {
    if (from[i] == 1) continue;
    const bool kept = to_strides[static_cast<std::size_t>(i)] != 0;
    if (!axes.empty() && axes.back().kept == kept)
      axes.back().size *= from[i];
    else
      axes.push_back({from[i], stride, kept});
  }
  return axes;
}

// What is left of the axes of one kind, to be counted through.
struct Grid {
  std::vector<Axis> axes;  // the last axis first
  Index count = 1;

  void add(const Axis& axis) { axes.push_back(axis), count *= axis.size; }
  Index offset(Index i) const {
    Index at = 0;
    for (const Axis& axis : axes) at += i % axis.size * axis.stride, i /= axis.size;
    return at;
  }
};

// A unit is up to 64 neighbours of the result, or one where the last axis is summed over. Each is summed in order, in double.
struct BoundReduce {
  static constexpr Index kMostSums = 64;

  Operand x, y;
  Grid kept, summed;
  Index neighbours = 1, run = 1;  // of the last axis: in the result, or to be summed

  BoundReduce(const Operand& from, const Operand& to) : x(from), y(to) {
    const std::vector<Axis> axes = merged_axes(x.type.shape, y.type.shape);
    for (std::size_t i = 0; i < axes.size(); ++i) {
      if (i == 0)
        (axes[i].kept ? neighbours : run) = axes[i].size;
      else
        (axes[i].kept ? kept : summed).add(axes[i]);
    }
  }
  Index units() const { return kept.count * ceil_div(neighbours, kMostSums); }

  void run_unit(const RunContext& context, Index unit) const {
    const Index chunks = ceil_div(neighbours, kMostSums), first = unit % chunks * kMostSums,
                count = std::min(kMostSums, neighbours - first);
    const float* from = x.data(context) + kept.offset(unit / chunks) + first;
    double sums[kMostSums] = {};
    for (Index i = 0; i < summed.count; ++i) {
      const float* line = from + summed.offset(i);
      if (neighbours == 1)
        for (Index k = 0; k < run; ++k) sums[0] += line[k];
      else
        for (Index k = 0; k < count; ++k) sums[k] += line[k];
    }
    float* to = y.data(context) + unit / chunks * neighbours + first;
    for (Index k = 0; k < count; ++k) to[k] = static_cast<float>(sums[k]);
  }
};

Step bind_reduce(const BindScope& scope) {
  const BoundReduce reduce(scope.inputs[0], scope.outputs[0]);
  Step step;
  step.units = reduce.units();
  step.flops = static_cast<double>(reduce.x.type.shape.elements());
  step.run = [reduce](const RunContext& run, Index begin, Index end) {
    for (Index unit = begin; unit < end; ++unit) reduce.run_unit(run, unit);
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
