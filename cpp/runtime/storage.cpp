#include "runtime/storage.h"

#include <algorithm>

namespace fastcnn {

namespace {

class Assignment {
 public:
  Assignment(const Graph& graph, const std::vector<bool>& ahead, const std::vector<BandGroup>& groups)
      : graph_(graph),
        ahead_(ahead),
        group_(graph.nodes.size(), nullptr),
        last_use_(graph.values.size(), -1),
        returned_(graph.values.size(), -1) {
    for (const BandGroup& group : groups)
      for (std::size_t node : group.nodes) group_[node] = &group;
    storage_.block_of.assign(graph.values.size(), -1);
    storage_.offset_of.assign(graph.values.size(), 0);
    for (std::size_t i = 0; i < graph.nodes.size(); ++i)
      for (ValueId id : graph.nodes[i].inputs)
        if (id != kNoValue) last_use_[at(id)] = std::max(last_use_[at(id)], last_step(static_cast<int>(i)));
    for (std::size_t i = 0; i < graph.outputs.size(); ++i) returned_[at(graph.outputs[i])] = static_cast<int>(i);
  }

  Storage run() {
    for (std::size_t i = 0; i < graph_.inputs.size(); ++i) add_block(graph_.inputs[i], Home::input, static_cast<int>(i), -1);
    for (std::size_t i = 0; i < graph_.values.size(); ++i)
      if (graph_.values[i].parameter) add_block(static_cast<ValueId>(i), Home::parameter, static_cast<int>(i), -1);
    for (std::size_t i = 0; i < graph_.nodes.size(); ++i) visit(static_cast<int>(i));
    return std::move(storage_);
  }

 private:
  static std::size_t at(ValueId id) { return static_cast<std::size_t>(id); }
  bool together(ValueId a, ValueId b) const { return storage_.block_of[at(a)] == storage_.block_of[at(b)]; }

  // The first and the last step in which a node runs: for a node of a group, those of the whole group.
  int first_step(int node) const {
    const BandGroup* group = node < 0 ? nullptr : group_[static_cast<std::size_t>(node)];
    return group ? static_cast<int>(group->first()) : node;
  }
  int last_step(int node) const {
    const BandGroup* group = node < 0 ? nullptr : group_[static_cast<std::size_t>(node)];
    return group ? static_cast<int>(group->last()) : node;
  }

  Block& block_of(ValueId id) { return storage_.blocks[static_cast<std::size_t>(storage_.block_of[at(id)])]; }

  void add_block(ValueId value, Home home, int index, int node) {
    Block block;
    block.home = home;
    block.index = index;
    block.first_value = value;
    block.first_node = static_cast<std::size_t>(std::max(node, 0));
    block.life = {std::max(first_step(node), 0), std::max(last_step(node), last_use_[at(value)]), graph_.type(value).bytes()};
    storage_.block_of[at(value)] = static_cast<int>(storage_.blocks.size());
    storage_.blocks.push_back(block);
  }

  void join(ValueId value, ValueId with) {
    storage_.block_of[at(value)] = storage_.block_of[at(with)];
    storage_.offset_of[at(value)] = storage_.offset_of[at(with)];
    Block& block = block_of(with);
    block.life.last = std::max(block.life.last, last_use_[at(value)]);
    if (returned_[at(value)] < 0) return;
    block.home = Home::output;
    block.index = returned_[at(value)];
  }

  // Puts a part where it lies in its whole. The block of the whole begins with the first part that is made.
  void join_whole(ValueId part, int node) {
    const Value& value = graph_[part];
    if (storage_.block_of[at(value.part_of)] < 0) {
      if (graph_[value.part_of].part_of != kNoValue)
        join_whole(value.part_of, node);
      else
        add_block(value.part_of, Home::arena, 0, node);
    }
    join(part, value.part_of);
    storage_.offset_of[at(part)] += value.first_block * value.type.strides().block * bytes_of(DType::f32);
  }

  // The input whose bytes the node's output may take over: no later node reads them, and they lie in the arena.
  ValueId reusable_input(int index) {
    const Node& node = graph_.nodes[static_cast<std::size_t>(index)];
    const auto shares = [&](ValueId other, ValueId input) { return other != kNoValue && other != input && together(other, input); };
    for (std::size_t i : in_place_inputs(graph_, node)) {
      if (i >= node.inputs.size() || node.inputs[i] == kNoValue) continue;
      const ValueId input = node.inputs[i];
      const TensorType& from = graph_.type(input);
      const TensorType& to = graph_.type(node.outputs[0]);
      const bool equal = from.shape == to.shape && from.dtype == to.dtype && from.layout == to.layout;
      const bool once = std::count(node.inputs.begin(), node.inputs.end(), input) == 1;
      const bool alone = std::none_of(node.inputs.begin(), node.inputs.end(), [&](ValueId other) { return shares(other, input); });
      if (equal && once && alone && block_of(input).home == Home::arena && block_of(input).life.last == index) return input;
    }
    return kNoValue;
  }

  void visit(int index) {
    const Node& node = graph_.nodes[static_cast<std::size_t>(index)];
    if (node.op->alias) return join(node.outputs[0], node.inputs[0]);
    const bool ahead = ahead_[static_cast<std::size_t>(index)];
    // In bands, rows that a later band reads would be overwritten.
    const bool in_bands = group_[static_cast<std::size_t>(index)] != nullptr;
    const bool has_place = ahead || in_bands || node.op->in_place.empty() || graph_[node.outputs[0]].part_of != kNoValue;
    const ValueId reused = has_place ? kNoValue : reusable_input(index);
    for (std::size_t i = 0; i < node.outputs.size(); ++i) {
      const ValueId output = node.outputs[i];
      if (storage_.block_of[at(output)] >= 0) continue;  // a whole, begun by its parts
      if (i == 0 && reused != kNoValue) {
        join(output, reused);
      } else if (ahead) {
        add_block(output, Home::prepared, index, index);
      } else if (graph_[output].part_of != kNoValue) {
        join_whole(output, index);
      } else if (returned_[at(output)] >= 0) {
        add_block(output, Home::output, returned_[at(output)], index);
      } else {
        add_block(output, Home::arena, 0, index);
      }
    }
  }

  const Graph& graph_;
  const std::vector<bool>& ahead_;
  std::vector<const BandGroup*> group_;  // by node
  std::vector<int> last_use_;            // by value: a node
  std::vector<int> returned_;            // by value: which output it is; -1: none
  Storage storage_;
};

}  // namespace

Storage assign_storage(const Graph& graph, const std::vector<bool>& ahead, const std::vector<BandGroup>& groups) {
  return Assignment(graph, ahead, groups).run();
}

}  // namespace fastcnn
