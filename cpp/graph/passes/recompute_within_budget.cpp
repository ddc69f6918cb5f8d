// Before:      c = conv2d(x); y = f(c); d = conv2d(y); ...; dw = conv2d_backward_weight(dd, y); ...; dc = f_backward(dy, c)
// After:       c = conv2d(x); y = f(c); d = conv2d(y); ...; c' = conv2d(x); y' = f(c'); dw = conv2d_backward_weight(dd, y'); ...;
//              dc = f_backward(dy, c')
// Formula:     the same nodes on the same numbers: masks of dropout come from the same seed, step and stream; recomputed batch norms take
//              the statistics that they had, and running statistics are written once.
// Conditions:  choose_kept.cpp chooses what is kept; all else that the backward pass reads is recomputed from that, once, right before its
//              first reader. Without a budget nothing is recomputed.
#include <map>

#include "graph/passes/backward_reads.h"

namespace fastcnn {

namespace {

class Recomputation {
 public:
  Recomputation(Graph& graph, const BackwardReads& reads, const std::vector<bool>& kept) : graph_(graph), reads_(reads), kept_(kept) {}

  // Returns the work that is done twice.
  double run() {
    before_ = std::move(graph_.nodes);
    graph_.nodes.assign(before_.begin(), before_.begin() + reads_.backward_start);
    for (std::size_t i = static_cast<std::size_t>(reads_.backward_start); i < before_.size(); ++i) {
      Node node = before_[i];
      for (ValueId& id : node.inputs) id = copy_of(id);
      graph_.nodes.push_back(std::move(node));
    }
    return work_;
  }

 private:
  // The value itself if it is kept, else its recomputed copy, which is made now if it is not there yet.
  ValueId copy_of(ValueId value) {
    if (value == kNoValue) return value;
    const std::size_t root = reads_.root_at(value);
    if (!reads_.can_recompute[root] || kept_[root]) return value;
    const auto found = copies_.find(value);
    if (found != copies_.end()) return found->second;
    const Node& node = before_[reads_.maker[static_cast<std::size_t>(value)]];
    std::vector<ValueId> inputs = node.inputs;
    for (ValueId& id : inputs) id = copy_of(id);
    work_ += work_of(graph_, node);
    const bool norm = node.op->name == std::string_view("batch_norm_training");
    if (norm) {
      inputs.resize(3, kNoValue);
      inputs.push_back(node.outputs[1]);
      inputs.push_back(node.outputs[2]);
    }
    const std::vector<ValueId> made = graph_.add(norm ? "batch_norm" : node.op->name, inputs, node.attributes, node.name);
    for (std::size_t i = 0; i < made.size(); ++i) copies_[node.outputs[i]] = made[i];
    return copies_.at(value);
  }

  Graph& graph_;
  const BackwardReads& reads_;
  const std::vector<bool>& kept_;
  std::vector<Node> before_;
  std::map<ValueId, ValueId> copies_;
  double work_ = 0;
};

}  // namespace

void recompute_within_budget(Graph& graph, PassContext& context) {
  if (!context.options.budget) return;
  const BackwardReads reads(graph);
  context.recomputed_work = Recomputation(graph, reads, choose_kept(graph, reads, *context.options.budget)).run();
}

}  // namespace fastcnn
