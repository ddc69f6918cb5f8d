// What a program can do ahead of its runs: everything that is made of parameters alone, such as weights folded and packed for an algorithm.
// A result is a PreparedForm, kept by the parameter that it is made of and shared by all programs that need the same; it is made anew when
// one of its parameters was written.
#include <algorithm>
#include <cstdio>
#include <set>

#include "runtime/program.h"

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
  template <class Number>
  std::string operator()(const std::vector<Number>& list) const {
    std::string out;
    for (Number entry : list) out += (*this)(entry) + ",";
    return out;
  }
};

std::string text_of(const Attributes& attributes) {
  std::string out;
  for (const auto& [name, value] : attributes.items()) out += name + "=" + std::visit(TextOf{}, value) + ";";
  return out;
}

}  // namespace

// Nodes that depend on parameters alone and are no output. While training every run writes the parameters: there nothing is done ahead.
void Program::find_ahead(Purpose purpose) {
  is_ahead_.assign(graph_.nodes.size(), false);
  if (purpose == Purpose::training) return;
  std::vector<bool> constant(graph_.values.size(), false);
  for (std::size_t i = 0; i < graph_.values.size(); ++i) constant[i] = graph_.values[i].parameter != nullptr;
  const std::set<ValueId> returned(graph_.outputs.begin(), graph_.outputs.end());
  for (std::size_t i = 0; i < graph_.nodes.size(); ++i) {
    const Node& node = graph_.nodes[i];
    bool ahead = !node.op->update && !node.op->random;
    for (ValueId id : node.inputs) ahead = ahead && (id == kNoValue || constant[static_cast<std::size_t>(id)]);
    for (ValueId id : node.outputs) ahead = ahead && !returned.count(id);
    is_ahead_[i] = ahead;
    for (ValueId id : node.outputs) constant[static_cast<std::size_t>(id)] = ahead;
  }
}

// One form for each prepared block that a step of a run reads.
void Program::bind_ahead() {
  std::set<int> read;
  for (std::size_t i = 0; i < graph_.nodes.size(); ++i) {
    if (is_ahead_[i] || graph_.nodes[i].op->alias) continue;
    for (ValueId id : graph_.nodes[i].inputs)
      if (id != kNoValue) read.insert(storage_.block_of[static_cast<std::size_t>(id)]);
  }
  for (int block : read)
    if (storage_.blocks[static_cast<std::size_t>(block)].home == Home::prepared) ahead_.push_back(ahead_of(block));
}

Program::Ahead Program::ahead_of(int block) const {
  const Block& made = storage_.blocks[static_cast<std::size_t>(block)];
  Ahead ahead;
  ahead.space = locations_[static_cast<std::size_t>(block)].space;
  ahead.bytes = made.life.bytes;
  const Layout layout = graph_[made.first_value].type.layout;
  ahead.key = join(kernels_.isa, ";", layout.block, ",", layout.ring, ",", layout.of, ";");
  std::vector<std::size_t> added;
  add_to(ahead, added, made.first_node);
  const Node& last = graph_.nodes[made.first_node];
  ahead.key += join("output ", std::find(last.outputs.begin(), last.outputs.end(), made.first_value) - last.outputs.begin());
  std::erase_if(ahead.temporaries, [&](const auto& temporary) { return temporary.first == ahead.space; });
  return ahead;
}

// Appends the steps that make a node's outputs, from the parameters on. `added`: the nodes that are in already.
void Program::add_to(Ahead& ahead, std::vector<std::size_t>& added, std::size_t index) const {
  if (std::find(added.begin(), added.end(), index) != added.end()) return;
  const Node& node = graph_.nodes[index];
  std::string text = node.op->name + (";" + text_of(node.attributes));
  for (ValueId id : node.inputs) {
    if (id == kNoValue) {
      text += "-";
      continue;
    }
    const Block& block = storage_.blocks[static_cast<std::size_t>(storage_.block_of[static_cast<std::size_t>(id)])];
    text += graph_.type(id).shape.str();
    if (block.home == Home::parameter) {
      ahead.parameters.push_back(graph_[block.first_value].parameter);
      text += join("#", ahead.parameters.back()->id());
    } else {
      add_to(ahead, added, block.first_node);
      const auto& made = graph_.nodes[block.first_node].outputs;
      text += join("@", std::find(added.begin(), added.end(), block.first_node) - added.begin(), ".",
                   std::find(made.begin(), made.end(), block.first_value) - made.begin());
    }
  }
  added.push_back(index);
  ahead.key += text + "|";
  ahead.steps.push_back(bind_node(index));
  for (ValueId id : node.outputs) ahead.temporaries.emplace_back(operand(id).where.space, graph_.type(id).bytes());
}

// buffers: for what comes and goes on the way; the next form may use them again.
void Program::fill_form(const Ahead& ahead, const PreparedForm& form, const RunState& state, std::vector<AlignedBuffer>& buffers,
                        int threads) const {
  Index scratch_bytes = 0;
  for (const BoundStep& bound : ahead.steps) scratch_bytes = std::max(scratch_bytes, round_up(bound.step.scratch_bytes, kArenaAlignment));
  std::vector<std::byte*> spaces = state.spaces;
  buffers.resize(std::max(buffers.size(), ahead.temporaries.size()));
  for (std::size_t i = 0; i < ahead.temporaries.size(); ++i) {
    const auto& [space, bytes] = ahead.temporaries[i];
    if (buffers[i].size() < static_cast<std::size_t>(bytes)) buffers[i] = AlignedBuffer(static_cast<std::size_t>(bytes));
    spaces[static_cast<std::size_t>(space)] = buffers[i].data();
  }
  spaces[static_cast<std::size_t>(ahead.space)] = form.data;
  const AlignedBuffer scratch(static_cast<std::size_t>(threads * scratch_bytes));
  execute(ahead.steps, spaces, {scratch.data(), scratch_bytes}, {}, threads);
  for (const auto& parameter : ahead.parameters)
    if (parameter->file()) parameter->file()->release(reinterpret_cast<const std::byte*>(parameter->data()), parameter->bytes());
}

std::vector<std::pair<std::size_t, Index>> Program::forms() const {
  std::vector<std::pair<std::size_t, Index>> list;
  for (const Ahead& ahead : ahead_) list.emplace_back(std::hash<std::string>{}(ahead.key), ahead.bytes);
  return list;
}

// Makes sure that every prepared form is made from the parameters as they are now. In the steady state this compares a few integers.
// Forms that are made together share one piece of memory: its pages are large, and few.
void Program::refresh_forms(RunState& state, int threads) {
  const auto current = [&](std::size_t i) {
    if (!state.forms[i]) return false;
    const auto& parameters = ahead_[i].parameters;
    for (std::size_t k = 0; k < parameters.size(); ++k)
      if (state.forms[i]->versions[k] != parameters[k]->version()) return false;
    return true;
  };
  std::vector<std::size_t> wanted;
  for (std::size_t i = 0; i < ahead_.size(); ++i)
    if (!current(i)) wanted.push_back(i);
  if (wanted.empty()) return;
  const std::lock_guard lock(mutex_);
  std::vector<std::shared_ptr<PreparedForm>> made(ahead_.size());
  std::size_t bytes = 0;
  for (std::size_t i : wanted) {
    const Ahead& ahead = ahead_[i];
    state.forms[i] = ahead.parameters.front()->form(ahead.key);
    if (current(i)) continue;
    state.forms[i] = nullptr;  // an old one goes before the new one comes
    made[i] = std::make_shared<PreparedForm>();
    for (const auto& parameter : ahead.parameters) made[i]->versions.push_back(parameter->version());
    bytes += static_cast<std::size_t>(round_up(ahead.bytes, kArenaAlignment));
  }
  const auto memory = std::make_shared<const AlignedBuffer>(bytes);
  std::byte* free = memory->data();
  std::vector<AlignedBuffer> buffers;
  for (std::size_t i : wanted) {
    const Ahead& ahead = ahead_[i];
    if (made[i]) {
      made[i]->memory = memory, made[i]->data = free;
      free += round_up(ahead.bytes, kArenaAlignment);
      fill_form(ahead, *made[i], state, buffers, threads);
      ahead.parameters.front()->keep_form(ahead.key, made[i]);
      state.forms[i] = std::move(made[i]);
    }
    state.spaces[static_cast<std::size_t>(ahead.space)] = state.forms[i]->data;
  }
}

}  // namespace fastcnn
