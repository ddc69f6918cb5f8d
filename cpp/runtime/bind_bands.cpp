#include "runtime/bind_bands.h"

#include <algorithm>
#include <cstring>

namespace fastcnn {

namespace {

// Rows of an image, as an image in the same memory. top: the row that the memory begins with, counted from -ring.
Operand cut(Operand operand, RowRange rows, Index top) {
  TensorType& type = operand.type;
  if (type.layout.plain()) type.layout.block = 1;  // planes
  const Index ring = type.layout.ring;
  const ImageStrides s = type.strides();
  type.layout.window = s.row ? s.block / s.row : 0;
  type.shape = Shape{type.N(), type.C(), rows.count(), type.W()};
  operand.where.offset += (rows.begin - top - ring) * s.row * bytes_of(DType::f32);
  return operand;
}

// Rows begin .. begin + count - 1 of all channel blocks of a window, moved up by `by` rows.
struct Move {
  Operand image;
  Index begin, count, by;
};

Step move_rows(const std::vector<Move>& moves) {
  std::vector<Index> first{0};  // unit of each move
  for (const Move& move : moves) first.push_back(first.back() + move.image.type.N() * move.image.type.strides().blocks);
  Step step;
  step.units = first.back();
  step.run = [moves, first](const RunContext& run, Index begin, Index end) {
    std::size_t m = 0;
    for (Index unit = begin; unit < end; ++unit) {
      while (unit >= first[m + 1]) ++m;
      const Move& move = moves[m];
      const ImageStrides s = move.image.type.strides();
      float* const from = move.image.data(run) + s.image(unit - first[m]) + move.begin * s.row;
      std::memmove(from - move.by * s.row, from, static_cast<std::size_t>(move.count * s.row) * sizeof(float));
    }
  };
  return step;
}

class GroupBinder {
 public:
  GroupBinder(const Binder& binder, const BandGroup& group) : binder_(binder), graph_(binder.graph()), group_(group) {}

  BoundGroup run() {
    for (std::size_t node : group_.nodes) {
      report_of_.push_back(bound_.reports.size());
      if (!binder_.is_made_of_parts(node)) bound_.reports.push_back({node, {}, 0});
    }
    for (std::size_t band = 0; band < static_cast<std::size_t>(group_.bands); ++band) {
      if (band > 0) add_moves(band);
      for (std::size_t member = 0; member < group_.nodes.size(); ++member) add_rows(member, band);
    }
    return std::move(bound_);
  }

 private:
  // Moves the rows that the band before has left and that this band or a later one reads.
  void add_moves(std::size_t band) {
    std::vector<Move> moves;
    for (const BandGroup::Window& window : group_.windows) {
      const Index kept = window.high[band - 1] - window.low[band];
      const Index by = window.low[band] - window.low[band - 1];
      if (kept > 0 && by > 0) moves.push_back({binder_.operand(window.value), by, kept, by});
    }
    if (!moves.empty()) bound_.steps.push_back({group_.first(), move_rows(moves), {}});
  }

  void add_rows(std::size_t member, std::size_t band) {
    if (group_.made[member][band].empty() || binder_.is_made_of_parts(group_.nodes[member])) return;
    BoundStep bound = bind(member, band);
    bound.report = report_of_[member];
    StepReport& report = bound_.reports[bound.report];
    report.bands += 1;
    report.step.units += bound.step.units;
    report.step.flops += bound.step.flops;
    report.step.algorithm = bound.step.algorithm;
    bound_.steps.push_back(std::move(bound));
  }

  BoundStep bind(std::size_t member, std::size_t band) const {
    const std::size_t index = group_.nodes[member];
    const Node& node = graph_.nodes[index];
    const RowRange made = group_.made[member][band];
    const std::optional<Band> cut = band_of(graph_, node, made);
    BindScope scope{binder_.kernels(), cut->attributes, {}, {}};
    for (std::size_t i = 0; i < node.inputs.size(); ++i) {
      const ValueId input = node.inputs[i];
      const bool by_rows = input != kNoValue && cut->inputs[i];
      scope.inputs.push_back(by_rows ? rows_of(input, band, cut->inputs[i]->rows) : binder_.operand(input));
    }
    const ValueId y = node.outputs[0];
    scope.outputs.push_back(rows_of(y, band, made));
    BoundStep bound{index, node.op->bind(scope), {}};
    if (graph_.type(y).layout.ring > 0) bound.rings.push_back({scope.outputs[0], made.begin == 0, made.end == graph_.type(y).H()});
    return bound;
  }

  // Rows of a value in a band: of its window, or of the whole image if it has none.
  Operand rows_of(ValueId value, std::size_t band, RowRange rows) const {
    const BandGroup::Window* window = group_.window_of(value);
    const Operand whole = binder_.operand(value);
    return cut(whole, rows, window ? window->low[band] : -Index{whole.type.layout.ring});
  }

  const Binder& binder_;
  const Graph& graph_;
  const BandGroup& group_;
  std::vector<std::size_t> report_of_;  // by member; meaningless for one that needs no step
  BoundGroup bound_;
};

}  // namespace

BoundGroup bind_group(const Binder& binder, const BandGroup& group) { return GroupBinder(binder, group).run(); }

}  // namespace fastcnn
