// fold_batch_norm(weight, bias?, norm_weight?, norm_bias?, mean, var) -> weight', bias': the weights of a convolution with the batch
// normalization behind it, or before it, folded in. With scale = norm_weight / sqrt(var + eps) and shift = norm_bias - mean scale:
//   behind   weight'[o, c] = weight[o, c] scale[o]     bias'[o] = bias[o] scale[o] + shift[o]
//   before   weight'[o, c] = weight[o, c] scale[c]     bias'[o] = bias[o] + sum over c, i, j of weight[o, c, i, j] shift[c]
//
// weight, weight': (O, C / groups, KH, KW), or (C, O / groups, KH, KW) with the attribute "transposed", as a transposed convolution has it;
// bias, bias': (O,); the statistics: (O,), or (C,) with the attribute "before". All are plain. Attributes: eps, before, groups, transposed.
// The pass fold_batch_norms adds it, never where a gradient is needed.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "ops/normalization/batch_norm.h"
#include "ops/ops.h"

namespace fastcnn {

namespace {

struct Channels {
  Index groups, in_a_group, out_a_group, plane;
  bool transposed;

  Index inputs() const { return groups * in_a_group; }
  Index outputs() const { return groups * out_a_group; }
  // The start of the filter from input `in` to output `out`, both counted within their group.
  Index filter(Index group, Index in, Index out) const {
    return plane * (transposed ? (group * in_a_group + in) * out_a_group + out : (group * out_a_group + out) * in_a_group + in);
  }
};

Channels channels_of(const Attributes& attributes, const Shape& weight) {
  const char* op = "fold_batch_norm";
  require(weight.rank() == 4, op, "weight must have 4 axes", weight);
  const Index groups = attributes.integer("groups");
  require(groups >= 1 && weight[0] % groups == 0, op, "groups must divide the first axis of weight", "groups=", groups, ", weight ",
          weight);
  const bool transposed = attributes.flag("transposed");
  const Index first = weight[0] / groups;
  return {groups, transposed ? first : weight[1], transposed ? weight[1] : first, weight[2] * weight[3], transposed};
}

std::vector<TensorType> infer(const NodeView& node) {
  const Channels channels = channels_of(node.attributes, node.input(0).shape);
  checked_eps("fold_batch_norm", node.attributes);
  const Index normed = node.attributes.flag("before") ? channels.inputs() : channels.outputs();
  for (const auto& [index, name, size] : {std::tuple{1, "bias", channels.outputs()},
                                          {2, "norm_weight", normed},
                                          {3, "norm_bias", normed},
                                          {4, "mean", normed},
                                          {5, "var", normed}})
    if (node.has_input(static_cast<std::size_t>(index)))
      require(node.input(static_cast<std::size_t>(index)).shape == Shape{size}, "fold_batch_norm", join(name, " must be (channels,)"),
              node.input(static_cast<std::size_t>(index)).shape, ", channels=", size);
  return {{.shape = node.input(0).shape}, {.shape = {channels.outputs()}}};
}

// A unit is an output channel.
Step bind(const BindScope& scope) {
  const Operand weight = scope.inputs[0], bias = scope.inputs[1], norm_weight = scope.inputs[2], norm_bias = scope.inputs[3];
  const Operand mean = scope.inputs[4], var = scope.inputs[5], folded = scope.outputs[0], folded_bias = scope.outputs[1];
  const Channels channels = channels_of(scope.attributes, weight.type.shape);
  const bool before = scope.attributes.flag("before");
  const double eps = scope.attributes.number("eps");
  Step step;
  step.units = channels.outputs();
  step.run = [=](const RunContext& run, Index begin, Index end) {
    const auto entry = [&](const Operand& array, Index i, double missing) { return array.given ? double{array.data(run)[i]} : missing; };
    const auto scale = [&](Index i) { return entry(norm_weight, i, 1) / std::sqrt(entry(var, i, 1) + eps); };
    const auto shift = [&](Index i) { return entry(norm_bias, i, 0) - entry(mean, i, 0) * scale(i); };
    for (Index out = begin; out < end; ++out) {
      const Index group = out / channels.out_a_group;
      const double scale_after = before ? 1 : scale(out);
      double sum = before ? entry(bias, out, 0) : entry(bias, out, 0) * scale_after + shift(out);
      // The filters of an output have one factor if the normalization is behind; then they are one piece, unless transposed.
      const bool together = !before && !channels.transposed;
      const Index pieces = together ? 1 : channels.in_a_group;
      const Index length = channels.plane * channels.in_a_group / pieces;
      for (Index in = 0; in < pieces; ++in) {
        const Index normed = group * channels.in_a_group + in;
        const Index first = channels.filter(group, in, out % channels.out_a_group);
        const float factor = static_cast<float>(before ? scale(normed) : scale_after);
        const float* const filter = weight.data(run) + first;
        std::transform(filter, filter + length, folded.data(run) + first, [=](float w) { return w * factor; });
        if (before) sum += std::accumulate(filter, filter + length, 0.0) * shift(normed);
      }
      folded_bias.data(run)[out] = static_cast<float>(sum);
    }
  };
  return step;
}

}  // namespace

const Op k_fold_batch_norm = {.name = "fold_batch_norm",
                              .inputs = "weight bias? norm_weight? norm_bias? mean var",
                              .infer = infer,
                              .layout = want_plain,
                              .bind = bind};

}  // namespace fastcnn
