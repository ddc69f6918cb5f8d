// Before:      n = batch_norm(x, ..., activation); y = conv2d(n, weight, bias)      or  n = multiply(x, factors)
// After:       y = conv2d(x, weight, bias, residual, norm ...)                      or  y = conv2d(x, weight, bias, residual, factors)
// Formula:     the same; a strip of the image goes through it into the cache right before the convolution reads it.
// Conditions:  n is read by this convolution alone; a 1x1 convolution without stride, padding and groups (others read pixels of n several
//              times, or zeros that must not be normalized); factors are (N, C, 1, 1) for x (N, C, H, W). Dense blocks consist of the
//              first, blocks with squeeze and excitation have the second.
#include <algorithm>

#include "graph/passes/passes.h"
#include "ops/convolution/prologue.h"

namespace fastcnn {

namespace {

bool takes_prologue(const Graph& graph, const Node& node) {
  if (node.op->name != std::string_view("conv2d") || has_prologue(node.attributes)) return false;
  const auto all = [&](const char* name, Index wanted) {
    const std::vector<Index>& list = node.attributes.integers(name);
    return std::all_of(list.begin(), list.end(), [&](Index entry) { return entry == wanted; });
  };
  const Shape& weight = graph.type(node.inputs[1]).shape;
  return weight[2] == 1 && weight[3] == 1 && all("stride", 1) && all("padding", 0) && node.attributes.integer("groups") == 1;
}

void take_norm(Node& conv, const Node& norm) {
  const bool activated = norm.attributes.has("activation");
  conv.attributes.set("norm_eps", norm.attributes.number("eps"));
  conv.attributes.set("norm_activation", activated ? norm.attributes.text("activation") : std::string("identity"));
  conv.attributes.set("norm_activation_a", activated ? norm.attributes.number("activation_a") : 0.0);
  conv.attributes.set("norm_activation_b", activated ? norm.attributes.number("activation_b") : 0.0);
  conv.inputs.resize(8, kNoValue);
  conv.inputs[0] = norm.inputs[0];
  std::copy(norm.inputs.begin() + 1, norm.inputs.end(), conv.inputs.begin() + 4);
}

// Whether `product` multiplies an image, its input `image`, by a factor for each sample and channel.
bool scales(const Graph& graph, const Node& product, std::size_t image) {
  const Shape& x = graph.type(product.inputs[image]).shape;
  const Shape& factors = graph.type(product.inputs[1 - image]).shape;
  return x.rank() == 4 && x == graph.type(product.outputs[0]).shape && factors == Shape{x[0], x[1], 1, 1} && x[2] * x[3] > 1;
}

void take_scale(Node& conv, const Node& product, std::size_t image) {
  conv.attributes.set("scaled", true);
  conv.inputs.resize(9, kNoValue);
  conv.inputs[0] = product.inputs[image];
  conv.inputs[8] = product.inputs[1 - image];
}

// Makes the node before a convolution its prologue; false if it cannot be one.
bool take_over(const Graph& graph, Node& conv, const Node& before) {
  const std::string_view name = before.op->name;
  if (name == "batch_norm") {
    take_norm(conv, before);
    return true;
  }
  for (std::size_t image = 0; name == "multiply" && image < 2; ++image) {
    if (!scales(graph, before, image)) continue;
    take_scale(conv, before, image);
    return true;
  }
  return false;
}

}  // namespace

void fuse_prologues(Graph& graph) {
  const std::vector<int> uses = count_uses(graph);
  std::vector<Node*> maker(graph.values.size(), nullptr);
  for (Node& node : graph.nodes) {
    for (ValueId id : node.outputs) maker[static_cast<std::size_t>(id)] = &node;
    if (!takes_prologue(graph, node)) continue;
    const auto input = static_cast<std::size_t>(node.inputs[0]);
    Node* before = maker[input];
    if (uses[input] != 1 || !before || !take_over(graph, node, *before)) continue;
    before->op = nullptr;
  }
  std::erase_if(graph.nodes, [](const Node& node) { return node.op == nullptr; });
}

}  // namespace fastcnn
