#include "runtime/bands.h"

#include <algorithm>

#include "runtime/storage.h"

namespace fastcnn {

namespace {

// A group that is tried.
class Candidate {
 public:
  Candidate(const Graph& graph, const std::vector<bool>& shared, std::vector<std::size_t> nodes, Index bands)
      : graph_(graph), shared_(shared) {
    group_.bands = bands;
    group_.nodes = std::move(nodes);
    group_.made.resize(group_.nodes.size());
    reads_.resize(group_.nodes.size());
  }

  // Plans from the last node to the first, because the rows that a node reads must be made before it. Nothing if an op cannot do it.
  std::optional<BandGroup> make() {
    for (std::size_t m = group_.nodes.size(); m-- > 0;)
      if (!plan_rows(m)) return {};
    for (std::size_t m = 0; m < group_.nodes.size(); ++m)
      if (!plan_window(m)) return {};
    return std::move(group_);
  }

 private:
  struct Read {
    ValueId value;
    std::size_t band;
    RowRange rows;
  };

  const Node& node(std::size_t member) const { return graph_.nodes[group_.nodes[member]]; }
  ValueId output(std::size_t member) const { return node(member).outputs[0]; }

  bool plan_rows(std::size_t member) {
    const Node& made_by = node(member);
    if (!made_by.op->band || made_by.outputs.size() != 1) return false;
    const TensorType& y = graph_.type(made_by.outputs[0]);
    if (y.shape.rank() != 4 || y.shape.elements() == 0) return false;
    const BandSizes sizes = made_by.op->band_sizes ? made_by.op->band_sizes(view(graph_, made_by)) : BandSizes{};
    std::vector<Index> ends = ends_by_readers(member);
    Index made = 0;
    for (std::size_t b = 0; b < ends.size(); ++b) {
      const bool is_last = b + 1 == ends.size();
      const Index end = is_last ? y.H() : std::min(y.H(), round_up(std::max(made, ends[b]), sizes.group));
      group_.made[member].push_back({made, end});
      if (end > made) {
        if (end - made < sizes.least && made > 0 && !is_last) return false;
        if (!plan_reads(member, b)) return false;
      }
      made = std::max(made, end);
    }
    return true;
  }

  // By band: the row up to which the output must be made. An output that the group does not read is cut into bands of equal height.
  std::vector<Index> ends_by_readers(std::size_t member) const {
    const Index H = graph_.type(output(member)).H();
    std::vector<Index> ends(static_cast<std::size_t>(group_.bands), 0);
    bool is_read = false;
    for (std::size_t reader = member + 1; reader < group_.nodes.size(); ++reader) {
      for (const Read& read : reads_[reader]) {
        if (read.value != output(member)) continue;
        is_read = true;
        ends[read.band] = std::max(ends[read.band], read.rows.end);
      }
    }
    if (!is_read)
      for (Index b = 0; b < group_.bands; ++b) ends[static_cast<std::size_t>(b)] = ceil_div(H * (b + 1), group_.bands);
    return ends;
  }

  bool plan_reads(std::size_t member, std::size_t band) {
    const Node& reader = node(member);
    const std::optional<Band> cut = band_of(graph_, reader, group_.made[member][band]);
    if (!cut) return false;
    for (std::size_t i = 0; i < reader.inputs.size(); ++i) {
      if (reader.inputs[i] == kNoValue) continue;
      if (cut->inputs[i]) {
        const auto& [rows, halo] = *cut->inputs[i];
        const Index H = graph_.type(reader.inputs[i]).H();
        reads_[member].push_back({reader.inputs[i], band, {std::max(Index{0}, rows.begin - halo), std::min(H, rows.end + halo)}});
      } else if (is_made_here(reader.inputs[i], member)) {
        return false;  // all of it would have to be there before the first band
      }
    }
    return true;
  }

  bool is_made_here(ValueId value, std::size_t before) const {
    for (std::size_t m = 0; m < before; ++m)
      if (output(m) == value) return true;
    return false;
  }

  bool plan_window(std::size_t member) {
    const ValueId value = output(member);
    const TensorType& type = graph_.type(value);
    if (type.layout.plain() || shared_[static_cast<std::size_t>(value)] || is_read_outside(value)) return true;
    const Index ring = type.layout.ring;
    const Index H = type.H();
    BandGroup::Window window{value, 0, std::vector<Index>(group_.made[member].size(), H), {}};
    for (const RowRange& made : group_.made[member]) window.high.push_back(made.end);
    const auto needs = [&](std::size_t band, RowRange rows) {
      window.low[band] = std::min(window.low[band], rows.begin == 0 ? -ring : rows.begin);
      if (rows.end > window.high[band]) window.high[band] = rows.end;
      if (window.high[band] == H) window.high[band] = H + ring;
    };
    for (std::size_t b = 0; b < window.low.size(); ++b)
      if (!group_.made[member][b].empty()) needs(b, group_.made[member][b]);
    for (std::size_t reader = member + 1; reader < group_.nodes.size(); ++reader)
      for (const Read& read : reads_[reader])
        if (read.value == value) needs(read.band, read.rows);
    for (std::size_t b = window.low.size() - 1; b-- > 0;) window.low[b] = std::min(window.low[b], window.low[b + 1]);
    for (std::size_t b = 0; b < window.low.size(); ++b) {
      if (b > 0) window.high[b] = std::max(window.high[b], window.high[b - 1]);
      window.rows = std::max(window.rows, window.high[b] - window.low[b]);
    }
    if (window.rows < H + 2 * ring) group_.windows.push_back(std::move(window));
    return true;
  }

  bool is_read_outside(ValueId value) const {
    for (std::size_t i = 0; i < graph_.nodes.size(); ++i) {
      if (std::find(group_.nodes.begin(), group_.nodes.end(), i) != group_.nodes.end()) continue;
      const Node& reader = graph_.nodes[i];
      if (std::find(reader.inputs.begin(), reader.inputs.end(), value) != reader.inputs.end()) return true;
    }
    return false;
  }

  const Graph& graph_;
  const std::vector<bool>& shared_;
  BandGroup group_;
  std::vector<std::vector<Read>> reads_;  // by member
};

// The largest sum of bytes alive at a node, and the node.
struct Peak {
  Index bytes = 0;
  std::size_t node = 0;
};

class Choice {
 public:
  Choice(Graph& graph, const std::vector<bool>& ahead) : graph_(graph), ahead_(ahead), shared_(graph.values.size(), false) {
    for (ValueId id : graph.outputs) shared_[static_cast<std::size_t>(id)] = true;
    for (std::size_t i = 0; i < graph.values.size(); ++i) {
      if (graph.values[i].part_of == kNoValue) continue;
      shared_[i] = true;
      shared_[static_cast<std::size_t>(graph.values[i].part_of)] = true;
    }
    for (std::size_t i = 0; i < graph.nodes.size(); ++i)
      if (!ahead[i]) run_.push_back(i);
  }

  std::vector<BandGroup> run() {
    while (lower_peak()) continue;
    spare_steps();
    set_windows(groups_);
    std::sort(groups_.begin(), groups_.end(), [](const BandGroup& a, const BandGroup& b) { return a.first() < b.first(); });
    return std::move(groups_);
  }

 private:
  struct Found {
    double bytes;  // the peak while the new group runs
    Index steps;   // of the new group
    std::vector<BandGroup> groups;
  };

  // Adds the group that lowers the highest peak the most; false if none is worth it. Others may be as high: the next call lowers them.
  bool lower_peak() {
    const Peak peak = peak_of(groups_);
    const double worth_it = kWorthIt * static_cast<double>(peak.bytes);
    double lowest = worth_it;
    std::vector<Found> all;
    for_candidates(peak.node, [&](const std::vector<BandGroup>& groups) {
      const BandGroup& group = groups.back();
      const double bytes = static_cast<double>(peak_of(groups, group.first(), group.last()).bytes);
      if (bytes > std::min(worth_it, kNearly * lowest)) return;
      lowest = std::min(lowest, bytes);
      all.push_back({bytes, group.bands * static_cast<Index>(group.nodes.size()), groups});
    });
    std::erase_if(all, [&](const Found& found) { return found.bytes > kNearly * lowest; });
    if (all.empty()) return false;
    groups_ = std::move(std::min_element(all.begin(), all.end(), [](const Found& a, const Found& b) { return a.steps < b.steps; })->groups);
    return true;
  }

  // Removes groups, and uses fewer bands in others, where the peak stays as it is.
  void spare_steps() {
    const Index peak = peak_of(groups_).bytes;
    for (std::size_t g = groups_.size(); g-- > 0;) {
      std::vector<BandGroup> groups = groups_;
      groups.erase(groups.begin() + static_cast<std::ptrdiff_t>(g));
      if (peak_of(groups).bytes <= peak) {
        groups_ = std::move(groups);
        continue;
      }
      for (Index bands : kBandCounts) {
        if (bands >= groups_[g].bands) break;
        std::optional<BandGroup> group = Candidate(graph_, shared_, groups_[g].nodes, bands).make();
        if (!group) break;
        groups = groups_;
        groups[g] = std::move(*group);
        if (peak_of(groups).bytes > peak) continue;
        groups_ = std::move(groups);
        break;
      }
    }
  }

  static constexpr double kWorthIt = 0.97;        // of the peak before
  static constexpr double kNearly = 1.05;         // of the lowest peak: then fewer steps count for more
  static constexpr std::size_t kMostNodes = 14;   // in a group
  static constexpr Index kLeastBytes = 48 << 10;  // that a step writes on average: it should last longer than a barrier
  static constexpr Index kBandCounts[] = {4, 7, 10, 14, 19, 28, 40};

  // Calls body(groups) for each group of neighbouring nodes around one: the groups that it leaves as they are, and itself as the last.
  template <class Body>
  void for_candidates(std::size_t around, Body&& body) {
    const std::size_t at = static_cast<std::size_t>(std::lower_bound(run_.begin(), run_.end(), around) - run_.begin());
    for (std::size_t first = at < kMostNodes ? 0 : at - kMostNodes + 1; first <= at; ++first) {
      for (std::size_t last = std::max(at, first + 1); last < std::min(run_.size(), first + kMostNodes); ++last) {
        const std::vector<std::size_t> nodes(run_.begin() + static_cast<std::ptrdiff_t>(first),
                                             run_.begin() + static_cast<std::ptrdiff_t>(last) + 1);
        std::vector<BandGroup> others;
        if (!leave(nodes, others)) continue;
        for (Index bands : kBandCounts) {
          if (bytes_of_outputs(nodes) < bands * static_cast<Index>(nodes.size()) * kLeastBytes) break;
          std::optional<BandGroup> group = Candidate(graph_, shared_, nodes, bands).make();
          if (!group) break;  // with more bands it is not possible either
          if (group->windows.empty()) continue;
          others.push_back(std::move(*group));
          body(others);
          others.pop_back();
        }
      }
    }
  }

  Index bytes_of_outputs(const std::vector<std::size_t>& nodes) const {
    Index bytes = 0;
    for (std::size_t node : nodes)
      for (ValueId id : graph_.nodes[node].outputs) bytes += graph_.type(id).bytes();
    return bytes;
  }

  // Collects the groups without a node among `nodes`; false if a group lies among them only in part.
  bool leave(const std::vector<std::size_t>& nodes, std::vector<BandGroup>& others) const {
    for (const BandGroup& group : groups_) {
      const bool apart = group.last() < nodes.front() || nodes.back() < group.first();
      if (!apart && (group.first() < nodes.front() || nodes.back() < group.last())) return false;
      if (apart) others.push_back(group);
    }
    return true;
  }

  void set_windows(const std::vector<BandGroup>& groups) {
    for (const BandGroup& group : groups)
      for (const BandGroup::Window& window : group.windows) graph_[window.value].type.layout.window = window.rows;
  }

  Peak peak_of(const std::vector<BandGroup>& groups) { return peak_of(groups, 0, graph_.nodes.size() - 1); }

  // The peak while nodes first .. last run.
  Peak peak_of(const std::vector<BandGroup>& groups, std::size_t first, std::size_t last) {
    set_windows(groups);
    const Storage storage = assign_storage(graph_, ahead_, groups);
    for (const BandGroup& group : groups)
      for (const BandGroup::Window& window : group.windows) graph_[window.value].type.layout.window = 0;
    std::vector<Index> change(graph_.nodes.size() + 1, 0);
    for (const Block& block : storage.blocks) {
      if (block.home != Home::arena) continue;
      change[static_cast<std::size_t>(block.life.first)] += block.life.bytes;
      change[static_cast<std::size_t>(block.life.last) + 1] -= block.life.bytes;
    }
    Peak peak;
    Index alive = 0;
    for (std::size_t i = 0; i <= last; ++i) {
      alive += change[i];
      if (i >= first && alive > peak.bytes) peak = {alive, i};
    }
    return peak;
  }

  Graph& graph_;
  const std::vector<bool>& ahead_;
  std::vector<bool> shared_;       // values in memory that is not theirs alone
  std::vector<std::size_t> run_;   // the nodes of a run
  std::vector<BandGroup> groups_;  // so far
};

}  // namespace

const BandGroup::Window* BandGroup::window_of(ValueId value) const {
  for (const Window& window : windows)
    if (window.value == value) return &window;
  return nullptr;
}

std::optional<Band> band_of(const Graph& graph, const Node& node, RowRange made) { return node.op->band(view(graph, node), made); }

std::vector<BandGroup> choose_bands(Graph& graph, const std::vector<bool>& ahead) { return Choice(graph, ahead).run(); }

}  // namespace fastcnn
