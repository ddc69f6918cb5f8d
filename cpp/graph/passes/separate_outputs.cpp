// Before:      outputs = (x, x, y.reshape)     where x may also be an input or a parameter
// After:       outputs = (copy, copy, copy)
// Conditions:  only outputs that are inputs, parameters or aliases of something, or that are named twice, are copied: an output lies in
//              memory of the caller, which two outputs cannot share.
#include "graph/passes/passes.h"

namespace fastcnn {

void separate_outputs(Graph& graph) {
  std::vector<bool> taken(graph.values.size(), false);
  std::vector<bool> alias(graph.values.size(), false);
  for (const Node& node : graph.nodes)
    if (node.op->alias) alias[static_cast<std::size_t>(node.outputs[0])] = true;
  for (ValueId& output : graph.outputs) {
    const auto at = static_cast<std::size_t>(output);
    const bool needs_copy = graph[output].from_outside() || alias[at] || taken[at];
    taken[at] = true;
    if (!needs_copy) continue;
    output = graph.add("copy", {output}, {}, graph[output].name).front();
  }
}

}  // namespace fastcnn
