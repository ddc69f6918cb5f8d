// Before:      c = conv2d(x); s = add(c, r); y = activation(s)          or  y = activation(linear(x)); conv_transpose2d, batch_norm alike
// After:       y = conv2d(x, residual = r, activation)                  or  y = linear(x, activation)
// Formula:     the same; the sum and the activation happen in registers before the one write of each output element.
// Conditions:  c and s are used nowhere else (in training the backward pass reads them, so there nothing is fused); r has the shape of c;
//              the convolution has no residual or activation yet. The fused node stands where the last of the three stood, so r is known by
//              then.
#include "graph/passes/passes.h"

namespace fastcnn {

namespace {

class Fusion {
 public:
  explicit Fusion(Graph& graph) : graph_(graph), uses_(count_uses(graph)), producer_(graph.values.size(), kNone) {}

  void run() {
    for (std::size_t i = 0; i < graph_.nodes.size(); ++i) {
      const std::string_view name = graph_.nodes[i].op->name;
      if (name == "add") fuse_residual(i);
      if (name == "activation") fuse_activation(i);
      for (ValueId id : graph_.nodes[i].outputs) producer_[static_cast<std::size_t>(id)] = i;
    }
    std::erase_if(graph_.nodes, [](const Node& node) { return node.op == nullptr; });
  }

 private:
  static constexpr std::size_t kNone = static_cast<std::size_t>(-1);

  // The node that makes `value`, if it is one of `op` that only the asking node reads and that has no activation yet.
  Node* private_producer(ValueId value, std::string_view op) {
    if (value == kNoValue || uses_[static_cast<std::size_t>(value)] != 1) return nullptr;
    const std::size_t at = producer_[static_cast<std::size_t>(value)];
    if (at == kNone || graph_.nodes[at].op->name != op) return nullptr;
    const Attributes& attributes = graph_.nodes[at].attributes;
    return attributes.has("activation") && attributes.text("activation") != "identity" ? nullptr : &graph_.nodes[at];
  }

  // The earlier node takes the later one's place and output.
  void replace(std::size_t later, Node& earlier) {
    Node fused = earlier;
    earlier.op = nullptr;  // erased at the end
    fused.outputs = graph_.nodes[later].outputs;
    graph_.nodes[later] = std::move(fused);
  }

  void fuse_residual(std::size_t at) {
    const std::vector<ValueId> terms = graph_.nodes[at].inputs;
    for (int side = 0; side < 2; ++side) {
      const ValueId convolved = terms[static_cast<std::size_t>(side)];
      const ValueId residual = terms[static_cast<std::size_t>(1 - side)];
      Node* conv = private_producer(convolved, "conv2d");
      if (!conv || residual == convolved || (conv->inputs.size() > 3 && conv->inputs[3] != kNoValue)) continue;
      if (!(graph_.type(convolved).shape == graph_.type(residual).shape)) continue;
      conv->inputs.resize(4, kNoValue);
      conv->inputs[3] = residual;
      replace(at, *conv);
      return;
    }
  }

  void fuse_activation(std::size_t at) {
    const Attributes attributes = graph_.nodes[at].attributes;
    for (const char* op : {"conv2d", "conv_transpose2d", "linear", "batch_norm"}) {
      Node* node = private_producer(graph_.nodes[at].inputs[0], op);
      if (!node) continue;
      node->attributes.set("activation", attributes.text("kind"));
      node->attributes.set("activation_a", attributes.number("a"));
      node->attributes.set("activation_b", attributes.number("b"));
      replace(at, *node);
      return;
    }
  }

  Graph& graph_;
  std::vector<int> uses_;
  std::vector<std::size_t> producer_;
};

}  // namespace

void fuse_epilogues(Graph& graph) { Fusion(graph).run(); }

}  // namespace fastcnn
