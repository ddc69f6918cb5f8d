#include "graph/passes/backward_reads.h"

#include <algorithm>

namespace fastcnn {

BackwardReads::BackwardReads(const Graph& graph)
    : root(graph.values.size()),
      maker(graph.values.size(), 0),
      can_recompute(graph.values.size(), false),
      last_forward_reader(graph.values.size(), -1),
      backward_readers(graph.values.size()) {
  const auto at = [](ValueId id) { return static_cast<std::size_t>(id); };
  std::vector<bool> output(graph.values.size(), false);
  for (ValueId id : graph.outputs) output[at(id)] = true;
  for (std::size_t i = 0; i < graph.nodes.size(); ++i)
    for (ValueId id : graph.nodes[i].outputs)
      if (output[at(id)]) backward_start = static_cast<int>(i) + 1;
  for (std::size_t i = 0; i < root.size(); ++i) root[i] = static_cast<ValueId>(i);
  for (int i = 0; i < static_cast<int>(graph.nodes.size()); ++i) {
    const Node& node = graph.nodes[static_cast<std::size_t>(i)];
    const bool forward = i < backward_start;
    if (node.op->alias && forward) root[at(node.outputs[0])] = root[at(node.inputs[0])];
    const bool norm = node.op->name == std::string_view("batch_norm_training");
    for (std::size_t k = 0; k < node.outputs.size() && forward; ++k) {
      maker[at(node.outputs[k])] = static_cast<std::size_t>(i);
      can_recompute[at(node.outputs[k])] = !(norm && k > 0) && !output[at(node.outputs[k])] && !node.op->alias;
    }
    for (ValueId id : node.inputs) {
      if (id == kNoValue) continue;
      if (forward)
        last_forward_reader[root_at(id)] = i;
      else
        backward_readers[root_at(id)].push_back(i);
    }
  }
}

double work_of(const Graph& graph, const Node& node) {
  constexpr double kPass = 16;  // multiply-adds in the time that a float takes to be read and written
  if (node.op->alias) return 0;
  const std::string_view name = node.op->name;
  double elements = 0;
  for (const auto* ids : {&node.inputs, &node.outputs})
    for (ValueId id : *ids)
      if (id != kNoValue && !graph[id].parameter) elements += static_cast<double>(graph.type(id).shape.elements());
  double products = 0;
  if (name == "conv2d" || name == "linear" || name == "conv_transpose2d") {
    const Shape& weight = graph.type(node.inputs[1]).shape;
    const ValueId image = name == "conv_transpose2d" ? node.inputs[0] : node.outputs[0];
    const double taps = static_cast<double>(weight.elements()) / static_cast<double>(std::max<Index>(weight[0], 1));
    products = static_cast<double>(graph.type(image).shape.elements()) * taps;
  } else if (name == "matmul") {
    const Shape& a = graph.type(node.inputs[0]).shape;
    products = static_cast<double>(graph.type(node.outputs[0]).shape.elements()) * static_cast<double>(a[a.rank() - 1]);
  }
  return std::max(products, kPass / 2 * elements);
}

}  // namespace fastcnn
