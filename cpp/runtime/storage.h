// Storage: which values share bytes, where those bytes lie, and their lifetimes. The memory planner places them in the arena.
#pragma once

#include <vector>

#include "graph/graph.h"
#include "runtime/bands.h"
#include "runtime/memory_plan.h"

namespace fastcnn {

enum class Home { arena, input, output, parameter, prepared };

// Values that share bytes: an alias and what it renames, or an in-place op's input and output.
struct Block {
  Home home = Home::arena;
  int index = 0;  // which input, output, parameter value or prepared node
  Lifetime life;  // node indices; meaningful for arena blocks
  ValueId first_value = kNoValue;
  std::size_t first_node = 0;  // the node that writes it first
};

struct Storage {
  std::vector<int> block_of;     // by value; -1 for values that nobody uses
  std::vector<Index> offset_of;  // by value: bytes from the start of its block
  std::vector<Block> blocks;
};

// ahead[i]: node i is computed before the runs (prepared weights), and its output lies outside the arena. What a group of nodes reads or
// writes in bands is alive while any of its nodes runs.
Storage assign_storage(const Graph& graph, const std::vector<bool>& ahead, const std::vector<BandGroup>& groups);

}  // namespace fastcnn
