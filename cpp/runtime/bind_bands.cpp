// The steps of a group that runs in bands (bands.h): for each band, one that moves the rows that are still to be read to the tops of their
// windows, then one for each node that makes rows. An op sees the rows of a band as images of their own, whose rings are rows of the whole.
#include <algorithm>
#include <cstring>

#include "runtime/program.h"

namespace fastcnn {

namespace {

// Rows of an image, as an image: in memory they lie where they lay. top: the row that its memory begins with, counted from -ring.
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
  std::vector<Index> first{0};
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

}  // namespace

// Rows of a value in a band: of its window, or of the whole image if it has none.
Operand Program::operand_in(const BandGroup& group, std::size_t band, ValueId value, RowRange rows) const {
  const BandGroup::Window* window = group.window_of(value);
  const Operand whole = operand(value);
  return cut(whole, rows, window ? window->low[band] : -Index{whole.type.layout.ring});
}

Program::BoundStep Program::bind_in_band(const BandGroup& group, std::size_t member, std::size_t band) const {
  const std::size_t index = group.nodes[member];
  const Node& node = graph_.nodes[index];
  const RowRange made = group.made[member][band];
  const std::optional<Band> cut = band_of(graph_, node, made);
  BindScope scope{kernels_, cut->attributes, {}, {}};
  for (std::size_t i = 0; i < node.inputs.size(); ++i) {
    const bool by_rows = node.inputs[i] != kNoValue && cut->inputs[i];
    scope.inputs.push_back(by_rows ? operand_in(group, band, node.inputs[i], cut->inputs[i]->rows) : operand(node.inputs[i]));
  }
  const ValueId y = node.outputs[0];
  scope.outputs.push_back(operand_in(group, band, y, made));
  BoundStep bound{index, node.op->bind(scope), {}};
  if (graph_.type(y).layout.ring > 0) bound.rings.push_back({scope.outputs[0], made.begin == 0, made.end == graph_.type(y).H()});
  return bound;
}

void Program::bind_group(const BandGroup& group) {
  const std::size_t first_report = reports_.size();
  std::vector<std::size_t> report_of;  // by member; what already lies in its place has none
  for (std::size_t node : group.nodes) {
    report_of.push_back(reports_.size());
    if (!made_of_parts(node)) reports_.push_back({node, {}, 0});
  }
  for (std::size_t band = 0; band < static_cast<std::size_t>(group.bands); ++band) {
    std::vector<Move> moves;
    for (const BandGroup::Window& window : group.windows) {
      if (band == 0) break;
      const Index kept = window.high[band - 1] - window.low[band], by = window.low[band] - window.low[band - 1];
      if (kept > 0 && by > 0) moves.push_back({operand(window.value), by, kept, by});
    }
    if (!moves.empty()) add_step(main_, {group.first(), move_rows(moves), {}}, first_report);
    for (std::size_t member = 0; member < group.nodes.size(); ++member) {
      if (group.made[member][band].empty() || made_of_parts(group.nodes[member])) continue;
      BoundStep bound = bind_in_band(group, member, band);
      Report& report = reports_[report_of[member]];
      report.bands += 1;
      report.step.units += bound.step.units, report.step.flops += bound.step.flops;
      report.step.algorithm = bound.step.algorithm;
      add_step(main_, std::move(bound), report_of[member]);
    }
  }
}

}  // namespace fastcnn
