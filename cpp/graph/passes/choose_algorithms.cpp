// Before:      y = conv2d(x, weight, bias)
// After:       p = conv2d_prepare(weight, bias); y = conv2d(x, p), with the attribute "algorithm"
// Conditions:  every op that has a choice makes it, by its own table and cost model or by measurements (tuning.py).
#include "graph/passes/passes.h"

namespace fastcnn {

namespace {

// Puts the nodes that an op adds while it chooses right before it.
class InsertBefore final : public GraphEditor {
 public:
  InsertBefore(Graph& graph, std::vector<Node>& nodes, const Node& user) : graph_(graph), nodes_(nodes), user_(user) {}

  std::vector<ValueId> add(std::string_view op, std::vector<ValueId> inputs, Attributes attributes) override {
    nodes_.push_back(graph_.make_node(op, std::move(inputs), std::move(attributes), user_.name));
    nodes_.back().backward = user_.backward;
    return nodes_.back().outputs;
  }
  const TensorType& type(ValueId value) const override { return graph_.type(value); }

 private:
  Graph& graph_;
  std::vector<Node>& nodes_;
  const Node& user_;
};

}  // namespace

void choose_algorithms(Graph& graph, PassContext& context) {
  constexpr Index kCachedBytes = 8 << 20;  // of parameters: about what a typical last-level cache keeps from run to run
  Index parameter_bytes = 0;
  for (const Value& value : graph.values)
    if (value.parameter) parameter_bytes += value.type.bytes();
  std::vector<bool> plain(graph.values.size(), false);
  for (std::size_t i = 0; i < graph.values.size(); ++i) plain[i] = graph.values[i].from_outside();
  std::vector<Node> nodes;
  for (Node& node : graph.nodes) {
    if (node.op->choose) {
      std::vector<bool> plain_inputs;
      for (ValueId id : node.inputs) plain_inputs.push_back(id != kNoValue && plain[static_cast<std::size_t>(id)]);
      Node chosen = node;
      InsertBefore editor(graph, nodes, node);
      ChoiceScope scope{.graph = editor,
                        .lanes = context.lanes,
                        .options = context.options,
                        .cold = parameter_bytes > kCachedBytes,
                        .plain = plain_inputs,
                        .attributes = chosen.attributes,
                        .inputs = chosen.inputs,
                        .outputs = chosen.outputs};
      node.op->choose(scope);
      nodes.push_back(std::move(chosen));
    } else {
      nodes.push_back(node);
    }
    plain.resize(graph.values.size(), false);
    const Node& done = nodes.back();
    const LayoutWish wish = done.op->layout(view(graph, done));
    for (std::size_t i = 0; i < done.outputs.size(); ++i) plain[static_cast<std::size_t>(done.outputs[i])] = wish.outputs[i] == Want::plain;
  }
  graph.nodes = std::move(nodes);
}

}  // namespace fastcnn
