// Before:      c = conv2d(x); y = f(c); d = conv2d(y); ...; dw = conv2d_backward_weight(dd, y); ...; dc = f_backward(dy, c)
// After:       c = conv2d(x); y = f(c); d = conv2d(y); ...; c' = conv2d(x); y' = f(c'); dw = conv2d_backward_weight(dd, y'); ...;
//              dc = f_backward(dy, c')
// Formula:     the same nodes on the same numbers: masks of dropout are made of the same seed, step and stream; batch norms take the
//              statistics that they had, and running ones are written once.
// Conditions:  the caller says what is kept (choose_kept.cpp chooses it); all else that the way back reads is made from that, right before
//              its first reader, and once.
#include <map>

#include "graph/passes/way_back.h"

namespace fastcnn {

namespace {

class Copies {
 public:
  Copies(Graph& graph, const WayBack& way, const std::vector<bool>& kept) : graph_(graph), way_(way), kept_(kept) {}

  double run() {
    before_ = std::move(graph_.nodes);
    graph_.nodes.assign(before_.begin(), before_.begin() + way_.start);
    for (std::size_t i = static_cast<std::size_t>(way_.start); i < before_.size(); ++i) {
      Node node = before_[i];
      for (ValueId& id : node.inputs) id = copy_of(id);
      graph_.nodes.push_back(std::move(node));
    }
    return work_;
  }

 private:
  ValueId copy_of(ValueId value) {
    if (value == kNoValue || !way_.again[way_.root_at(value)] || kept_[way_.root_at(value)]) return value;
    const auto found = copies_.find(value);
    if (found != copies_.end()) return found->second;
    const Node& node = before_[way_.maker[static_cast<std::size_t>(value)]];
    std::vector<ValueId> inputs = node.inputs;
    for (ValueId& id : inputs) id = copy_of(id);
    work_ += work_of(graph_, node);
    const bool norm = node.op->name == std::string_view("batch_norm_training");
    if (norm) inputs.resize(3, kNoValue), inputs.push_back(node.outputs[1]), inputs.push_back(node.outputs[2]);
    const std::vector<ValueId> made = graph_.add(norm ? "batch_norm" : node.op->name, inputs, node.attributes, node.name);
    for (std::size_t i = 0; i < made.size(); ++i) copies_[node.outputs[i]] = made[i];
    return copies_.at(value);
  }

  Graph& graph_;
  const WayBack& way_;
  const std::vector<bool>& kept_;
  std::vector<Node> before_;
  std::map<ValueId, ValueId> copies_;
  double work_ = 0;
};

}  // namespace

void make_again(Graph& graph, PassContext& context) {
  if (!context.options.room) return;
  const WayBack way(graph);
  context.recomputed_work = Copies(graph, way, choose_kept(graph, way, *context.options.room)).run();
}

}  // namespace fastcnn
