// Reverse-mode differentiation: nodes are visited from the last to the first; each asks its op to append the nodes that turn the gradients
// of its outputs into those of its inputs. The gradients that the readers of a value give it are summed, in the order of the visits.
#include "graph/graph.h"

namespace fastcnn {

namespace {

// By value: whether it depends on `wrt`.
std::vector<bool> depending_on(const Graph& graph, const std::vector<ValueId>& wrt) {
  std::vector<bool> depends(graph.values.size(), false);
  for (ValueId id : wrt) depends[static_cast<std::size_t>(id)] = true;
  for (const Node& node : graph.nodes) {
    bool any = false;
    for (ValueId id : node.inputs) any = any || (id != kNoValue && depends[static_cast<std::size_t>(id)]);
    if (!any) continue;
    for (ValueId id : node.outputs) depends[static_cast<std::size_t>(id)] = true;
  }
  return depends;
}

ValueId ones_like(Graph& graph, ValueId value) {
  const auto ones = std::make_shared<Parameter>(graph.type(value).shape);
  std::fill_n(ones->data(), ones->shape().elements(), 1.0f);
  return graph.parameter(ones, "ones");
}

class Backward {
 public:
  Backward(Graph& graph, const std::vector<ValueId>& wrt)
      : graph_(graph), depends_(depending_on(graph, wrt)), gradients_(graph.values.size(), kNoValue) {}

  void accumulate(ValueId value, ValueId gradient) {
    require(graph_.type(value).shape == graph_.type(gradient).shape, "gradient", "a gradient must have the shape of its value",
            graph_.type(gradient).shape, " for ", graph_.type(value).shape);
    ValueId& sum = gradients_[static_cast<std::size_t>(value)];
    sum = sum == kNoValue ? gradient : graph_.add_one("add", {sum, gradient});
  }

  void visit(std::size_t index) {
    const Node node = graph_.nodes[index];  // a copy: the list grows
    std::vector<ValueId> output_gradients;
    bool any = false;
    for (ValueId id : node.outputs) {
      output_gradients.push_back(gradients_[static_cast<std::size_t>(id)]);
      any = any || output_gradients.back() != kNoValue;
    }
    std::vector<bool> wanted;
    bool any_wanted = false;
    for (ValueId id : node.inputs) {
      wanted.push_back(id != kNoValue && depends_[static_cast<std::size_t>(id)]);
      any_wanted = any_wanted || wanted.back();
    }
    if (!any || !any_wanted) return;
    if (!node.op->backward)
      throw Error(ErrorKind::unsupported, node.op->name, "this operator has no backward", "layer '" + node.name + "'");
    std::vector<ValueId> input_gradients(node.inputs.size(), kNoValue);
    GradientScope scope{graph_, node.attributes, node.inputs, node.outputs, output_gradients, wanted, input_gradients};
    node.op->backward(scope);
    for (std::size_t i = 0; i < input_gradients.size(); ++i)
      if (wanted[i] && input_gradients[i] != kNoValue) accumulate(node.inputs[i], input_gradients[i]);
    for (std::size_t i = named_; i < graph_.nodes.size(); ++i) {
      graph_.nodes[i].name = node.name;
      graph_.nodes[i].backward = true;
    }
    named_ = graph_.nodes.size();
  }

  void visit_all(std::size_t nodes) {
    named_ = nodes;
    for (std::size_t i = nodes; i-- > 0;) visit(i);
  }

  ValueId gradient(ValueId value) const { return gradients_[static_cast<std::size_t>(value)]; }

 private:
  Graph& graph_;
  std::vector<bool> depends_;
  std::vector<ValueId> gradients_;
  std::size_t named_ = 0;
};

}  // namespace

std::vector<ValueId> Graph::gradient(const std::vector<ValueId>& outputs, const std::vector<ValueId>& output_gradients,
                                     const std::vector<ValueId>& wrt) {
  require(outputs.size() == output_gradients.size(), "gradient", "there must be one gradient for each output", output_gradients.size(),
          " for ", outputs.size());
  const auto known = [&](ValueId id) {
    require(id >= 0 && id < static_cast<ValueId>(values.size()), "gradient", "values must be of this graph", id);
  };
  for (ValueId id : outputs) known(id);
  for (ValueId id : output_gradients)
    if (id != kNoValue) known(id);
  for (ValueId id : wrt) known(id);
  const std::size_t nodes_before = nodes.size();
  std::vector<ValueId> seeds;
  for (std::size_t i = 0; i < outputs.size(); ++i)
    seeds.push_back(output_gradients[i] == kNoValue ? ones_like(*this, outputs[i]) : output_gradients[i]);
  Backward backward(*this, wrt);
  for (std::size_t i = 0; i < outputs.size(); ++i) backward.accumulate(outputs[i], seeds[i]);
  backward.visit_all(nodes_before);
  std::vector<ValueId> found;
  for (ValueId id : wrt) found.push_back(backward.gradient(id));
  return found;
}

}  // namespace fastcnn
