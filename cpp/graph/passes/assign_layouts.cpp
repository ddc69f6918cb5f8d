// Before:      every value plain
// After:       every operand has the channel block that its op asks for; reorder nodes stand where two ops ask for different ones
// Conditions:  inputs, parameters and outputs stay plain: a layout never shows outside. One copy of a value in a layout serves all its
//              readers that need it. In training, outputs are copied before the backward pass, so their images need not be kept for it.
#include <algorithm>
#include <map>

#include "graph/passes/passes.h"

namespace fastcnn {

namespace {

class LayoutAssignment {
 public:
  LayoutAssignment(Graph& graph, int lanes) : graph_(graph), lanes_(lanes) {}

  void run() {
    const bool training = !graph_.nodes.empty() && graph_.nodes.back().backward;
    for (Node& node : graph_.nodes) {
      const LayoutWish wish = node.op->layout(view(graph_, node));
      const int same_block = block_of_same(node, wish);
      for (std::size_t i = 0; i < node.inputs.size(); ++i)
        if (node.inputs[i] != kNoValue)
          node.inputs[i] = in_block(node.inputs[i], block_for(wish.inputs[i], same_block, node.inputs[i]), node.backward);
      for (std::size_t i = 0; i < node.outputs.size(); ++i)
        graph_[node.outputs[i]].type.layout.block = block_for(wish.outputs[i], same_block, node.outputs[i]);
      nodes_.push_back(std::move(node));
      for (ValueId id : std::vector<ValueId>(nodes_.back().outputs))
        if (training && is_output(id)) in_block(id, 0, false);
    }
    for (ValueId& output : graph_.outputs) output = in_block(output, 0, false);
    graph_.nodes = std::move(nodes_);
  }

 private:
  bool is_output(ValueId id) const { return std::find(graph_.outputs.begin(), graph_.outputs.end(), id) != graph_.outputs.end(); }

  // Element-wise operands share one block: that of an image among them, if there is one.
  int block_of_same(const Node& node, const LayoutWish& wish) const {
    for (std::size_t i = 0; i < node.inputs.size(); ++i)
      if (node.inputs[i] != kNoValue && wish.inputs[i] == Want::same && !graph_.type(node.inputs[i]).layout.plain()) return lanes_;
    return 0;
  }

  int block_for(Want want, int same_block, ValueId value) const {
    switch (want) {
      case Want::image: return lanes_;
      case Want::narrow: return 1;
      case Want::same: return graph_.type(value).shape.rank() == 4 ? same_block : 0;
      case Want::plain: return 0;
    }
    return 0;
  }

  // The value itself, or a copy of it in the layout asked for. backward: whether the reader is of the backward pass.
  ValueId in_block(ValueId value, int block, bool backward) {
    if (graph_.type(value).layout.block == block) return value;
    const auto known = copies_.find({value, block});
    if (known != copies_.end()) return known->second;
    nodes_.push_back(graph_.make_node("reorder", {value}, {}, graph_[value].name));
    nodes_.back().backward = backward;
    const ValueId copy = nodes_.back().outputs[0];
    graph_[copy].type.layout.block = block;
    return copies_[{value, block}] = copy;
  }

  Graph& graph_;
  const int lanes_;
  std::vector<Node> nodes_;
  std::map<std::pair<ValueId, int>, ValueId> copies_;
};

}  // namespace

void assign_layouts(Graph& graph, PassContext& context) { LayoutAssignment(graph, context.lanes).run(); }

}  // namespace fastcnn
