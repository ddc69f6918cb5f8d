// Before:      c = conv2d(x, weight, bias); y = batch_norm(c, ...)      or  n = batch_norm(x, ...); y = conv2d(n, weight, bias)
// After:       (w, b) = fold_batch_norm(weight, bias, ...); y = conv2d(x, w, b)
// Formula:     the same (ops/normalization/fold_batch_norm.cpp); the weights are folded once, ahead of the runs.
// Conditions:  weights, bias and statistics are parameters; the value between the two is used nowhere else (in training the backward pass
//              reads it); the convolution has no residual or activation before the normalization; and where the normalization comes first,
//              the convolution has no padding: its zeros would have been normalized, too. The same holds for conv_transpose2d before a
//              normalization.
#include <algorithm>

#include "graph/passes/passes.h"
#include "ops/convolution/prologue.h"

namespace fastcnn {

namespace {

class Folding {
 public:
  explicit Folding(Graph& graph) : graph_(graph), uses_(count_uses(graph)), producer_(graph.values.size(), kNone) {}

  void run() {
    for (Node& node : graph_.nodes) {
      if (node.op->name == std::string_view("batch_norm") && fold_after(node)) continue;
      if (node.op->name == std::string_view("conv2d") && fold_before(node)) continue;
      keep(std::move(node));
    }
    std::erase_if(nodes_, [](const Node& node) { return node.op == nullptr; });
    graph_.nodes = std::move(nodes_);
  }

 private:
  static constexpr std::size_t kNone = static_cast<std::size_t>(-1);

  void keep(Node node) {
    producer_.resize(graph_.values.size(), kNone);
    for (ValueId id : node.outputs) producer_[static_cast<std::size_t>(id)] = nodes_.size();
    nodes_.push_back(std::move(node));
  }

  // The node that makes `value`, if only the asking node reads it.
  Node* private_producer(ValueId value) {
    const auto at = static_cast<std::size_t>(value);
    if (at >= uses_.size() || uses_[at] != 1 || producer_[at] == kNone) return nullptr;
    return &nodes_[producer_[at]];
  }

  bool constant(const Node& node, std::size_t first, std::size_t count) const {
    for (std::size_t i = first; i < std::min(first + count, node.inputs.size()); ++i)
      if (node.inputs[i] != kNoValue && !graph_[node.inputs[i]].parameter) return false;
    return true;
  }

  // Adds the convolution `conv` with folded parameters, which makes `output`. `norm` is the node that is removed.
  void keep_folded(Node conv, const Node& norm, bool before, ValueId output) {
    Attributes attributes{{"eps", norm.attributes.number("eps")}, {"before", before}, {"groups", conv.attributes.integer("groups")}};
    attributes.set("transposed", conv.op->name == std::string_view("conv_transpose2d"));
    Node fold = graph_.make_node("fold_batch_norm",
                                 {conv.inputs[1], conv.inputs[2], norm.inputs[1], norm.inputs[2], norm.inputs[3], norm.inputs[4]},
                                 attributes, conv.name);
    conv.inputs[1] = fold.outputs[0];
    conv.inputs[2] = fold.outputs[1];
    conv.outputs = {output};
    keep(std::move(fold));
    keep(std::move(conv));
  }

  bool plain_convolution(const Node& node) const {
    const bool residual = node.inputs.size() > 3 && node.inputs[3] != kNoValue;
    const bool activation = node.attributes.has("activation") && node.attributes.text("activation") != "identity";
    return !residual && !activation && constant(node, 1, 2);
  }

  bool fold_after(const Node& norm) {
    Node* conv = private_producer(norm.inputs[0]);
    if (!conv || !constant(norm, 1, 4)) return false;
    const std::string_view name = conv->op->name;
    if ((name != "conv2d" && name != "conv_transpose2d") || !plain_convolution(*conv)) return false;
    Node moved = std::move(*conv);
    conv->op = nullptr;
    keep_folded(std::move(moved), norm, false, norm.outputs[0]);
    return true;
  }

  bool fold_before(const Node& conv) {
    Node* norm = private_producer(conv.inputs[0]);
    if (!norm || norm->op->name != std::string_view("batch_norm") || !constant(*norm, 1, 4) || !constant(conv, 1, 2)) return false;
    if (has_prologue(conv.attributes)) return false;  // its prologue would come between the two
    const bool activation = norm->attributes.has("activation") && norm->attributes.text("activation") != "identity";
    const std::vector<Index>& padding = conv.attributes.integers("padding");
    if (activation || std::any_of(padding.begin(), padding.end(), [](Index size) { return size != 0; })) return false;
    const Node gone = std::move(*norm);
    norm->op = nullptr;
    Node moved = conv;
    moved.inputs[0] = gone.inputs[0];
    keep_folded(std::move(moved), gone, true, conv.outputs[0]);
    return true;
  }

  Graph& graph_;
  std::vector<int> uses_;
  std::vector<std::size_t> producer_;  // by value: its place in nodes_
  std::vector<Node> nodes_;
};

}  // namespace

void fold_batch_norms(Graph& graph) { Folding(graph).run(); }

}  // namespace fastcnn
