// Before:      m = batch mean; running <- m; y = f(m); loss; dw = ...; dv = ...; w <- dw; v <- dv
// After:       m = batch mean; y = f(m); loss; running <- m; dw = ...; w <- dw; dv = ...; v <- dv
// Formula:     the same; the lifetime of a gradient ends with the update that reads it.
// Conditions:  an update stands behind all nodes that make an output (the loss is one, and must be found finite before anything is
//              written), behind all that read what it writes, under another shape too, behind those that make its own inputs, and behind
//              earlier updates of the same parameter.
#include <algorithm>

#include "graph/passes/passes.h"

namespace fastcnn {

namespace {

class Placement {
 public:
  explicit Placement(Graph& graph) : graph_(graph), root_(graph.values.size()), maker_(root_.size(), -1), read_(root_.size(), -1) {
    for (std::size_t i = 0; i < root_.size(); ++i) root_[i] = static_cast<ValueId>(i);
    for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
      const Node& node = graph.nodes[i];
      for (ValueId id : node.outputs) maker_[at(id)] = static_cast<int>(i);
      if (node.op->alias) root_[at(node.outputs[0])] = root_[at(node.inputs[0])];
      if (node.op->update) continue;
      for (ValueId id : node.inputs)
        if (id != kNoValue) read_[at(root_[at(id)])] = static_cast<int>(i);
    }
    for (ValueId id : graph.outputs) loss_ = std::max(loss_, maker_[at(id)]);
  }

  void run() {
    std::vector<int> keys;  // by node: the index of the node behind which it is to stand, or its own
    for (const Node& node : graph_.nodes) keys.push_back(node.op->update ? place_of(node) : static_cast<int>(keys.size()));
    std::vector<std::size_t> order(keys.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
    const auto update = [&](std::size_t i) { return graph_.nodes[i].op->update; };
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t a, std::size_t b) { return keys[a] != keys[b] ? keys[a] < keys[b] : update(a) < update(b); });
    std::vector<Node> sorted;
    for (std::size_t i : order) sorted.push_back(std::move(graph_.nodes[i]));
    graph_.nodes = std::move(sorted);
  }

 private:
  static std::size_t at(ValueId id) { return static_cast<std::size_t>(id); }

  int place_of(const Node& update) {
    int& written = read_[at(root_[at(update.inputs[0])])];
    int place = std::max(loss_, written);
    for (ValueId id : update.inputs)
      if (id != kNoValue) place = std::max(place, maker_[at(id)]);
    written = place;
    return place;
  }

  Graph& graph_;
  std::vector<ValueId> root_;  // by value: itself, or what it is another shape of
  std::vector<int> maker_;     // by value: its node
  std::vector<int> read_;      // by root: the last node that reads it, or behind which it is updated
  int loss_ = -1;
};

}  // namespace

void place_updates(Graph& graph) { Placement(graph).run(); }

}  // namespace fastcnn
