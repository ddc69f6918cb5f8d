// What a training step keeps from the way forward to the way back (make_again.cpp makes the rest again).
//
// Borders cut the way forward into runs of nodes. Of some runs everything is kept that the way back reads; of the others only what crosses
// their borders, and when the way back first comes to such a run, the whole of it is done again (Chen et al., "Training Deep Nets with
// Sublinear Memory Cost", 2016). While a run is on its way back, alive are: what is kept up to its end, what is made again of it, and
// what the way back itself needs there. Which runs are done again is found by dynamic programming over all borders, as Feng and Huang do
// ("Optimal Gradient Checkpoint Search for Arbitrary Computation Graphs", 2021) over those of chains; the states at a border are the pairs
// (bytes kept so far, work done again so far) that no other is better than in both.
#include <algorithm>
#include <optional>

#include "graph/passes/way_back.h"

namespace fastcnn {

namespace {

struct State {
  Index bytes = 0;
  double work = 0;
  int before = -1;  // the state that this one comes from
  int border = 0;
  bool again = false;  // the run between the two borders is done again
};

class Search {
 public:
  Search(const Graph& graph, const WayBack& way) : way_(way), nodes_(way.start), bytes_(graph.values.size(), 0) {
    made_.resize(at(nodes_));
    work_.assign(at(nodes_) + 1, 0), kept_.assign(at(nodes_) + 1, 0);
    beside_.assign(at(nodes_), 0);
    crossing_.resize(at(nodes_) + 1);
    const std::vector<Index> alive = alive_on_the_way_back(graph, way.start);
    for (int i = 0; i < nodes_; ++i) {
      const Node& node = graph.nodes[at(i)];
      work_[at(i) + 1] = work_[at(i)] + work_of(graph, node);
      kept_[at(i) + 1] = kept_[at(i)];
      for (ValueId id : node.outputs) {
        if (way.root_at(id) != at(id) || !way.again[at(id)]) continue;
        bytes_[at(id)] = graph.type(id).bytes();
        made_[at(i)].push_back(id);
        for (int p = i + 1; p <= way.last_forward[at(id)]; ++p) crossing_[at(p)].push_back(id);
        for (int reader : way.back[at(id)]) beside_[at(i)] = std::max(beside_[at(i)], alive[at(reader)]);
        if (is_read_back(id)) kept_[at(i) + 1] += bytes_[at(id)];
      }
    }
    choose_borders();
  }

  // Bytes alive at a time if everything is kept.
  Index without() const { return kept_.back() + *std::max_element(beside_.begin(), beside_.end()); }

  // What is kept, of each root; nothing if the room is too small.
  std::optional<std::vector<bool>> within(Index room) {
    room_ = room;
    states_ = {State{}};
    const std::size_t count = borders_.size();
    ended_.assign(count, {}), begun_.assign(count, {});
    ended_[0] = {0};
    int best = -1;
    for (std::size_t b = 0; b < count; ++b) {
      prune(ended_[b]);
      keep_on(b, best);
      prune(begun_[b]);
      do_again(b);
    }
    if (best < 0) return std::nullopt;
    return kept_by(best);
  }

 private:
  static constexpr std::size_t kMostBorders = 192, kMostStates = 24;
  template <class T>
  static std::size_t at(T i) {
    return static_cast<std::size_t>(i);
  }
  bool is_read_back(ValueId id) const { return !way_.back[at(id)].empty(); }
  int maker(ValueId id) const { return static_cast<int>(way_.maker[at(id)]); }

  // Bytes at each node that were made on the way back, with the weights that a convolution packs.
  static std::vector<Index> alive_on_the_way_back(const Graph& graph, int start) {
    const std::size_t count = graph.nodes.size();
    std::vector<int> first(graph.values.size(), -1), last(graph.values.size(), -1);
    for (std::size_t i = at(start); i < count; ++i) {
      const Node& node = graph.nodes[i];
      for (ValueId id : node.outputs)
        if (!node.op->alias) first[at(id)] = last[at(id)] = static_cast<int>(i);
      for (ValueId id : node.inputs)
        if (id != kNoValue) last[at(id)] = static_cast<int>(i);
    }
    std::vector<Index> change(count + 1, 0), alive(count, 0);
    for (std::size_t id = 0; id < first.size(); ++id) {
      if (first[id] < 0) continue;
      const Index bytes = graph.type(static_cast<ValueId>(id)).bytes();
      change[at(first[id])] += bytes, change[at(last[id]) + 1] -= bytes;
    }
    Index sum = 0;
    for (std::size_t i = 0; i < count; ++i) {
      alive[i] = sum += change[i];
      const Node& node = graph.nodes[i];
      if (node.op->name == std::string_view("conv2d_backward_data")) alive[i] += graph.type(node.inputs[1]).bytes();
    }
    return alive;
  }

  // Both ends, and between them all places; of more than kMostBorders, of each stretch in which about as many bytes are made as in any
  // other the one where least is carried across.
  void choose_borders() {
    const std::size_t places = at(std::max(nodes_ - 1, 0)), stretches = std::min(places, kMostBorders);
    std::vector<int> best(stretches, 0);
    std::vector<Index> least(stretches, 0);
    double all = 0, made = 0;
    for (int i = 0; i < nodes_; ++i) all += bytes_made(i);
    for (int p = 1; p < nodes_; ++p) {
      made += bytes_made(p - 1);
      const std::size_t stretch =
          places <= kMostBorders ? at(p - 1) : std::min(stretches - 1, at(static_cast<double>(stretches) * made / all));
      Index across = 0;
      for (ValueId id : crossing_[at(p)]) across += bytes_[at(id)];
      if (best[stretch] == 0 || across < least[stretch]) best[stretch] = p, least[stretch] = across;
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

  // Leaves states of which none is better in both, the least bytes first; of too many, those that are spread best over the bytes.
  void prune(std::vector<int>& list) {
    std::sort(list.begin(), list.end(), [&](int a, int b) {
      const State &left = states_[at(a)], &right = states_[at(b)];
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

  // From the border b on, all that the way back reads is kept, up to each border behind it, where a run begins that is done again.
  void keep_on(std::size_t b, int& best) {
    Index beside = 0;
    for (std::size_t next = b; next < borders_.size(); ++next) {
      const int from = borders_[b], to = borders_[next];
      if (next > b) beside = std::max(beside, *std::max_element(beside_.begin() + borders_[next - 1], beside_.begin() + to));
      Index crossing = 0;  // the way back does not read it, but the run that begins here does
      for (ValueId id : crossing_[at(to)])
        if (maker(id) >= from && !is_read_back(id)) crossing += bytes_[at(id)];
      for (int index : ended_[b]) {
        const Index bytes = states_[at(index)].bytes + kept_[at(to)] - kept_[at(from)];
        if (bytes + beside > room_) continue;
        const State state{bytes + crossing, states_[at(index)].work, index, to, false};
        if (next + 1 < borders_.size()) {
          begun_[next].push_back(add(state));
        } else if (best < 0 || state.work < states_[at(best)].work ||
                   (state.work == states_[at(best)].work && bytes < states_[at(best)].bytes)) {
          best = add(state);
        }
      }
    }
  }

  // The runs that begin at the border b are done again, up to each border behind it.
  void do_again(std::size_t b) {
    if (begun_[b].empty()) return;
    const int from = borders_[b];
    Index beside = 0;
    for (std::size_t next = b + 1; next < borders_.size(); ++next) {
      const int to = borders_[next];
      beside = std::max(beside, *std::max_element(beside_.begin() + borders_[next - 1], beside_.begin() + to));
      Index crossing = 0, again = kept_[at(to)] - kept_[at(from)];
      for (ValueId id : crossing_[at(to)]) {
        if (maker(id) < from) continue;
        crossing += bytes_[at(id)];
        if (is_read_back(id)) again -= bytes_[at(id)];
      }
      if (again == 0) continue;
      const double work = work_[at(last_made_again(from, to)) + 1] - work_[at(from)];
      for (int index : begun_[b]) {
        const State& begun = states_[at(index)];
        const State state{begun.bytes + crossing, begun.work + work, index, to, true};
        if (state.bytes + again + beside <= room_) ended_[next].push_back(add(state));
      }
    }
  }

  // The last node of a run that must be done again: it makes what the way back reads, and does not cross the run's end.
  int last_made_again(int from, int to) const {
    for (int i = to - 1; i > from; --i)
      for (ValueId id : made_[at(i)])
        if (is_read_back(id) && way_.last_forward[at(id)] < to) return i;
    return from;
  }

  std::vector<bool> kept_by(int last) const {
    std::vector<bool> kept(bytes_.size(), false);
    for (std::size_t id = 0; id < kept.size(); ++id) kept[id] = is_read_back(static_cast<ValueId>(id));
    std::vector<int> borders;
    for (int i = last; i >= 0 && states_[at(i)].before >= 0; i = states_[at(i)].before) {
      if (!states_[at(i)].again) continue;
      const int from = states_[at(states_[at(i)].before)].border, to = states_[at(i)].border;
      borders.push_back(from), borders.push_back(to);
      for (int node = from; node < to; ++node)
        for (ValueId id : made_[at(node)]) kept[at(id)] = false;
    }
    for (int border : borders)
      for (ValueId id : crossing_[at(border)]) kept[at(id)] = true;
    return kept;
  }

  const WayBack& way_;
  const int nodes_;                             // of the way forward
  std::vector<Index> bytes_;                    // of each root that can be made again
  std::vector<std::vector<ValueId>> made_;      // by each node, of these
  std::vector<std::vector<ValueId>> crossing_;  // before each node: those that are made before it and read by it or behind it
  std::vector<double> work_;                    // of all nodes before
  std::vector<Index> kept_;                     // bytes made by all nodes before that the way back reads
  std::vector<Index> beside_;                   // of each node: what the way back has made where it reads what the node makes
  std::vector<int> borders_;
  Index room_ = 0;
  std::vector<State> states_;
  std::vector<std::vector<int>> ended_, begun_;  // states at each border: behind a run that is done again, and before one
};

}  // namespace

std::vector<bool> choose_kept(const Graph& graph, const WayBack& way, Index room) {
  Search search(graph, way);
  if (auto kept = search.within(room)) return *std::move(kept);
  Index too_small = 0, enough = search.without();
  std::vector<bool> best = *search.within(enough);
  while (enough - too_small > enough / 64) {
    const Index middle = too_small + (enough - too_small) / 2;
    auto kept = search.within(middle);
    if (kept) best = *std::move(kept);
    (kept ? enough : too_small) = middle;
  }
  return best;
}

}  // namespace fastcnn
