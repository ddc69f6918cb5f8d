// Compilation: passes, then storage, then the memory plan, then steps with bound places. execution.cpp runs them.
#include "runtime/program.h"

#include <algorithm>
#include <cstdio>
#include <set>

#include "graph/passes/passes.h"

namespace fastcnn {

namespace {

// The attributes as a text that differs whenever they do.
struct TextOf {
  std::string operator()(bool value) const { return value ? "true" : "false"; }
  std::string operator()(Index value) const { return std::to_string(value); }
  std::string operator()(double value) const {
    char digits[32];
    std::snprintf(digits, sizeof digits, "%.17g", value);
    return digits;
  }
  std::string operator()(const std::string& value) const { return value; }
  std::string operator()(const std::vector<Index>& list) const {
    std::string out;
    for (Index entry : list) out += std::to_string(entry) + ",";
    return out;
  }
  std::string operator()(const std::vector<double>& list) const {
    std::string out;
    for (double entry : list) out += (*this)(entry) + ",";
    return out;
  }
};

std::string text_of(const Attributes& attributes) {
  std::string out;
  for (const auto& [name, value] : attributes.items()) out += name + "=" + std::visit(TextOf{}, value) + ";";
  return out;
}

}  // namespace

Program::Program(Graph graph, const Kernels& kernels, Purpose purpose, std::shared_ptr<ArenaPool> arenas)
    : graph_(std::move(graph)), kernels_(kernels), arenas_(std::move(arenas)) {
  require(!graph_.outputs.empty(), "compile", "a graph needs at least one output");
  separate_outputs(graph_);
  remove_unused(graph_);
  updates_last(graph_);
  fuse_epilogues(graph_);
  choose_algorithms(graph_, kernels.lanes);
  assign_layouts(graph_, kernels.lanes);
  find_ahead(purpose);
  storage_ = assign_storage(graph_, is_ahead_);
  place();
  bind();
}

// Nodes that depend on parameters alone and are no output: their results stay valid until a parameter is written.
void Program::find_ahead(Purpose purpose) {
  is_ahead_.assign(graph_.nodes.size(), false);
  if (purpose == Purpose::training) return;
  const std::set<ValueId> outputs(graph_.outputs.begin(), graph_.outputs.end());
  for (std::size_t i = 0; i < graph_.nodes.size(); ++i) {
    const Node& node = graph_.nodes[i];
    bool ahead = !node.op->update && !node.op->alias && node.outputs.size() == 1 && !outputs.count(node.outputs[0]);
    for (ValueId id : node.inputs) ahead = ahead && (id == kNoValue || graph_[id].parameter);
    is_ahead_[i] = ahead;
  }
}

// Space 0 is the arena; then the inputs, the outputs, the parameters and the prepared weights, one space each.
void Program::place() {
  std::vector<Lifetime> lifetimes;
  for (std::size_t i = 0; i < storage_.blocks.size(); ++i) {
    if (storage_.blocks[i].home != Home::arena) continue;
    planned_.push_back(static_cast<int>(i));
    lifetimes.push_back(storage_.blocks[i].life);
  }
  plan_ = plan_memory(lifetimes);

  first_output_ = first_input_ + static_cast<int>(graph_.inputs.size());
  fixed_spaces_.assign(static_cast<std::size_t>(first_output_) + graph_.outputs.size(), nullptr);
  locations_.resize(storage_.blocks.size());
  std::size_t planned = 0;
  for (std::size_t i = 0; i < storage_.blocks.size(); ++i) {
    const Block& block = storage_.blocks[i];
    switch (block.home) {
      case Home::arena: locations_[i] = {0, plan_.offsets[planned++]}; break;
      case Home::input: locations_[i] = {first_input_ + block.index, 0}; break;
      case Home::output: locations_[i] = {first_output_ + block.index, 0}; break;
      case Home::parameter:
        locations_[i] = {static_cast<int>(fixed_spaces_.size()), 0};
        fixed_spaces_.push_back(reinterpret_cast<std::byte*>(graph_[block.first_value].parameter->data()));
        break;
      case Home::prepared:
        locations_[i] = {static_cast<int>(fixed_spaces_.size()), 0};
        fixed_spaces_.push_back(nullptr);
        break;
    }
  }
}

Operand Program::operand(ValueId value) const {
  if (value == kNoValue) return {};
  return {graph_.type(value), locations_[static_cast<std::size_t>(storage_.block_of[static_cast<std::size_t>(value)])], true};
}

Program::BoundStep Program::bind_node(std::size_t index) const {
  const Node& node = graph_.nodes[index];
  BindScope scope{kernels_, node.attributes, {}, {}};
  for (ValueId id : node.inputs) scope.inputs.push_back(operand(id));
  BoundStep bound{index, {}, {}};
  for (ValueId id : node.outputs) {
    scope.outputs.push_back(operand(id));
    const bool in_place = std::any_of(node.inputs.begin(), node.inputs.end(), [&](ValueId input) {
      return input != kNoValue && storage_.block_of[static_cast<std::size_t>(input)] == storage_.block_of[static_cast<std::size_t>(id)];
    });
    if (graph_.type(id).layout.ring > 0 && !in_place) bound.rings.push_back(scope.outputs.back());
  }
  bound.step = node.op->bind(scope);
  return bound;
}

void Program::bind() {
  for (std::size_t i = 0; i < graph_.nodes.size(); ++i) {
    const Node& node = graph_.nodes[i];
    if (node.op->alias) continue;
    require(!node.op->update || graph_[node.inputs[0]].parameter, node.op->name, "what is updated must be a parameter or buffer",
            "'" + graph_[node.inputs[0]].name + "'");
    BoundStep bound = bind_node(i);
    scratch_ = std::max(scratch_, round_up(bound.step.scratch_bytes, kArenaAlignment));
    if (is_ahead_[i]) {
      const TensorType& type = graph_.type(node.outputs[0]);
      Ahead ahead{
          std::move(bound), operand(node.outputs[0]).where.space, std::string(node.op->name) + ";" + kernels_.isa + ";", {}, type.bytes()};
      ahead.key += join(type.layout.block, ",", type.layout.ring, ";") + text_of(node.attributes);
      for (ValueId id : node.inputs) {
        ahead.key += id == kNoValue ? "-" : join("#", graph_[id].parameter->id());
        if (id != kNoValue) ahead.parameters.push_back(graph_[id].parameter);
      }
      ahead_.push_back(std::move(ahead));
    } else {
      flops_ += bound.step.flops;
      (node.op->update ? updates_ : main_).push_back(std::move(bound));
    }
  }
}

ProgramMemory Program::memory() const {
  ProgramMemory memory;
  for (const Value& value : graph_.values)
    if (value.parameter) memory.parameters += value.type.bytes();
  for (const Ahead& ahead : ahead_) memory.prepared += ahead.bytes;
  for (ValueId id : graph_.inputs) memory.inputs += graph_.type(id).bytes();
  for (ValueId id : graph_.outputs) memory.outputs += graph_.type(id).bytes();
  for (int block : planned_)
    memory.without_release += round_up(storage_.blocks[static_cast<std::size_t>(block)].life.bytes, kArenaAlignment);
  memory.arena = plan_.total;
  memory.scratch_per_thread = scratch_;
  memory.lower_bound = plan_.lower_bound;
  return memory;
}

std::vector<Program::StepInfo> Program::steps() const {
  std::vector<StepInfo> list;
  for (const auto* steps : {&main_, &updates_})
    for (const BoundStep& bound : *steps) list.push_back({&graph_.nodes[bound.node], &bound.step});
  return list;
}

}  // namespace fastcnn
