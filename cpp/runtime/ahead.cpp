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

std::shared_ptr<const PreparedForm> Program::make_form(const Ahead& ahead, RunState& state, int threads) const {
  auto form = std::make_shared<PreparedForm>();
  for (const auto& parameter : ahead.parameters) form->versions.push_back(parameter->version());
  form->data = AlignedBuffer(static_cast<std::size_t>(ahead.bytes));
  Index scratch_bytes = 0;
  for (const BoundStep& bound : ahead.steps) scratch_bytes = std::max(scratch_bytes, round_up(bound.step.scratch_bytes, kArenaAlignment));
  std::vector<AlignedBuffer> buffers;
  std::vector<std::byte*> spaces = state.spaces;
  for (const auto& [space, bytes] : ahead.temporaries) {
    buffers.emplace_back(static_cast<std::size_t>(bytes));
    spaces[static_cast<std::size_t>(space)] = buffers.back().data();
  }
  spaces[static_cast<std::size_t>(ahead.space)] = form->data.data();
  const AlignedBuffer scratch(static_cast<std::size_t>(threads * scratch_bytes));
  execute(ahead.steps, spaces, {scratch.data(), scratch_bytes}, {}, threads);
  return form;
}

// Makes sure that every prepared form is made from the parameters as they are now. In the steady state this compares a few integers.
void Program::refresh_forms(RunState& state, int threads) {
  const auto current = [](const PreparedForm* form, const Ahead& ahead) {
    if (!form) return false;
    for (std::size_t i = 0; i < ahead.parameters.size(); ++i)
      if (form->versions[i] != ahead.parameters[i]->version()) return false;
    return true;
  };
  for (std::size_t i = 0; i < ahead_.size(); ++i) {
    const Ahead& ahead = ahead_[i];
    if (current(state.forms[i].get(), ahead)) continue;
    Parameter& owner = *ahead.parameters.front();
    const std::lock_guard lock(mutex_);
    state.forms[i] = owner.form(ahead.key);
    if (!current(state.forms[i].get(), ahead)) {
      state.forms[i] = make_form(ahead, state, threads);
      owner.keep_form(ahead.key, state.forms[i]);
    }
    state.spaces[static_cast<std::size_t>(ahead.space)] = state.forms[i]->data.data();
  }
}

}  // namespace fastcnn
