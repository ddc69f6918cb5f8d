// Before:      a = f(x); b = g(x); outputs = (a)
// After:       a = f(x);           outputs = (a)
// Conditions:  no output and no update op (a running statistic) depends on the node.
#include "graph/passes/passes.h"

namespace fastcnn {

std::vector<int> count_uses(const Graph& graph) {
  std::vector<int> uses(graph.values.size(), 0);
  for (const Node& node : graph.nodes)
    for (ValueId id : node.inputs)
      if (id != kNoValue) ++uses[static_cast<std::size_t>(id)];
  for (ValueId id : graph.outputs) ++uses[static_cast<std::size_t>(id)];
  return uses;
}

void remove_unused(Graph& graph) {
  std::vector<bool> needed(graph.values.size(), false);
  for (ValueId id : graph.outputs) needed[static_cast<std::size_t>(id)] = true;
  std::vector<Node> kept;
  for (std::size_t i = graph.nodes.size(); i-- > 0;) {
    Node& node = graph.nodes[i];
    bool keep = node.op->update;
    for (ValueId id : node.outputs) keep = keep || needed[static_cast<std::size_t>(id)];
    if (!keep) continue;
    for (ValueId id : node.inputs)
      if (id != kNoValue) needed[static_cast<std::size_t>(id)] = true;
    kept.push_back(std::move(node));
  }
  graph.nodes.assign(std::make_move_iterator(kept.rbegin()), std::make_move_iterator(kept.rend()));
}

}  // namespace fastcnn
