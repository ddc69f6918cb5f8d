// Before:      e = conv2d(x, p); y = conv2d(e, q), 1x1 and depthwise, with their algorithms chosen
// After:       y = pointwise_depthwise(x, p, q)
// Formula:     the same, bit for bit; a few rows of e exist at a time.
// Conditions:  e is read by the depthwise convolution alone (in training the backward pass reads it, too) and is more than an L2 cache
//              holds: what stays in it is read as fast as scratch. A residual or a prologue would be a third image to read. The depthwise
//              kernel and its padding are small: all rows of e that a row of y needs are kept at once.
#include <algorithm>

#include "graph/passes/passes.h"
#include "ops/convolution/prologue.h"

namespace fastcnn {

namespace {

bool is_plain_conv(const Node* node, const char* algorithm) {
  if (!node || node->op->name != std::string_view("conv2d") || node->attributes.text("algorithm") != algorithm) return false;
  return !has_prologue(node->attributes) && (node->inputs.size() <= 3 || node->inputs[3] == kNoValue);
}

bool is_pointwise(const Attributes& attributes) {
  const auto all = [](const std::vector<Index>& list, Index wanted) {
    return std::all_of(list.begin(), list.end(), [&](Index entry) { return entry == wanted; });
  };
  const std::vector<Index>& kernel = attributes.integers("kernel");
  return kernel[2] == 1 && kernel[3] == 1 && all(attributes.integers("stride"), 1) && all(attributes.integers("padding"), 0) &&
         attributes.integer("groups") == 1;
}

bool is_small_window(const Attributes& attributes) {
  constexpr Index kMost = 8;
  const std::vector<Index>& kernel = attributes.integers("kernel");
  const std::vector<Index>& dilation = attributes.integers("dilation");
  const std::vector<Index>& padding = attributes.integers("padding");
  return kernel[2] * dilation[0] <= kMost && kernel[3] * dilation[1] <= kMost && *std::max_element(padding.begin(), padding.end()) <= kMost;
}

Node fused(const Graph& graph, const Node& pointwise, const Node& depthwise, int lanes) {
  Attributes attributes = depthwise.attributes;
  const bool activated = pointwise.attributes.has("activation");
  attributes.set("between", activated ? pointwise.attributes.text("activation") : std::string("identity"));
  attributes.set("between_a", activated ? pointwise.attributes.number("activation_a") : 0.0);
  attributes.set("between_b", activated ? pointwise.attributes.number("activation_b") : 0.0);
  attributes.set("lanes", Index{lanes});
  Node node = depthwise;
  node.op = &find_op("pointwise_depthwise");
  node.attributes = std::move(attributes);
  node.inputs = {pointwise.inputs[0], pointwise.inputs[1], depthwise.inputs[1]};
  node.name = pointwise.name + " + " + depthwise.name;
  check_inputs(*node.op, view(graph, node));
  node.op->infer(view(graph, node));
  return node;
}

}  // namespace

void fuse_depthwise(Graph& graph, PassContext& context) {
  constexpr Index kCachedBytes = 1 << 20;  // a large L2
  const std::vector<int> uses = count_uses(graph);
  std::vector<Node*> maker(graph.values.size(), nullptr);
  for (Node& node : graph.nodes) {
    for (ValueId id : node.outputs) maker[static_cast<std::size_t>(id)] = &node;
    if (!is_plain_conv(&node, "depthwise") || !is_small_window(node.attributes)) continue;
    const auto between = static_cast<std::size_t>(node.inputs[0]);
    Node* pointwise = maker[between];
    if (uses[between] != 1 || graph.values[between].type.bytes() <= kCachedBytes) continue;
    if (!is_plain_conv(pointwise, "direct") || !is_pointwise(pointwise->attributes)) continue;
    node = fused(graph, *pointwise, node, context.lanes);
    pointwise->op = nullptr;
  }
  std::erase_if(graph.nodes, [](const Node& node) { return node.op == nullptr; });
}

}  // namespace fastcnn
