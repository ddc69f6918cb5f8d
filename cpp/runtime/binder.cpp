#include "runtime/binder.h"

#include <algorithm>

namespace fastcnn {

Operand Binder::operand(ValueId value) const {
  if (value == kNoValue) return {};
  const auto at = static_cast<std::size_t>(value);
  Location where = spaces_.locations[static_cast<std::size_t>(storage_.block_of[at])];
  where.offset += storage_.offset_of[at];
  return {graph_.type(value), where, true};
}

BoundStep Binder::bind(std::size_t index) const {
  const Node& node = graph_.nodes[index];
  BindScope scope{kernels_, node.attributes, {}, {}};
  for (ValueId id : node.inputs) scope.inputs.push_back(operand(id));
  BoundStep bound{index, {}, {}};
  const std::vector<std::size_t> places = in_place_inputs(graph_, node);
  for (ValueId id : node.outputs) {
    scope.outputs.push_back(operand(id));
    const Location where = scope.outputs.back().where;
    const bool in_place = std::any_of(places.begin(), places.end(), [&](std::size_t i) {
      return i < scope.inputs.size() && scope.inputs[i].given && scope.inputs[i].where == where;
    });
    if (graph_.type(id).layout.ring > 0 && !in_place) bound.rings.push_back({scope.outputs.back()});
  }
  bound.step = node.op->bind(scope);
  return bound;
}

bool Binder::is_made_of_parts(std::size_t index) const {
  const Node& node = graph_.nodes[index];
  if (node.op->name != std::string_view("concat")) return false;
  const Operand whole = operand(node.outputs[0]);
  Index channels = 0;
  for (ValueId id : node.inputs) {
    const TensorType& part = graph_.type(id);
    if (graph_[id].part_of != node.outputs[0] || graph_[id].first_block * part.layout.block != channels) return false;
    const Index offset = graph_[id].first_block * whole.type.strides().block * bytes_of(DType::f32);
    if (operand(id).where != Location{whole.where.space, whole.where.offset + offset}) return false;
    channels += part.C();
  }
  return true;
}

}  // namespace fastcnn
