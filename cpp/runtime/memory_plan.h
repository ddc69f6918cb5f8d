// The memory plan: lifetimes in, offsets in one arena out. A pure function; it knows nothing of tensors.
//
// Offset calculation by greedy placement (Pisarchyk & Lee, "Efficient Memory Management for Deep Neural Net Inference", 2020): blocks are
// placed one after another, each in the lowest gap that is free for its whole lifetime. Several orders are tried and the smallest arena is
// kept; while it is more than a hundredth above the bound, the block that ends highest is placed first the next time.
#pragma once

#include <vector>

#include "core/shape.h"

namespace fastcnn {

// A block is alive at the steps first .. last, both included.
struct Lifetime {
  int first = 0, last = 0;
  Index bytes = 0;
};

struct MemoryPlan {
  std::vector<Index> offsets;  // multiples of kArenaAlignment
  Index total = 0;             // bytes of the arena
  Index lower_bound = 0;       // the largest sum of bytes alive at one step: no plan can be smaller
};

constexpr Index kArenaAlignment = 64;

// The largest sum of bytes that are alive at one step, each block rounded up to the alignment.
Index most_alive(const std::vector<Lifetime>& blocks, Index alignment);

MemoryPlan plan_memory(const std::vector<Lifetime>& blocks);

}  // namespace fastcnn
