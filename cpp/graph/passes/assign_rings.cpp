// Before:      images without rings
// After:       every image with a ring as wide as its widest reader needs
// Conditions:  images that share memory have rings of one width: the parts of a concatenation and the whole; and the input and output of an
//              op that can work in place, which it does only where their types are equal. An input that is read later is left as it is.
#include <algorithm>

#include "graph/passes/passes.h"

namespace fastcnn {

void assign_rings(Graph& graph) {
  bool changed = false;
  const auto widen = [&](ValueId value, int ring) {
    Layout& layout = graph[value].type.layout;
    if (layout.plain() || layout.ring >= ring) return;
    layout.ring = ring;
    changed = true;
  };
  for (const Node& node : graph.nodes) {
    if (!node.op->ring) continue;
    for (std::size_t i = 0; i < node.inputs.size(); ++i)
      if (node.inputs[i] != kNoValue) widen(node.inputs[i], node.op->ring(view(graph, node), i));
  }
  const auto share = [&](ValueId a, ValueId b) {
    widen(a, graph.type(b).layout.ring);
    widen(b, graph.type(a).layout.ring);
  };
  std::vector<const Node*> last_reader(graph.values.size(), nullptr);
  for (const Node& node : graph.nodes)
    for (ValueId id : node.inputs)
      if (id != kNoValue) last_reader[static_cast<std::size_t>(id)] = &node;
  do {
    changed = false;
    for (auto node = graph.nodes.rbegin(); node != graph.nodes.rend(); ++node) {
      for (std::size_t i : in_place_inputs(graph, *node)) {
        if (i >= node->inputs.size() || node->inputs[i] == kNoValue) continue;
        if (last_reader[static_cast<std::size_t>(node->inputs[i])] != &*node) continue;
        const TensorType& output = graph.type(node->outputs[0]);
        if (graph.type(node->inputs[i]).shape == output.shape) widen(node->inputs[i], output.layout.ring);
      }
      for (ValueId input : node->inputs)
        if (input != kNoValue && graph[input].part_of != kNoValue) share(input, graph[input].part_of);
    }
  } while (changed);
}

}  // namespace fastcnn
