// Spaces: the pieces of memory that the steps of a program refer to, and where each block of its storage lies in them. Space 0 is the
// arena. Behind it come the inputs, the outputs, the parameters and the prepared weights, one space each.
#pragma once

#include <cstddef>
#include <vector>

#include "runtime/memory_plan.h"
#include "runtime/storage.h"

namespace fastcnn {

struct Spaces {
  MemoryPlan arena;
  std::vector<int> planned;         // by lifetime of the arena's plan: its block
  std::vector<Location> locations;  // by block
  std::vector<std::byte*> fixed;    // by space: a parameter's values; nullptr for those that each run sets
  int first_input = 1;
  int first_output = 1;
};

Spaces assign_spaces(const Graph& graph, const Storage& storage);

}  // namespace fastcnn
