// Before:      c = conv2d(x, activation); y = max_pool(c)
// After:       y = conv2d(x, activation, pool ...)
// Formula:     the same; rows are pooled in the cache, where the convolution has just written them, and the larger image never exists.
// Conditions:  c is read by this pooling alone (in training the backward pass reads it, so there nothing is fused), and the algorithm of
//              the convolution, chosen before, takes the pooling (Conv2dAlgorithm::takes_pool): no residual, no dilation, not adaptive.
//              small: nothing is fused into a first layer, which runs in bands only without a pooling.
#include "graph/passes/passes.h"
#include "ops/convolution/algorithms.h"

namespace fastcnn {

void fuse_pools(Graph& graph, PassContext& context) {
  const std::vector<int> uses = count_uses(graph);
  std::vector<Node*> maker(graph.values.size(), nullptr);
  for (Node& node : graph.nodes) {
    for (ValueId id : node.outputs) maker[static_cast<std::size_t>(id)] = &node;
    if (node.op->name != std::string_view("max_pool")) continue;
    const auto input = static_cast<std::size_t>(node.inputs[0]);
    Node* conv = maker[input];
    if (uses[input] != 1 || !conv || conv->op->name != std::string_view("conv2d")) continue;
    if (context.options.small && find_conv2d_algorithm(conv->attributes.text("algorithm")).input == Want::plain) continue;
    if (!conv2d_takes_pool(view(graph, *conv), node.attributes, context.lanes)) continue;
    for (const char* name : {"kernel", "stride", "padding", "ceil_mode"})
      conv->attributes.set(std::string("pool_") + name, node.attributes.items().at(name));
    conv->outputs = node.outputs;  // the convolution stays where it is: nothing else waits for the pooling
    maker[static_cast<std::size_t>(node.outputs[0])] = conv;
    node.op = nullptr;
  }
  std::erase_if(graph.nodes, [](const Node& node) { return node.op == nullptr; });
}

}  // namespace fastcnn
