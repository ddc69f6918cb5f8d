// Chooses what a training step keeps from the forward pass for the backward pass; recompute_within_budget.cpp recomputes the rest.
//
// Borders cut the forward pass into segments of nodes. A kept segment keeps everything that the backward pass reads. A recomputed segment
// keeps only what crosses its borders; when the backward pass first comes to it, the whole segment is computed a second time (Chen et al.,
// "Training Deep Nets with Sublinear Memory Cost", 2016). While the backward pass is in a segment, these values are alive: what is kept up
// to the segment's end, what is recomputed of the segment, and what the backward pass itself needs there. Dynamic programming over all
// borders finds the segments to recompute, as Feng and Huang do ("Optimal Gradient Checkpoint Search for Arbitrary Computation Graphs",
// 2021) over the borders of chains. The states at a border are pairs (bytes kept so far, work recomputed so far); a state stays only where
// no other is at least as good in both.
#include <algorithm>
#include <optional>

#include "graph/passes/backward_reads.h"

namespace fastcnn {

namespace {

struct State {
  Index bytes = 0;
  double work = 0;
  int before = -1;  // the state that this one comes from
  int border = 0;
  bool recomputed = false;  // the segment between the two borders
};

class Search {
 public:
  Search(const Graph& graph, const BackwardReads& reads) : reads_(reads), nodes_(reads.backward_start), bytes_(graph.values.size(), 0) {
    made_.resize(at(nodes_));
    work_.assign(at(nodes_) + 1, 0);
    kept_.assign(at(nodes_) + 1, 0);
    beside_.assign(at(nodes_), 0);
    crossing_.resize(at(nodes_) + 1);
    const std::vector<Index> alive = alive_in_backward(graph, reads.backward_start);
    for (int i = 0; i < nodes_; ++i) {
      const Node& node = graph.nodes[at(i)];
      work_[at(i) + 1] = work_[at(i)] + work_of(graph, node);
      kept_[at(i) + 1] = kept_[at(i)];
      for (ValueId id : node.outputs) {
        if (reads.root_at(id) != at(id) || !reads.can_recompute[at(id)]) continue;
        bytes_[at(id)] = graph.type(id).bytes();
        made_[at(i)].push_back(id);
        for (int p = i + 1; p <= reads.last_forward_reader[at(id)]; ++p) crossing_[at(p)].push_back(id);
        for (int reader : reads.backward_readers[at(id)]) beside_[at(i)] = std::max(beside_[at(i)], alive[at(reader)]);
        if (is_read_backward(id)) kept_[at(i) + 1] += bytes_[at(id)];
      }
    }
    choose_borders();
  }

  // Bytes alive at a time if nothing is recomputed.
  Index bytes_without_recomputing() const { return kept_.back() + *std::max_element(beside_.begin(), beside_.end()); }

  // By root: whether it is kept. Nothing if the budget is too small.
  std::optional<std::vector<bool>> within(Index budget) {
    budget_ = budget;
    states_ = {State{}};
    const std::size_t count = borders_.size();
    keeping_.assign(count, {});
    recomputing_.assign(count, {});
    keeping_[0] = {0};
    int best = -1;
    for (std::size_t b = 0; b < count; ++b) {
      prune(keeping_[b]);
      keep_from(b, best);
      prune(recomputing_[b]);
      recompute_from(b);
    }
    if (best < 0) return std::nullopt;
    return kept_by(best);
  }

 private:
  static constexpr std::size_t kMostBorders = 192;
  static constexpr std::size_t kMostStates = 24;  // at a border
  template <class T>
  static std::size_t at(T i) {
    return static_cast<std::size_t>(i);
  }
  bool is_read_backward(ValueId id) const { return !reads_.backward_readers[at(id)].empty(); }
  int maker(ValueId id) const { return static_cast<int>(reads_.maker[at(id)]); }

  // By node: bytes that the backward pass made and that are alive there, with the weights that a convolution packs.
  static std::vector<Index> alive_in_backward(const Graph& graph, int start) {
    const std::size_t count = graph.nodes.size();
    std::vector<int> first(graph.values.size(), -1);
    std::vector<int> last(graph.values.size(), -1);
    for (std::size_t i = at(start); i < count; ++i) {
      const Node& node = graph.nodes[i];
      for (ValueId id : node.outputs)
        if (!node.op->alias) first[at(id)] = last[at(id)] = static_cast<int>(i);
      for (ValueId id : node.inputs)
        if (id != kNoValue) last[at(id)] = static_cast<int>(i);
    }
    std::vector<Index> change(count + 1, 0);
    std::vector<Index> alive(count, 0);
    for (std::size_t id = 0; id < first.size(); ++id) {
      if (first[id] < 0) continue;
      const Index bytes = graph.type(static_cast<ValueId>(id)).bytes();
      change[at(first[id])] += bytes;
      change[at(last[id]) + 1] -= bytes;
    }
    Index sum = 0;
    for (std::size_t i = 0; i < count; ++i) {
      sum += change[i];
      alive[i] = sum;
      const Node& node = graph.nodes[i];
      if (node.op->name == std::string_view("conv2d_backward_data")) alive[i] += graph.type(node.inputs[1]).bytes();
    }
    return alive;
  }

  // Both ends and all places between them. Where there are more than kMostBorders, stretches of nodes that make about as many bytes as one
  // another have a border each, where the fewest bytes cross.
  void choose_borders() {
    const std::size_t places = at(std::max(nodes_ - 1, 0));
    const std::size_t stretches = std::min(places, kMostBorders);
    std::vector<int> best(stretches, 0);
    std::vector<Index> least(stretches, 0);
    double all = 0;
    double made = 0;
    for (int i = 0; i < nodes_; ++i) all += bytes_made(i);
    for (int p = 1; p < nodes_; ++p) {
      made += bytes_made(p - 1);
      const std::size_t stretch =
          places <= kMostBorders ? at(p - 1) : std::min(stretches - 1, at(static_cast<double>(stretches) * made / all));
      Index across = 0;
      for (ValueId id : crossing_[at(p)]) across += bytes_[at(id)];
      if (best[stretch] != 0 && across >= least[stretch]) continue;
      best[stretch] = p;
      least[stretch] = across;
    }
    borders_ = {0};
    std::copy_if(best.begin(), best.end(), std::back_inserter(borders_), [](int p) { return p > 0; });
    borders_.push_back(nodes_);
  }

  double bytes_made(int node) const {
    double sum = 1;  // a stretch of nodes that make nothing has an end, too
    for (ValueId id : made_[at(node)]) sum += static_cast<double>(bytes_[at(id)]);
    return sum;
  }

  int add(const State& state) {
    states_.push_back(state);
    return static_cast<int>(states_.size()) - 1;
  }

  // Leaves the states that no other is at least as good as in both, the least bytes first. Where these are too many, leaves some that are
  // spread evenly over them.
  void prune(std::vector<int>& list) {
    std::sort(list.begin(), list.end(), [&](int a, int b) {
      const State& left = states_[at(a)];
      const State& right = states_[at(b)];
      return left.bytes != right.bytes ? left.bytes < right.bytes : left.work < right.work;
    });
    std::vector<int> best;
    for (int index : list)
      if (best.empty() || states_[at(index)].work < states_[at(best.back())].work) best.push_back(index);
    if (best.size() > kMostStates) {
      std::vector<int> spread;
      for (std::size_t i = 0; i < kMostStates; ++i) spread.push_back(best[i * (best.size() - 1) / (kMostStates - 1)]);
      best = std::move(spread);
    }
    list = std::move(best);
  }

  // Keeps the segments from the border b to each border behind it, where a recomputed segment begins or the forward pass ends.
  void keep_from(std::size_t b, int& best) {
    Index beside = 0;
    for (std::size_t next = b; next < borders_.size(); ++next) {
      const int from = borders_[b], to = borders_[next];
      if (next > b) beside = std::max(beside, *std::max_element(beside_.begin() + borders_[next - 1], beside_.begin() + to));
      Index crossing = 0;  // what the backward pass does not read, but the segment that begins here does
      for (ValueId id : crossing_[at(to)])
        if (maker(id) >= from && !is_read_backward(id)) crossing += bytes_[at(id)];
      for (int index : keeping_[b]) {
        const Index bytes = states_[at(index)].bytes + kept_[at(to)] - kept_[at(from)];
        if (bytes + beside > budget_) continue;
        const State state{bytes + crossing, states_[at(index)].work, index, to, false};
        if (next + 1 < borders_.size()) {
          recomputing_[next].push_back(add(state));
        } else if (best < 0 || state.work < states_[at(best)].work ||
                   (state.work == states_[at(best)].work && bytes < states_[at(best)].bytes)) {
          best = add(state);
        }
      }
    }
  }

  // Recomputes the segments from the border b to each border behind it.
  void recompute_from(std::size_t b) {
    if (recomputing_[b].empty()) return;
    const int from = borders_[b];
    Index beside = 0;
    for (std::size_t next = b + 1; next < borders_.size(); ++next) {
      const int to = borders_[next];
      beside = std::max(beside, *std::max_element(beside_.begin() + borders_[next - 1], beside_.begin() + to));
      Index crossing = 0;
      Index recomputed = kept_[at(to)] - kept_[at(from)];
      for (ValueId id : crossing_[at(to)]) {
        if (maker(id) < from) continue;
        crossing += bytes_[at(id)];
        if (is_read_backward(id)) recomputed -= bytes_[at(id)];
      }
      if (recomputed == 0) continue;
      const double work = work_[at(last_recomputed(from, to)) + 1] - work_[at(from)];
      for (int index : recomputing_[b]) {
        const State& start = states_[at(index)];
        const State state{start.bytes + crossing, start.work + work, index, to, true};
        if (state.bytes + recomputed + beside <= budget_) keeping_[next].push_back(add(state));
      }
    }
  }

  // The last node of a recomputed segment that must run again: it makes what the backward pass reads and what does not cross the end of
  // the segment.
  int last_recomputed(int from, int to) const {
    for (int i = to - 1; i > from; --i)
      for (ValueId id : made_[at(i)])
        if (is_read_backward(id) && reads_.last_forward_reader[at(id)] < to) return i;
    return from;
  }

  std::vector<bool> kept_by(int last) const {
    std::vector<bool> kept(bytes_.size(), false);
    for (std::size_t id = 0; id < kept.size(); ++id) kept[id] = is_read_backward(static_cast<ValueId>(id));
    std::vector<int> borders;
    for (int i = last; i >= 0 && states_[at(i)].before >= 0; i = states_[at(i)].before) {
      if (!states_[at(i)].recomputed) continue;
      const int from = states_[at(states_[at(i)].before)].border, to = states_[at(i)].border;
      borders.push_back(from);
      borders.push_back(to);
      for (int node = from; node < to; ++node)
        for (ValueId id : made_[at(node)]) kept[at(id)] = false;
    }
    for (int border : borders)
      for (ValueId id : crossing_[at(border)]) kept[at(id)] = true;
    return kept;
  }

  const BackwardReads& reads_;
  const int nodes_;                         // of the forward pass
  std::vector<Index> bytes_;                // by root; 0 for those that cannot be recomputed
  std::vector<std::vector<ValueId>> made_;  // by node: the roots that it makes and that can be recomputed
  std::vector<std::vector<ValueId>>
      crossing_;               // by node: those of them that are made before it and read in the forward pass by it or later
  std::vector<double> work_;   // by node: of all nodes before it
  std::vector<Index> kept_;    // by node: bytes that all nodes before it make and the backward pass reads
  std::vector<Index> beside_;  // by node: bytes of the backward pass where it reads what the node makes
  std::vector<int> borders_;
  Index budget_ = 0;
  std::vector<State> states_;
  std::vector<std::vector<int>> keeping_;      // by border: states where a kept segment may begin
  std::vector<std::vector<int>> recomputing_;  // by border: states where a recomputed segment may begin
};

}  // namespace

std::vector<bool> choose_kept(const Graph& graph, const BackwardReads& reads, Index budget) {
  Search search(graph, reads);
  if (auto kept = search.within(budget)) return *std::move(kept);
  Index too_small = 0;
  Index enough = search.bytes_without_recomputing();
  std::vector<bool> best = *search.within(enough);
  while (enough - too_small > enough / 64) {
    const Index middle = too_small + (enough - too_small) / 2;
    auto kept = search.within(middle);
    if (kept) {
      best = *std::move(kept);
      enough = middle;
    } else {
      too_small = middle;
    }
  }
  return best;
}

}  // namespace fastcnn
