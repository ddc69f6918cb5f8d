// Before:      y = activation(x); p = max_pool(y)
// After:       q = max_pool(x); p = activation(q)
// Formula:     the same numbers and the same gradient, for a clamp or a leaky ReLU keeps the order; the exception are different numbers
//              that the activation rounds to the same one. Where a window has several maxima only behind the activation, its slope there
//              is 0. Fewer numbers are activated, and x need not be kept for the backward pass.
// Conditions:  no other node reads y, and y is no output; no dilation, with which a window may lie in the padding alone.
#include "graph/passes/passes.h"
#include "ops/activation_kind.h"
#include "ops/pooling/pool_windows.h"

namespace fastcnn {

namespace {

bool keeps_order(const Attributes& attributes) {
  const Activation activation = activation_of(attributes);
  if (activation.kind == ActivationKind::leaky_relu) return activation.a > 0;
  return activation.kind == ActivationKind::relu || activation.kind == ActivationKind::clipped;
}

}  // namespace

void pool_first(Graph& graph) {
  const std::vector<int> uses = count_uses(graph);
  std::vector<std::size_t> producer(graph.values.size(), graph.nodes.size());
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    for (ValueId id : graph.nodes[i].outputs) producer[static_cast<std::size_t>(id)] = i;
    const ValueId pooled = graph.nodes[i].inputs.empty() ? kNoValue : graph.nodes[i].inputs[0];
    if (graph.nodes[i].op->name != std::string_view("max_pool") || uses[static_cast<std::size_t>(pooled)] != 1) continue;
    if (is_dilated(graph.nodes[i].attributes)) continue;
    const std::size_t at = producer[static_cast<std::size_t>(pooled)];
    if (at == graph.nodes.size() || graph.nodes[at].op->name != std::string_view("activation") || !keeps_order(graph.nodes[at].attributes))
      continue;
    const Node activation = graph.nodes[at];
    const Node pool = graph.nodes[i];
    Node first = graph.make_node("max_pool", {activation.inputs[0]}, pool.attributes, pool.name);
    Node then = graph.make_node("activation", {first.outputs[0]}, activation.attributes, activation.name);
    then.outputs = pool.outputs;
    graph.nodes[at] = std::move(first);
    graph.nodes[i] = std::move(then);
  }
}

}  // namespace fastcnn
