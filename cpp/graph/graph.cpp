#include "graph/graph.h"

#include <algorithm>

namespace fastcnn {

ValueId Graph::input(const std::string& name, const Shape& shape, DType dtype) {
  const ValueId id = static_cast<ValueId>(values.size());
  values.push_back({.type = {.shape = shape, .dtype = dtype}, .name = name, .parameter = nullptr, .is_input = true});
  inputs.push_back(id);
  return id;
}

ValueId Graph::parameter(const std::shared_ptr<Parameter>& parameter, const std::string& name) {
  const auto known = parameter_values_.find(parameter.get());
  if (known != parameter_values_.end()) return known->second;
  parameter->enter_graph();
  const ValueId id = static_cast<ValueId>(values.size());
  values.push_back({.type = {.shape = parameter->shape()}, .name = name, .parameter = parameter});
  parameter_values_[parameter.get()] = id;
  return id;
}

Node Graph::make_node(std::string_view op, std::vector<ValueId> inputs, Attributes attributes, const std::string& name) {
  Node node{.op = &find_op(op), .attributes = std::move(attributes), .inputs = std::move(inputs), .outputs = {}, .name = name};
  for (ValueId input : node.inputs)
    require(input >= kNoValue && input < static_cast<ValueId>(values.size()), op, "an input must be a value of this graph", input);
  // Optional inputs at the end may be left out altogether; ops see them all.
  node.inputs.resize(std::max(node.inputs.size(), input_count(*node.op)), kNoValue);
  check_inputs(*node.op, view(*this, node));
  const std::vector<TensorType> types = node.op->infer(view(*this, node));
  for (std::size_t i = 0; i < types.size(); ++i) {
    node.outputs.push_back(static_cast<ValueId>(values.size()));
    values.push_back({.type = types[i], .name = name.empty() ? std::string(op) : name, .parameter = nullptr});
  }
  return node;
}

std::vector<ValueId> Graph::add(std::string_view op, std::vector<ValueId> inputs, Attributes attributes, const std::string& name) {
  nodes.push_back(make_node(op, std::move(inputs), std::move(attributes), name));
  return nodes.back().outputs;
}

std::vector<std::size_t> in_place_inputs(const Graph& graph, const Node& node) {
  if (node.op->in_place.empty() || (node.op->works_in_place && !node.op->works_in_place(view(graph, node)))) return {};
  return node.op->in_place;
}

NodeView view(const Graph& graph, const Node& node) {
  NodeView out{node.attributes, {}, {}};
  for (ValueId id : node.inputs) out.inputs.push_back(id == kNoValue ? nullptr : &graph[id].type);
  for (ValueId id : node.outputs) out.outputs.push_back(&graph[id].type);
  return out;
}

}  // namespace fastcnn
