#include "runtime/spaces.h"

namespace fastcnn {

namespace {

void plan_arena(const Storage& storage, Spaces& spaces) {
  std::vector<Lifetime> lifetimes;
  for (std::size_t i = 0; i < storage.blocks.size(); ++i) {
    if (storage.blocks[i].home != Home::arena) continue;
    spaces.planned.push_back(static_cast<int>(i));
    lifetimes.push_back(storage.blocks[i].life);
  }
  spaces.arena = plan_memory(lifetimes);
}

// A new space behind the others.
Location add_space(Spaces& spaces, std::byte* data) {
  spaces.fixed.push_back(data);
  return {static_cast<int>(spaces.fixed.size()) - 1, 0};
}

}  // namespace

Spaces assign_spaces(const Graph& graph, const Storage& storage) {
  Spaces spaces;
  plan_arena(storage, spaces);
  spaces.first_output = spaces.first_input + static_cast<int>(graph.inputs.size());
  spaces.fixed.assign(static_cast<std::size_t>(spaces.first_output) + graph.outputs.size(), nullptr);
  spaces.locations.resize(storage.blocks.size());
  std::size_t planned = 0;
  for (std::size_t i = 0; i < storage.blocks.size(); ++i) {
    const Block& block = storage.blocks[i];
    Location& location = spaces.locations[i];
    switch (block.home) {
      case Home::arena: location = {0, spaces.arena.offsets[planned++]}; break;
      case Home::input: location = {spaces.first_input + block.index, 0}; break;
      case Home::output: location = {spaces.first_output + block.index, 0}; break;
      case Home::parameter: location = add_space(spaces, reinterpret_cast<std::byte*>(graph[block.first_value].parameter->data())); break;
      case Home::prepared: location = add_space(spaces, nullptr); break;
    }
  }
  return spaces;
}

}  // namespace fastcnn
