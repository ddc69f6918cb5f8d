#include "runtime/memory_plan.h"

#include <algorithm>
#include <map>
#include <numeric>

namespace fastcnn {

namespace {

bool overlap(const Lifetime& a, const Lifetime& b) { return a.first <= b.last && b.first <= a.last; }

// The lowest offset at which `block` meets no placed block that lives at the same time. `placed` is ordered by offset.
Index lowest_gap(const std::vector<Lifetime>& blocks, const std::vector<std::size_t>& placed, const std::vector<Index>& offsets,
                 const Lifetime& block) {
  Index offset = 0;
  for (std::size_t other : placed) {
    if (!overlap(blocks[other], block)) continue;
    if (offset + block.bytes <= offsets[other]) break;
    offset = std::max(offset, round_up(offsets[other] + blocks[other].bytes, kArenaAlignment));
  }
  return offset;
}

// The highest offset below `capacity` at which `block` meets no placed block that lives at the same time; negative if there is none.
Index highest_gap(const std::vector<Lifetime>& blocks, const std::vector<std::size_t>& placed, const std::vector<Index>& offsets,
                  const Lifetime& block, Index capacity) {
  const Index bytes = round_up(block.bytes, kArenaAlignment);
  Index offset = capacity - bytes;
  for (bool moved = true; moved && offset >= 0;) {
    moved = false;
    for (std::size_t other : placed) {
      const Index end = round_up(offsets[other] + blocks[other].bytes, kArenaAlignment);
      if (!overlap(blocks[other], block) || offset >= end || offsets[other] >= offset + bytes) continue;
      offset = offsets[other] - bytes;
      moved = true;
    }
  }
  return offset;
}

// Blocks in this order, each in its lowest gap; with `alternate`, every other one in the highest gap below `capacity` if it has one there.
MemoryPlan place(const std::vector<Lifetime>& blocks, const std::vector<std::size_t>& order, bool alternate, Index capacity) {
  MemoryPlan plan;
  plan.offsets.assign(blocks.size(), 0);
  std::vector<std::size_t> placed;
  bool high = false;
  for (std::size_t index : order) {
    const Lifetime& block = blocks[index];
    if (block.bytes == 0) continue;
    Index offset = high ? highest_gap(blocks, placed, plan.offsets, block, capacity) : -1;
    if (offset < 0) offset = lowest_gap(blocks, placed, plan.offsets, block);
    high = alternate && !high;
    plan.offsets[index] = offset;
    plan.total = std::max(plan.total, offset + round_up(block.bytes, kArenaAlignment));
    const auto by_offset = [&](std::size_t a, std::size_t b) { return plan.offsets[a] < plan.offsets[b]; };
    placed.insert(std::upper_bound(placed.begin(), placed.end(), index, by_offset), index);
  }
  return plan;
}

}  // namespace

Index most_alive(const std::vector<Lifetime>& blocks, Index alignment) {
  std::map<int, Index> change;  // bytes that come alive at a step, less those that died before it
  for (const Lifetime& block : blocks) {
    change[block.first] += round_up(block.bytes, alignment);
    change[block.last + 1] -= round_up(block.bytes, alignment);
  }
  Index alive = 0, most = 0;
  for (const auto& [step, bytes] : change) most = std::max(most, alive += bytes);
  return most;
}

MemoryPlan plan_memory(const std::vector<Lifetime>& blocks) {
  for (const Lifetime& block : blocks)
    require(block.bytes >= 0 && block.first <= block.last, "memory_plan", "a block needs bytes >= 0 and first <= last",
            "bytes=", block.bytes, ", first=", block.first, ", last=", block.last);
  const auto life = [&](std::size_t i) { return blocks[i].last - blocks[i].first + 1; };
  const auto area = [&](std::size_t i) { return static_cast<double>(blocks[i].bytes) * life(i); };
  std::vector<std::size_t> order(blocks.size());
  MemoryPlan best;
  best.total = -1;
  const Index bound = most_alive(blocks, kArenaAlignment);
  const auto try_order = [&](auto before, bool alternate = false) {
    if (best.total == bound) return;
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(), before);
    MemoryPlan plan = place(blocks, order, alternate, bound);
    if (best.total < 0 || plan.total < best.total) best = std::move(plan);
  };
  try_order([&](std::size_t a, std::size_t b) { return blocks[a].bytes > blocks[b].bytes; });
  try_order([&](std::size_t a, std::size_t b) { return area(a) > area(b); });
  try_order([&](std::size_t a, std::size_t b) { return life(a) > life(b); });
  try_order([&](std::size_t a, std::size_t b) { return blocks[a].first < blocks[b].first; });
  // From both ends, in the order of time: a chain, where each block meets only its neighbours, always reaches the bound this way.
  try_order([&](std::size_t a, std::size_t b) { return blocks[a].first < blocks[b].first; }, true);
  best.lower_bound = bound;
  return best;
}

}  // namespace fastcnn
