// Before:      y = activation(x); z = f(y); ...; dx = activation_backward(dy, y)
// After:       y = activation(x); m = slope_mask(y); z = f(y); ...; dx = slope_mask_backward(dy, m)
// Formula:     the same: the way back asks of y only which of two slopes the activation has, a bit for each element.
// Conditions:  the activation is a ReLU, leaky ReLU or clamp of two slopes; on the way back nothing reads y but its own gradient (a
//              convolution behind it would: its weights' gradient needs y); y is no output and no part of a concatenation, in which it
//              would lie anyway. An average, a sum, a dropout or an upsampled image behind the activation are what is left.
#include "graph/passes/way_back.h"
#include "ops/activation_kind.h"

namespace fastcnn {

namespace {

bool has_two_slopes(const Node& node) {
  if (node.op->name != std::string_view("activation")) return false;
  const Activation activation = activation_of(node.attributes);
  const ActivationKind kind = activation.kind;
  return kind == ActivationKind::relu || kind == ActivationKind::clipped || (kind == ActivationKind::leaky_relu && activation.a >= 0);
}

}  // namespace

void masks_as_bits(Graph& graph) {
  const WayBack way(graph);
  std::vector<bool> in_whole(graph.values.size(), false);
  for (const Node& node : graph.nodes)
    if (node.op->name == std::string_view("concat"))
      for (ValueId id : node.inputs) in_whole[way.root_at(id)] = true;
  const auto for_slopes_alone = [&](ValueId y) {
    const auto at = static_cast<std::size_t>(y);
    if (way.root[at] != y || !way.again[at] || in_whole[at] || way.back[at].empty()) return false;
    for (int reader : way.back[at]) {
      const Node& node = graph.nodes[static_cast<std::size_t>(reader)];
      if (node.op->name != std::string_view("activation_backward") || node.inputs[1] != y || node.inputs[0] == y) return false;
    }
    return true;
  };
  std::vector<Node> nodes;
  std::vector<ValueId> mask_of(graph.values.size(), kNoValue);
  for (int i = 0; i < static_cast<int>(graph.nodes.size()); ++i) {
    Node node = graph.nodes[static_cast<std::size_t>(i)];
    const ValueId masked = i >= way.start && node.op->name == std::string_view("activation_backward") ? node.inputs[1] : kNoValue;
    if (masked != kNoValue && mask_of[static_cast<std::size_t>(masked)] != kNoValue) {
      node.op = &find_op("slope_mask_backward");
      node.inputs[1] = mask_of[static_cast<std::size_t>(masked)];
    }
    nodes.push_back(std::move(node));
    const Node& made = graph.nodes[static_cast<std::size_t>(i)];
    if (i >= way.start || !has_two_slopes(made) || !for_slopes_alone(made.outputs[0])) continue;
    nodes.push_back(graph.make_node("slope_mask", {made.outputs[0]}, made.attributes, made.name));
    mask_of[static_cast<std::size_t>(made.outputs[0])] = nodes.back().outputs[0];
  }
  graph.nodes = std::move(nodes);
}

}  // namespace fastcnn
