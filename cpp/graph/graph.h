// Graph: values and the nodes between them, in an order in which they can be computed. Shapes are inferred as nodes are added.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/parameter.h"
#include "ops/op.h"

namespace fastcnn {

struct Value {
  TensorType type;
  std::string name;
  std::shared_ptr<Parameter> parameter;  // for parameters and buffers
  bool is_input = false;
  ValueId part_of = kNoValue;  // the image that this one is a part of: some of its channels, in memory too
  Index first_block = 0;       // of the part, among the channel blocks of the whole

  bool from_outside() const { return is_input || parameter != nullptr; }
};

struct Node {
  const Op* op = nullptr;
  Attributes attributes;
  std::vector<ValueId> inputs;  // kNoValue: left out
  std::vector<ValueId> outputs;
  std::string name;       // path of the layer that it came from, for people
  bool backward = false;  // added by gradient()
};

class Graph final : public GraphEditor {
 public:
  ValueId input(const std::string& name, const Shape& shape, DType dtype);
  // The same parameter gives the same value.
  ValueId parameter(const std::shared_ptr<Parameter>& parameter, const std::string& name);

  std::vector<ValueId> add(std::string_view op, std::vector<ValueId> inputs, Attributes attributes) override {
    return add(op, std::move(inputs), std::move(attributes), "");
  }
  std::vector<ValueId> add(std::string_view op, std::vector<ValueId> inputs, Attributes attributes, const std::string& name);
  const TensorType& type(ValueId value) const override { return values.at(static_cast<std::size_t>(value)).type; }

  // Makes a node and its outputs, as add() does, but does not append the node.
  Node make_node(std::string_view op, std::vector<ValueId> inputs, Attributes attributes, const std::string& name);

  Value& operator[](ValueId value) { return values[static_cast<std::size_t>(value)]; }
  const Value& operator[](ValueId value) const { return values[static_cast<std::size_t>(value)]; }

  // Appends nodes that compute the gradients of sum(outputs * output_gradients) for `wrt`; a gradient seed that is kNoValue means ones.
  // Returns kNoValue for what the outputs do not depend on. Error, by name, where an op on the way has no backward.
  std::vector<ValueId> gradient(const std::vector<ValueId>& outputs, const std::vector<ValueId>& output_gradients,
                                const std::vector<ValueId>& wrt);

  std::vector<Value> values;
  std::vector<Node> nodes;
  std::vector<ValueId> inputs;
  std::vector<ValueId> outputs;  // what a run returns

 private:
  std::map<const Parameter*, ValueId> parameter_values_;
};

NodeView view(const Graph& graph, const Node& node);

// Indices of the inputs whose memory the node's first output may take over, if no later node reads them.
std::vector<std::size_t> in_place_inputs(const Graph& graph, const Node& node);

}  // namespace fastcnn
