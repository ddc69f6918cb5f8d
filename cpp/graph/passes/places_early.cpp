// Before:      y = max_pool(x); ...; p = max_pool_places(x); dx = max_pool_backward(dy, p)
// After:       y = max_pool(x); p = max_pool_places(x); ...; dx = max_pool_backward(dy, p)
// Formula:     the same; bytes are kept from the forward to the backward pass instead of an image of floats.
// Conditions:  x is made in the forward pass, and nothing else in the backward pass reads it.
#include <algorithm>

#include "graph/passes/passes.h"

namespace fastcnn {

void places_early(Graph& graph) {
  std::vector<std::size_t> last_touched(graph.values.size(), 0);
  std::vector<int> backward_uses(graph.values.size(), 0);
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    const Node& node = graph.nodes[i];
    for (ValueId id : node.inputs) {
      if (id == kNoValue) continue;
      if (node.backward)
        ++backward_uses[static_cast<std::size_t>(id)];
      else
        last_touched[static_cast<std::size_t>(id)] = i;
    }
    if (node.backward) continue;
    for (ValueId id : node.outputs) last_touched[static_cast<std::size_t>(id)] = i;
  }
  std::vector<std::size_t> keys;  // a node's place in the new order
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    const Node& node = graph.nodes[i];
    const bool early = node.op->name == std::string_view("max_pool_places") && node.backward &&
                       backward_uses[static_cast<std::size_t>(node.inputs[0])] == 1 && !graph[node.inputs[0]].from_outside();
    if (early) graph.nodes[i].backward = false;
    keys.push_back(early ? last_touched[static_cast<std::size_t>(node.inputs[0])] : i);
  }
  std::vector<std::size_t> order(keys.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return keys[a] < keys[b]; });
  std::vector<Node> sorted;
  for (std::size_t i : order) sorted.push_back(std::move(graph.nodes[i]));
  graph.nodes = std::move(sorted);
}

}  // namespace fastcnn
