#include "runtime/prepared_forms.h"

#include <algorithm>
#include <cstdio>
#include <set>

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

template <class T>
std::ptrdiff_t index_in(const std::vector<T>& list, const T& entry) {
  return std::find(list.begin(), list.end(), entry) - list.begin();
}

}  // namespace

PreparedForms::PreparedForms(const Plan& plan) : plan_(plan), binder_(plan.binder()) {
  find_files();
  find_recipes();
}

void PreparedForms::find_files() {
  for (const Value& value : plan_.graph().values) {
    if (!value.parameter || !value.parameter->file()) continue;
    if (std::find(files_.begin(), files_.end(), value.parameter->file()) == files_.end()) files_.push_back(value.parameter->file());
  }
}

// One recipe for each prepared block that a step of a run reads.
void PreparedForms::find_recipes() {
  const Graph& graph = plan_.graph();
  const Storage& storage = plan_.storage();
  std::set<int> read;
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    if (plan_.is_ahead(i) || graph.nodes[i].op->alias) continue;
    for (ValueId id : graph.nodes[i].inputs)
      if (id != kNoValue) read.insert(storage.block_of[static_cast<std::size_t>(id)]);
  }
  for (int block : read)
    if (storage.blocks[static_cast<std::size_t>(block)].home == Home::prepared) recipes_.push_back(recipe_of(block));
}

PreparedForms::Recipe PreparedForms::recipe_of(int block) const {
  const Block& made = plan_.storage().blocks[static_cast<std::size_t>(block)];
  Recipe recipe;
  recipe.space = plan_.spaces().locations[static_cast<std::size_t>(block)].space;
  recipe.bytes = made.life.bytes;
  const Layout layout = plan_.graph()[made.first_value].type.layout;
  recipe.key = join(plan_.kernels().isa, ";", layout.block, ",", layout.ring, ",", layout.of, ";");
  std::vector<std::size_t> added;
  add_steps(recipe, added, made.first_node);
  recipe.key += join("output ", index_in(plan_.graph().nodes[made.first_node].outputs, made.first_value));
  std::erase_if(recipe.temporaries, [&](const auto& temporary) { return temporary.first == recipe.space; });
  return recipe;
}

// Appends the steps that make a node's outputs, from the parameters on. `added`: the nodes that are in already.
void PreparedForms::add_steps(Recipe& recipe, std::vector<std::size_t>& added, std::size_t index) const {
  if (std::find(added.begin(), added.end(), index) != added.end()) return;
  const Graph& graph = plan_.graph();
  const Node& node = graph.nodes[index];
  std::string text = node.op->name + (";" + text_of(node.attributes));
  for (ValueId id : node.inputs) {
    if (id == kNoValue) {
      text += "-";
      continue;
    }
    const int block_of = plan_.storage().block_of[static_cast<std::size_t>(id)];
    const Block& block = plan_.storage().blocks[static_cast<std::size_t>(block_of)];
    text += graph.type(id).shape.str();
    if (block.home == Home::parameter) {
      recipe.parameters.push_back(graph[block.first_value].parameter);
      text += join("#", recipe.parameters.back()->id());
    } else {
      add_steps(recipe, added, block.first_node);
      text += join("@", index_in(added, block.first_node), ".", index_in(graph.nodes[block.first_node].outputs, block.first_value));
    }
  }
  added.push_back(index);
  recipe.key += text + "|";
  recipe.steps.push_back(binder_.bind(index));
  for (ValueId id : node.outputs) recipe.temporaries.emplace_back(binder_.operand(id).where.space, graph.type(id).bytes());
}

void PreparedForms::use_files() const {
  for (const auto& file : files_) {
    if (plan_.purpose() == Purpose::training)
      file->own();
    else
      file->check();
  }
}

bool PreparedForms::is_current(const Held& held, std::size_t form) const {
  if (!held[form]) return false;
  const auto& parameters = recipes_[form].parameters;
  for (std::size_t k = 0; k < parameters.size(); ++k)
    if (held[form]->versions[k] != parameters[k]->version()) return false;
  return true;
}

void PreparedForms::refresh(Held& held, std::vector<std::byte*>& spaces, int threads) {
  held.resize(recipes_.size());
  std::vector<std::size_t> wanted;
  for (std::size_t i = 0; i < recipes_.size(); ++i)
    if (!is_current(held, i)) wanted.push_back(i);
  if (!wanted.empty()) make(wanted, held, spaces, threads);
}

// Forms that are made together share one piece of memory: its pages are large, and few.
void PreparedForms::make(const std::vector<std::size_t>& wanted, Held& held, std::vector<std::byte*>& spaces, int threads) {
  const std::lock_guard lock(mutex_);
  std::vector<std::shared_ptr<PreparedForm>> made(recipes_.size());
  std::size_t bytes = 0;
  for (std::size_t i : wanted) {
    const Recipe& recipe = recipes_[i];
    held[i] = recipe.parameters.front()->form(recipe.key);
    if (is_current(held, i)) continue;
    held[i] = nullptr;  // an old one goes before the new one comes
    made[i] = std::make_shared<PreparedForm>();
    for (const auto& parameter : recipe.parameters) made[i]->versions.push_back(parameter->version());
    bytes += static_cast<std::size_t>(round_up(recipe.bytes, kArenaAlignment));
  }
  const auto memory = std::make_shared<const AlignedBuffer>(bytes);
  std::byte* free = memory->data();
  std::vector<AlignedBuffer> buffers;
  for (std::size_t i : wanted) {
    const Recipe& recipe = recipes_[i];
    if (made[i]) {
      made[i]->memory = memory;
      made[i]->data = free;
      free += round_up(recipe.bytes, kArenaAlignment);
      fill(recipe, *made[i], spaces, buffers, threads);
      recipe.parameters.front()->keep_form(recipe.key, made[i]);
      held[i] = std::move(made[i]);
    }
    spaces[static_cast<std::size_t>(recipe.space)] = held[i]->data;
  }
}

// buffers: the memory of temporaries, which the next form uses again.
void PreparedForms::fill(const Recipe& recipe, const PreparedForm& form, std::vector<std::byte*> spaces,
                         std::vector<AlignedBuffer>& buffers, int threads) const {
  Index scratch_bytes = 0;
  for (const BoundStep& bound : recipe.steps) scratch_bytes = std::max(scratch_bytes, round_up(bound.step.scratch_bytes, kArenaAlignment));
  buffers.resize(std::max(buffers.size(), recipe.temporaries.size()));
  for (std::size_t i = 0; i < recipe.temporaries.size(); ++i) {
    const auto& [space, bytes] = recipe.temporaries[i];
    if (buffers[i].size() < static_cast<std::size_t>(bytes)) buffers[i] = AlignedBuffer(static_cast<std::size_t>(bytes));
    spaces[static_cast<std::size_t>(space)] = buffers[i].data();
  }
  spaces[static_cast<std::size_t>(recipe.space)] = form.data;
  const AlignedBuffer scratch(static_cast<std::size_t>(threads * scratch_bytes));
  run_steps(recipe.steps, spaces, {scratch.data(), scratch_bytes}, {}, threads);
  for (const auto& parameter : recipe.parameters)
    if (parameter->file()) parameter->file()->release(reinterpret_cast<const std::byte*>(parameter->data()), parameter->bytes());
}

Index PreparedForms::bytes() const {
  Index bytes = 0;
  for (const Recipe& recipe : recipes_) bytes += recipe.bytes;
  return bytes;
}

std::vector<std::pair<std::size_t, Index>> PreparedForms::list() const {
  std::vector<std::pair<std::size_t, Index>> list;
  for (const Recipe& recipe : recipes_) list.emplace_back(std::hash<std::string>{}(recipe.key), recipe.bytes);
  return list;
}

}  // namespace fastcnn
