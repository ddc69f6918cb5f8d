// Compilation: passes, then the storage of values, then the memory plan, then steps that are bound to their places.
#include "runtime/plan.h"

#include <algorithm>
#include <iterator>
#include <set>

#include "runtime/bind_bands.h"

namespace fastcnn {

namespace {

// Nodes that depend on parameters alone and make no output. In training every run writes the parameters, so there is none.
std::vector<bool> nodes_ahead(const Graph& graph, Purpose purpose) {
  std::vector<bool> is_ahead(graph.nodes.size(), false);
  if (purpose == Purpose::training) return is_ahead;
  std::vector<bool> constant(graph.values.size(), false);
  for (std::size_t i = 0; i < graph.values.size(); ++i) constant[i] = graph.values[i].parameter != nullptr;
  const std::set<ValueId> returned(graph.outputs.begin(), graph.outputs.end());
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    const Node& node = graph.nodes[i];
    bool ahead = !node.op->update && !node.op->random;
    for (ValueId id : node.inputs) ahead = ahead && (id == kNoValue || constant[static_cast<std::size_t>(id)]);
    for (ValueId id : node.outputs) ahead = ahead && !returned.count(id);
    is_ahead[i] = ahead;
    for (ValueId id : node.outputs) constant[static_cast<std::size_t>(id)] = ahead;
  }
  return is_ahead;
}

}  // namespace

Plan::Plan(Graph graph, const Kernels& kernels, Purpose purpose, const CompileOptions& options)
    : graph_(std::move(graph)), kernels_(kernels), purpose_(purpose) {
  require(!graph_.outputs.empty(), "compile", "a graph needs at least one output");
  CompileOptions chosen = options;
  chosen.strict = options.strict || purpose == Purpose::training;
  PassContext context{kernels.lanes, chosen};
  run_passes(graph_, purpose, context);
  recomputed_work_ = context.recomputed_work;
  is_ahead_ = nodes_ahead(graph_, purpose);
  std::vector<BandGroup> groups;
  if (options.small) groups = choose_bands(graph_, is_ahead_);
  storage_ = assign_storage(graph_, is_ahead_, groups);
  spaces_ = assign_spaces(graph_, storage_);
  bind(groups);
}

// The steps of a group stand where its last node stands.
void Plan::bind(const std::vector<BandGroup>& groups) {
  const Binder binder = this->binder();
  auto group = groups.begin();
  for (std::size_t i = 0; i < graph_.nodes.size(); ++i) {
    if (group != groups.end() && i == group->last())
      bind_bands(binder, *group++);
    else if (group == groups.end() || i < group->first())
      bind_node(binder, i);
  }
  const auto is_update = [&](const BoundStep& bound) { return graph_.nodes[bound.node].op->update; };
  first_update_ = static_cast<std::size_t>(std::find_if(steps_.begin(), steps_.end(), is_update) - steps_.begin());
}

void Plan::bind_node(const Binder& binder, std::size_t index) {
  const Node& node = graph_.nodes[index];
  if (node.op->alias || is_ahead_[index]) return;
  check_update(node);
  if (binder.is_made_of_parts(index)) return;
  BoundStep bound = binder.bind(index);
  bound.report = reports_.size();
  reports_.push_back({index, bound.step});
  reports_.back().step.run = nullptr;
  add_step(std::move(bound));
}

void Plan::bind_bands(const Binder& binder, const BandGroup& group) {
  BoundGroup bound = bind_group(binder, group);
  const std::size_t first_report = reports_.size();
  std::move(bound.reports.begin(), bound.reports.end(), std::back_inserter(reports_));
  for (BoundStep& step : bound.steps) {
    step.report += first_report;
    add_step(std::move(step));
  }
}

void Plan::check_update(const Node& node) const {
  require(!node.op->update || graph_[node.inputs[0]].parameter, node.op->name, "what is updated must be a parameter or buffer",
          "'" + graph_[node.inputs[0]].name + "'");
  require(purpose_ == Purpose::training || node.op->name != std::string_view("update_weights"), node.op->name,
          "only a training step has an optimizer", "'" + node.name + "'");
}

void Plan::add_step(BoundStep bound) {
  scratch_bytes_ = std::max(scratch_bytes_, round_up(bound.step.scratch_bytes, kArenaAlignment));
  flops_ += bound.step.flops;
  steps_.push_back(std::move(bound));
}

ProgramMemory Plan::memory() const {
  ProgramMemory memory;
  const std::vector<int> uses = count_uses(graph_);
  for (std::size_t i = 0; i < graph_.values.size(); ++i)
    if (graph_.values[i].parameter && uses[i] > 0) memory.parameters += graph_.values[i].type.bytes();
  for (ValueId id : graph_.inputs) memory.inputs += graph_.type(id).bytes();
  for (ValueId id : graph_.outputs) memory.outputs += graph_.type(id).bytes();
  std::vector<Lifetime> logical;
  for (int index : spaces_.planned) {
    const Block& block = storage_.blocks[static_cast<std::size_t>(index)];
    memory.without_release += round_up(block.life.bytes, kArenaAlignment);
    logical.push_back({block.life.first, block.life.last, graph_.type(block.first_value).logical_bytes()});
  }
  memory.logical_bound = most_alive(logical, 1);
  memory.arena = spaces_.arena.total;
  memory.scratch_per_thread = scratch_bytes_;
  memory.lower_bound = spaces_.arena.lower_bound;
  return memory;
}

}  // namespace fastcnn
