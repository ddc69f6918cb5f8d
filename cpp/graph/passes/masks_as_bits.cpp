// Before:      y = relu(x); z = f(y); ...; dw = conv2d_backward_weight(dz, y); dy = conv2d_backward_data(dz, w); dx = relu_backward(dy, y)
// After:       y = relu(x); z = f(y); ...; dw = conv2d_backward_weight(dz, y); m = slope_mask(y); dy = conv2d_backward_data(dz, w);
//              dx = slope_mask_backward(dy, m)
// Formula:     the same: the gradient needs only to know which of two slopes the activation has at an element of y, one bit.
// Conditions:  the activation is a ReLU, leaky ReLU or clamp; its gradient is the last reader of y, and does not stand right behind the
//              reader before it; y is no output and no part of a concatenation, in which it would lie anyway. The mask is made behind the
//              last reader but one; if that is in the forward pass (an average, a sum, a dropout behind the activation), behind y.
#include <algorithm>

#include "graph/passes/passes.h"
#include "ops/activation_kind.h"

namespace fastcnn {

namespace {

class Masks {
 public:
  explicit Masks(Graph& graph)
      : graph_(graph),
        root_(graph.values.size()),
        readers_(graph.values.size()),
        maker_(graph.values.size(), -1),
        held_(graph.values.size()) {
    for (std::size_t i = 0; i < root_.size(); ++i) {
      root_[i] = i;
      held_[i] = graph.values[i].from_outside();
    }
    for (int i = 0; i < count(); ++i) {
      const Node& node = this->node(i);
      for (ValueId id : node.outputs) maker_[at(id)] = i;
      if (node.op->alias) {
        root_[at(node.outputs[0])] = root_[at(node.inputs[0])];
        continue;
      }
      for (ValueId id : node.inputs) {
        if (id == kNoValue) continue;
        readers_[root_[at(id)]].push_back(i);
        if (node.op->name == std::string_view("concat")) held_[root_[at(id)]] = true;
      }
    }
    for (ValueId id : graph.outputs) {
      held_[root_[at(id)]] = true;
      backward_start_ = std::max(backward_start_, maker_[at(id)] + 1);
    }
  }

  void run() {
    std::vector<std::vector<Node>> behind(graph_.nodes.size());
    for (int i = backward_start_; i < count(); ++i) {
      Node& node = graph_.nodes[static_cast<std::size_t>(i)];
      const int place = place_of_mask(i);
      if (place < 0) continue;
      Node mask = graph_.make_node("slope_mask", {node.inputs[1]}, node.attributes, node.name);
      node.op = &find_op("slope_mask_backward");
      node.inputs[1] = mask.outputs[0];
      behind[static_cast<std::size_t>(place)].push_back(std::move(mask));
    }
    std::vector<Node> nodes;
    for (std::size_t i = 0; i < graph_.nodes.size(); ++i) {
      nodes.push_back(std::move(graph_.nodes[i]));
      std::move(behind[i].begin(), behind[i].end(), std::back_inserter(nodes));
    }
    graph_.nodes = std::move(nodes);
  }

 private:
  static std::size_t at(ValueId id) { return static_cast<std::size_t>(id); }
  int count() const { return static_cast<int>(graph_.nodes.size()); }
  const Node& node(int i) const { return graph_.nodes[static_cast<std::size_t>(i)]; }

  // The node behind which the mask for node i, the gradient of an activation, is to be made; -1: there is to be none.
  int place_of_mask(int i) const {
    if (node(i).op->name != std::string_view("activation_backward") || !has_two_slopes(node(i).attributes)) return -1;
    const std::size_t y = at(node(i).inputs[1]);
    const std::vector<int>& readers = readers_[y];
    if (root_[y] != y || held_[y] || readers.back() != i || std::count(readers.begin(), readers.end(), i) > 1) return -1;
    int place = readers.size() > 1 ? readers[readers.size() - 2] : -1;
    if (place < backward_start_) place = maker_[y];
    return std::any_of(graph_.nodes.begin() + place + 1, graph_.nodes.begin() + i, [](const Node& between) { return !between.op->alias; })
               ? place
               : -1;
  }

  static bool has_two_slopes(const Attributes& attributes) {
    const ActivationKind kind = activation_of(attributes).kind;
    return kind == ActivationKind::relu || kind == ActivationKind::clipped || kind == ActivationKind::leaky_relu;
  }

  Graph& graph_;
  std::vector<std::size_t> root_;          // by value: itself, or what it is another shape of
  std::vector<std::vector<int>> readers_;  // by root, in their order
  std::vector<int> maker_;
  std::vector<bool> held_;  // by root: in memory whoever reads it
  int backward_start_ = 0;  // the first node of the backward pass
};

}  // namespace

void masks_as_bits(Graph& graph) { Masks(graph).run(); }

}  // namespace fastcnn
