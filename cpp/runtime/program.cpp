// Compilation: passes, then storage, then the memory plan, then steps with bound places. ahead.cpp finds what can be done once and for all,
// execution.cpp runs the rest.
#include "runtime/program.h"

#include <algorithm>

#include "graph/passes/passes.h"

namespace fastcnn {

Program::Program(Graph graph, const Kernels& kernels, Purpose purpose, std::shared_ptr<ArenaPool> arenas, CompileOptions options)
    : graph_(std::move(graph)), kernels_(kernels), arenas_(std::move(arenas)), writes_parameters_(purpose == Purpose::training) {
  require(!graph_.outputs.empty(), "compile", "a graph needs at least one output");
  remove_identities(graph_);
  separate_outputs(graph_);
  remove_unused(graph_);
  place_updates(graph_);
  fold_batch_norms(graph_);
  if (purpose == Purpose::training) places_early(graph_), recompute(graph_), masks_as_bits(graph_);
  if (options.room) made_again_ = make_again(graph_, *options.room);
  fuse_epilogues(graph_);
  fuse_prologues(graph_);
  if (purpose == Purpose::inference) fuse_upsampling(graph_);
  options.strict = options.strict || purpose == Purpose::training;
  choose_algorithms(graph_, kernels.lanes, options);
  fuse_pools(graph_, kernels.lanes, options.small);
  if (purpose == Purpose::inference) fuse_depthwise(graph_, kernels.lanes);
  assign_layouts(graph_, kernels.lanes);
  concat_views(graph_, options.small);
  assign_rings(graph_);
  place_updates(graph_);  // some readers have moved
  find_files();
  find_ahead(purpose);
  if (options.small) groups_ = choose_bands(graph_, is_ahead_);
  storage_ = assign_storage(graph_, is_ahead_, groups_);
  place();
  bind();
}

void Program::find_files() {
  for (const Value& value : graph_.values) {
    if (!value.parameter || !value.parameter->file()) continue;
    if (std::find(files_.begin(), files_.end(), value.parameter->file()) == files_.end()) files_.push_back(value.parameter->file());
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
  Location where = locations_[static_cast<std::size_t>(storage_.block_of[static_cast<std::size_t>(value)])];
  where.offset += storage_.offset_of[static_cast<std::size_t>(value)];
  return {graph_.type(value), where, true};
}

Program::BoundStep Program::bind_node(std::size_t index) const {
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

// A concatenation whose parts already lie where they belong.
bool Program::made_of_parts(std::size_t index) const {
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

void Program::add_step(std::vector<BoundStep>& steps, BoundStep bound, std::size_t report) {
  scratch_ = std::max(scratch_, round_up(bound.step.scratch_bytes, kArenaAlignment));
  flops_ += bound.step.flops;
  bound.report = report;
  steps.push_back(std::move(bound));
}

void Program::bind() {
  auto group = groups_.begin();
  for (std::size_t i = 0; i < graph_.nodes.size(); ++i) {
    if (group != groups_.end() && i == group->last()) {
      bind_group(*group++);
      continue;
    }
    if (group != groups_.end() && i >= group->first()) continue;
    const Node& node = graph_.nodes[i];
    if (node.op->alias || is_ahead_[i]) continue;
    require(!node.op->update || graph_[node.inputs[0]].parameter, node.op->name, "what is updated must be a parameter or buffer",
            "'" + graph_[node.inputs[0]].name + "'");
    require(writes_parameters_ || node.op->name != std::string_view("update_weights"), node.op->name,
            "only a training step has an optimizer", "'" + node.name + "'");
    if (made_of_parts(i)) continue;
    BoundStep bound = bind_node(i);
    reports_.push_back({i, bound.step});
    reports_.back().step.run = nullptr;
    add_step(main_, std::move(bound), reports_.size() - 1);
  }
  const auto update = [&](const BoundStep& bound) { return graph_.nodes[bound.node].op->update; };
  first_update_ = static_cast<std::size_t>(std::find_if(main_.begin(), main_.end(), update) - main_.begin());
  bind_ahead();
}

ProgramMemory Program::memory() const {
  ProgramMemory memory;
  const std::vector<int> uses = count_uses(graph_);
  for (std::size_t i = 0; i < graph_.values.size(); ++i)
    if (graph_.values[i].parameter && uses[i] > 0) memory.parameters += graph_.values[i].type.bytes();
  for (const Ahead& ahead : ahead_) memory.prepared += ahead.bytes;
  for (ValueId id : graph_.inputs) memory.inputs += graph_.type(id).bytes();
  for (ValueId id : graph_.outputs) memory.outputs += graph_.type(id).bytes();
  std::vector<Lifetime> logical;
  for (int index : planned_) {
    const Block& block = storage_.blocks[static_cast<std::size_t>(index)];
    memory.without_release += round_up(block.life.bytes, kArenaAlignment);
    logical.push_back({block.life.first, block.life.last, graph_.type(block.first_value).logical_bytes()});
  }
  memory.logical_bound = most_alive(logical, 1);
  memory.arena = plan_.total;
  memory.scratch_per_thread = scratch_;
  memory.lower_bound = plan_.lower_bound;
  return memory;
}

std::vector<Program::StepInfo> Program::steps() const {
  std::vector<StepInfo> list;
  for (const Report& report : reports_) list.push_back({&graph_.nodes[report.node], &report.step, report.bands});
  return list;
}

}  // namespace fastcnn
