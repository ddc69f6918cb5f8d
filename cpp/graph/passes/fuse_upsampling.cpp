// Before:      u = take(take(x, rows 0 0 1 1 ..), columns 0 0 1 1 ..); y = conv2d(u, weight, bias, residual, activation)
// After:       y = upsampled_conv2d(x, weight, bias, residual, activation)
// Formula:     the same, with four times fewer products (ops/convolution/upsampled_conv2d.cpp).
// Conditions:  a kernel of 2x2 or 3x3, padded to the size of u, without stride, dilation, groups, and no prologue; not in training, where
//              the backward pass reads u. The two takes, in either order, remain where others read them.
#include <algorithm>

#include "graph/passes/passes.h"
#include "ops/convolution/prologue.h"

namespace fastcnn {

namespace {

// The value that `take` along `axis` repeats, each entry twice; kNoValue if it does anything else.
ValueId doubled(const Graph& graph, const Node* take, Index axis) {
  if (!take || take->op->name != std::string_view("take") || take->attributes.integer("axis") != axis) return kNoValue;
  const std::vector<Index>& indices = take->attributes.integers("indices");
  const Shape& shape = graph.type(take->inputs[0]).shape;
  if (shape.rank() != 4 || static_cast<Index>(indices.size()) != 2 * shape[static_cast<int>(axis)]) return kNoValue;
  for (std::size_t i = 0; i < indices.size(); ++i)
    if (indices[i] != static_cast<Index>(i / 2)) return kNoValue;
  return take->inputs[0];
}

bool can_take_over(const Graph& graph, const Node& conv) {
  if (conv.op->name != std::string_view("conv2d") || has_prologue(conv.attributes) || conv.attributes.has("algorithm")) return false;
  const auto all_one = [&](const char* name) {
    const std::vector<Index>& list = conv.attributes.integers(name);
    return std::all_of(list.begin(), list.end(), [](Index entry) { return entry == 1; });
  };
  const Shape& weight = graph.type(conv.inputs[1]).shape;
  const std::vector<Index>& padding = conv.attributes.integers("padding");
  const Index taps = weight[2];
  return all_one("stride") && all_one("dilation") && conv.attributes.integer("groups") == 1 && weight[3] == taps &&
         (taps == 2 || taps == 3) && padding[0] + padding[2] == taps - 1 && padding[1] + padding[3] == taps - 1 &&
         *std::max_element(padding.begin(), padding.end()) == 1;
}

}  // namespace

void fuse_upsampling(Graph& graph) {
  std::vector<const Node*> maker(graph.values.size(), nullptr);
  const auto maker_of = [&](ValueId value) { return value == kNoValue ? nullptr : maker[static_cast<std::size_t>(value)]; };
  bool fused = false;
  for (Node& node : graph.nodes) {
    for (ValueId id : node.outputs) maker[static_cast<std::size_t>(id)] = &node;
    if (!can_take_over(graph, node)) continue;
    const Node* last = maker_of(node.inputs[0]);
    for (Index axis : {2, 3}) {
      const ValueId between = doubled(graph, last, axis);  // doubled along the other axis
      const ValueId x = between == kNoValue ? kNoValue : doubled(graph, maker_of(between), 5 - axis);
      if (x == kNoValue) continue;
      node.op = &find_op("upsampled_conv2d");
      node.inputs[0] = x;
      fused = true;
      break;
    }
  }
  if (fused) remove_unused(graph);
}

}  // namespace fastcnn
