// Before:      m = batch mean; running <- m; y = f(m); loss
// After:       m = batch mean; y = f(m); loss; running <- m
// Conditions:  updates have no outputs, so they can stand anywhere behind what they read. They are run when the loss has been found finite.
#include <algorithm>

#include "graph/passes/passes.h"

namespace fastcnn {

void updates_last(Graph& graph) {
  std::stable_partition(graph.nodes.begin(), graph.nodes.end(), [](const Node& node) { return !node.op->update; });
}

}  // namespace fastcnn
