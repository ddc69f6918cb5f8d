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

// Places the blocks in this order, each in its lowest gap; with `alternate`, every other one in the highest gap below `capacity` if there
// is one.
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

// The step at which most bytes are alive, and how many.
struct Fullest {
  int step = 0;
  Index bytes = 0;
};

Fullest fullest(const std::vector<Lifetime>& blocks, Index alignment) {
  std::map<int, Index> change;  // bytes that come alive at a step, less those that died before it
  for (const Lifetime& block : blocks) {
    change[block.first] += round_up(block.bytes, alignment);
    change[block.last + 1] -= round_up(block.bytes, alignment);
  }
  Fullest most;
  Index alive = 0;
  for (const auto& [step, bytes] : change) {
    alive += bytes;
    if (alive > most.bytes) most = {step, alive};
  }
  return most;
}

// While the plan is more than a hundredth above the bound, places the block that ends highest before all others the next time.
void mend(const std::vector<Lifetime>& blocks, MemoryPlan& best, Index bound) {
  constexpr std::size_t kMostRounds = 64;
  constexpr std::size_t kMostWork = std::size_t{1} << 24;  // placing n blocks takes about n^2 comparisons
  const std::size_t rounds = std::min(kMostRounds, kMostWork / std::max<std::size_t>(1, blocks.size() * blocks.size()));
  const auto end = [&](const MemoryPlan& plan, std::size_t i) { return plan.offsets[i] + blocks[i].bytes; };
  std::vector<std::size_t> order(blocks.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return best.offsets[a] < best.offsets[b]; });
  MemoryPlan last = best;
  for (std::size_t round = 0; round < rounds && best.total > bound + bound / 100; ++round) {
    const auto highest =
        std::max_element(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return end(last, a) < end(last, b); });
    std::rotate(order.begin(), highest, highest + 1);
    last = place(blocks, order, false, bound);
    if (last.total < best.total) best = last;
  }
}

}  // namespace

Index most_alive(const std::vector<Lifetime>& blocks, Index alignment) { return fullest(blocks, alignment).bytes; }

MemoryPlan plan_memory(const std::vector<Lifetime>& blocks) {
  for (const Lifetime& block : blocks)
    require(block.bytes >= 0 && block.first <= block.last, "memory_plan", "a block needs bytes >= 0 and first <= last",
            "bytes=", block.bytes, ", first=", block.first, ", last=", block.last);
  const auto life = [&](std::size_t i) { return blocks[i].last - blocks[i].first + 1; };
  const auto area = [&](std::size_t i) { return static_cast<double>(blocks[i].bytes) * life(i); };
  std::vector<std::size_t> order(blocks.size());
  MemoryPlan best;
  best.total = -1;
  const auto [fullest_step, bound] = fullest(blocks, kArenaAlignment);
  const auto try_order = [&, bound = bound](auto before, bool alternate = false) {
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
  const auto at_fullest = [&, step = fullest_step](std::size_t i) { return blocks[i].first <= step && step <= blocks[i].last; };
  try_order([&](std::size_t a, std::size_t b) {  // blocks that must lie side by side, the longest lifetimes first; others into the gaps
    if (at_fullest(a) != at_fullest(b)) return at_fullest(a);
    return at_fullest(a) ? life(a) > life(b) : blocks[a].bytes > blocks[b].bytes;
  });
  // From both ends, in the order of time: a chain, where each block meets only its neighbours, always reaches the bound this way.
  try_order([&](std::size_t a, std::size_t b) { return blocks[a].first < blocks[b].first; }, true);
  mend(blocks, best, bound);
  best.lower_bound = bound;
  return best;
}

}  // namespace fastcnn
