// Before:      y = scale_shift(x, 1, 0); z = f(y)
// After:       z = f(x)
// Conditions:  the node computes and moves nothing: it is an identity activation, a multiplication by 1, a reshape to the same shape, a
//              slice of all, a concatenation of one, a transposition that leaves the axes in order, and the like. Readers and outputs
//              take its input.
#include <numeric>

#include "graph/passes/passes.h"

namespace fastcnn {

namespace {

bool in_order(const std::vector<Index>& list) {
  std::vector<Index> order(list.size());
  std::iota(order.begin(), order.end(), Index{0});
  return list == order;
}

bool is_identity(const Graph& graph, const Node& node) {
  const std::string_view name = node.op->name;
  const Attributes& a = node.attributes;
  if (name == "activation") return a.text("kind") == "identity";
  if (name == "scale_shift") return a.number("scale") == 1 && a.number("shift") == 0;
  if (name == "concat") return node.inputs.size() == 1;
  if (name == "transpose") return in_order(a.integers("axes"));
  if (name == "reshape" || name == "slice" || name == "expand")
    return graph.type(node.inputs[0]).shape == graph.type(node.outputs[0]).shape;
  return false;
}

}  // namespace

void remove_identities(Graph& graph) {
  std::vector<ValueId> stands_for(graph.values.size());
  std::iota(stands_for.begin(), stands_for.end(), ValueId{0});
  const auto resolve = [&](ValueId& id) {
    if (id != kNoValue) id = stands_for[static_cast<std::size_t>(id)];
  };
  for (Node& node : graph.nodes) {
    for (ValueId& id : node.inputs) resolve(id);
    if (!is_identity(graph, node)) continue;
    stands_for[static_cast<std::size_t>(node.outputs[0])] = node.inputs[0];
    node.op = nullptr;
  }
  for (ValueId& id : graph.outputs) resolve(id);
  std::erase_if(graph.nodes, [](const Node& node) { return node.op == nullptr; });
}

}  // namespace fastcnn
