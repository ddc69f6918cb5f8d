// Before:      z = batch_norm_training(c); y = activation(z); ...; dw = conv2d_backward_weight(dv, y); ...; dc = batch_norm_backward(dz, c)
// After:       z = batch_norm_training(c); y = activation(z); ...; y' = activation(batch_norm(c)); dw = conv2d_backward_weight(dv, y'); ...
// Formula:     the same, from the same numbers: y need not be kept from the forward to the backward pass, for c is kept anyway.
// Conditions:  y can be made from values that are still needed when the backward pass first reads y, in at most kMostSteps steps of the ops
//              below, each of which passes over an image once; and y is no output.
#include <algorithm>
#include <map>

#include "graph/passes/passes.h"

namespace fastcnn {

namespace {

constexpr int kMostSteps = 4;  // a norm on each side of a residual sum, the sum, and the activation

bool is_cheap(const Node& node) {
  const std::string_view name = node.op->name;
  return name == "batch_norm_training" || name == "activation" || name == "add" || name == "max_pool";
}

class Recomputation {
 public:
  explicit Recomputation(Graph& graph)
      : graph_(graph),
        producer_(graph.values.size(), kNone),
        last_use_(graph.values.size(), -1),
        first_backward_use_(graph.values.size(), kNever),
        recomputed_(graph.values.size(), false) {
    for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
      const Node& node = graph.nodes[i];
      for (ValueId id : node.outputs) producer_[at(id)] = i;
      for (ValueId id : node.inputs) {
        if (id == kNoValue) continue;
        last_use_[at(id)] = static_cast<int>(i);
        if (node.backward) first_backward_use_[at(id)] = std::min(first_backward_use_[at(id)], static_cast<int>(i));
      }
    }
    for (ValueId id : graph.outputs) last_use_[at(id)] = kNever;
  }

  void run() {
    for (const Node& node : graph_.nodes) {
      if (node.backward || !is_cheap(node)) continue;
      const ValueId value = node.outputs[0];
      const int when = first_backward_use_[at(value)];
      recomputed_[at(value)] = when != kNever && last_use_[at(value)] != kNever && steps_to_make(value, when) <= kMostSteps;
    }
    const std::vector<Node> before = std::move(graph_.nodes);
    graph_.nodes.clear();
    for (Node node : before) {
      if (node.backward)
        for (ValueId& id : node.inputs)
          if (id != kNoValue && recomputed_[at(id)]) id = copy_of(id, before);
      graph_.nodes.push_back(std::move(node));
    }
  }

 private:
  static constexpr std::size_t kNone = static_cast<std::size_t>(-1);
  static constexpr int kNever = 1 << 30;
  static std::size_t at(ValueId id) { return static_cast<std::size_t>(id); }

  // Whether a value is in memory when node `when` runs.
  bool is_there(ValueId id, int when) const { return graph_[id].from_outside() || (last_use_[at(id)] >= when && !recomputed_[at(id)]); }

  // The number of steps that make `value` from what is in memory when node `when` runs; more than kMostSteps if that cannot be.
  int steps_to_make(ValueId value, int when) const {
    const Node& node = graph_.nodes[producer_[at(value)]];
    if (node.backward || !is_cheap(node) || node.outputs[0] != value) return kMostSteps + 1;
    int steps = 1;
    for (ValueId id : node.inputs) {
      if (id == kNoValue || is_there(id, when)) continue;
      if (producer_[at(id)] == kNone) return kMostSteps + 1;
      steps += steps_to_make(id, when);
      if (steps > kMostSteps) break;
    }
    return steps;
  }

  // Appends the nodes that recompute `value`, unless they are there already.
  ValueId copy_of(ValueId value, const std::vector<Node>& before) {
    const auto found = copies_.find(value);
    if (found != copies_.end()) return found->second;
    const Node& node = before[producer_[at(value)]];
    std::vector<ValueId> inputs = node.inputs;
    for (ValueId& id : inputs)
      if (id != kNoValue && !graph_[id].from_outside() && !is_kept(id)) id = copy_of(id, before);
    const bool norm = node.op->name == std::string_view("batch_norm_training");
    if (norm) {
      inputs.resize(3, kNoValue);
      inputs.push_back(node.outputs[1]);
      inputs.push_back(node.outputs[2]);
    }
    const ValueId copy = graph_.add(norm ? "batch_norm" : node.op->name, inputs, node.attributes, node.name).front();
    copies_[value] = copy;
    return copy;
  }

  // Whether copies are made from the value itself: an output, or one that the backward pass reads.
  bool is_kept(ValueId id) const { return !recomputed_[at(id)] && (first_backward_use_[at(id)] != kNever || last_use_[at(id)] == kNever); }

  Graph& graph_;
  std::vector<std::size_t> producer_;
  std::vector<int> last_use_;            // by value: a node
  std::vector<int> first_backward_use_;  // by value: a node
  std::vector<bool> recomputed_;
  std::map<ValueId, ValueId> copies_;
};

}  // namespace

void recompute(Graph& graph) { Recomputation(graph).run(); }

}  // namespace fastcnn
