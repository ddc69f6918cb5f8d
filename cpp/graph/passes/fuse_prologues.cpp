// Before:      n = batch_norm(x, ..., activation); y = conv2d(n, weight, bias)
// After:       y = conv2d(x, weight, bias, residual, norm ...)
// Formula:     the same; a strip of the image is normalized into the cache right before the convolution reads it.
// Conditions:  n is read by this convolution alone; a 1x1 convolution without stride, padding and groups (others read pixels of n several
//              times, or zeros that must not be normalized). Dense blocks consist of these.
#include <algorithm>

#include "graph/passes/passes.h"

namespace fastcnn {

namespace {

bool takes_prologue(const Graph& graph, const Node& node) {
  if (node.op->name != std::string_view("conv2d") || node.attributes.has("norm_eps")) return false;
  const auto all = [&](const char* name, Index wanted) {
    const std::vector<Index>& list = node.attributes.integers(name);
    return std::all_of(list.begin(), list.end(), [&](Index entry) { return entry == wanted; });
  };
  const Shape& weight = graph.type(node.inputs[1]).shape;
  return weight[2] == 1 && weight[3] == 1 && all("stride", 1) && all("padding", 0) && node.attributes.integer("groups") == 1;
}

void take_over(Node& conv, const Node& norm) {
  const bool activated = norm.attributes.has("activation");
  conv.attributes.set("norm_eps", norm.attributes.number("eps"));
  conv.attributes.set("norm_activation", activated ? norm.attributes.text("activation") : std::string("identity"));
  conv.attributes.set("norm_activation_a", activated ? norm.attributes.number("activation_a") : 0.0);
  conv.attributes.set("norm_activation_b", activated ? norm.attributes.number("activation_b") : 0.0);
  conv.inputs.resize(8, kNoValue);
  conv.inputs[0] = norm.inputs[0];
  std::copy(norm.inputs.begin() + 1, norm.inputs.end(), conv.inputs.begin() + 4);
}

}  // namespace

void fuse_prologues(Graph& graph) {
  const std::vector<int> uses = count_uses(graph);
  std::vector<Node*> maker(graph.values.size(), nullptr);
  for (Node& node : graph.nodes) {
    for (ValueId id : node.outputs) maker[static_cast<std::size_t>(id)] = &node;
    if (!takes_prologue(graph, node)) continue;
    const auto input = static_cast<std::size_t>(node.inputs[0]);
    Node* norm = maker[input];
    if (uses[input] != 1 || !norm || norm->op->name != std::string_view("batch_norm")) continue;
    take_over(node, *norm);
    norm->op = nullptr;
  }
  std::erase_if(graph.nodes, [](const Node& node) { return node.op == nullptr; });
}

}  // namespace fastcnn
