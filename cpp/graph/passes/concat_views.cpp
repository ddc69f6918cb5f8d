// Before:      a = f(x); b = g(x); y = concat(a, b)          a and b are copied
// After:       a and b are parts of y: f and g write where y lies, and concat has nothing left to do
// Conditions:  y is an image and is put together along its channels, each part of whole channel blocks; a part is made by a node, is no
//              output, and is a part of one whole only (the last one that could take it; that whole may be a part of another).
//              small: parts that would wait long for one another are copied.
#include <algorithm>

#include "graph/passes/passes.h"

namespace fastcnn {

namespace {

class Views {
 public:
  Views(Graph& graph, bool small) : graph_(graph), small_(small), free_(graph.values.size(), false) {
    for (const Node& node : graph.nodes)
      for (ValueId id : node.outputs) free_[static_cast<std::size_t>(id)] = !node.op->alias;
    for (ValueId id : graph.outputs) free_[static_cast<std::size_t>(id)] = false;
  }

  // Visits concatenations from the last to the first: whether an output is itself a part of another is known before its parts are placed.
  void run() {
    for (auto node = graph_.nodes.rbegin(); node != graph_.nodes.rend(); ++node)
      if (node->op->name == std::string_view("concat")) visit(*node);
  }

 private:
  void visit(const Node& node) {
    const TensorType whole = graph_.type(node.outputs[0]);
    const Index axis = node.attributes.integer("axis");
    if (small_ && waits_for_smaller(node)) return;
    if (whole.layout.plain() || (axis != 1 && axis != 1 - whole.shape.rank())) return;
    Index start = 0;
    for (ValueId id : node.inputs) {
      const Index channels = graph_.type(id).C();
      const Index block = whole.layout.block;
      const bool whole_blocks = start % block == 0 && (channels % block == 0 || start + channels == whole.C());
      if (free_[static_cast<std::size_t>(id)] && whole_blocks && channels > 0) make_part(id, node.outputs[0], start / block);
      start += channels;
    }
  }

  // Whether images with fewer pixels are made between the first part and the concatenation, as in the two arms of a U-Net: the memory of
  // the later parts would lie idle meanwhile.
  bool waits_for_smaller(const Node& concat) const {
    const TensorType& whole = graph_.type(concat.outputs[0]);
    if (whole.shape.rank() != 4) return false;
    bool begun = false;
    for (const Node& node : graph_.nodes) {
      if (&node == &concat) return false;
      for (ValueId id : node.outputs) {
        const TensorType& made = graph_.type(id);
        if (begun && made.shape.rank() == 4 && !made.layout.plain() && made.H() * made.W() < whole.H() * whole.W()) return true;
        begun = begun || std::find(concat.inputs.begin(), concat.inputs.end(), id) != concat.inputs.end();
      }
    }
    return false;
  }

  void make_part(ValueId part, ValueId whole, Index first_block) {
    free_[static_cast<std::size_t>(part)] = false;
    graph_[part].part_of = whole;
    graph_[part].first_block = first_block;
    const TensorType& type = graph_.type(whole);
    graph_[part].type.layout.of = std::max(type.layout.of, type.strides().blocks);
  }

  Graph& graph_;
  const bool small_;
  std::vector<bool> free_;
};

}  // namespace

void concat_views(Graph& graph, PassContext& context) { Views(graph, context.options.small).run(); }

}  // namespace fastcnn
