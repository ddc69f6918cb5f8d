#include "ops/views/sparse_rows.h"

#include <algorithm>

#include "kernels/kernels.h"
#include "ops/views/axis_pieces.h"

namespace fastcnn {

// Entries of a column keep the order of the rows they come from.
SparseRows SparseRows::transposed(Index columns) const {
  SparseRows out;
  out.starts.assign(static_cast<std::size_t>(columns) + 1, 0);
  out.indices.resize(indices.size()), out.weights.resize(indices.size());
  for (Index column : indices) ++out.starts[static_cast<std::size_t>(column) + 1];
  for (std::size_t i = 1; i < out.starts.size(); ++i) out.starts[i] += out.starts[i - 1];
  std::vector<Index> next(out.starts.begin(), out.starts.end() - 1);
  for (Index row = 0; row < rows(); ++row)
    for (Index j = starts[static_cast<std::size_t>(row)]; j < starts[static_cast<std::size_t>(row) + 1]; ++j) {
      const auto from = static_cast<std::size_t>(j);
      const auto to = static_cast<std::size_t>(next[static_cast<std::size_t>(indices[from])]++);
      out.indices[to] = row, out.weights[to] = weights[from];
    }
  return out;
}

Step bind_sparse_rows(const BindScope& scope, int axis, SparseRows rows) {
  const Operand x = scope.inputs[0], y = scope.outputs[0];
  const AxisPieces xs(x.type, axis), ys(y.type, axis);
  const PieceUnits units(ys, y.type.shape[axis]);
  Step step;
  step.units = units.units;
  step.flops = 2.0 * static_cast<double>(rows.indices.size()) * static_cast<double>(ys.lines() * ys.piece());
  step.run = [=, rows = std::move(rows), weighted_sums = scope.kernels.weighted_sums](const RunContext& run, Index begin, Index end) {
    WeightedSums args{};
    args.indices = rows.indices.data(), args.weights = rows.weights.data();
    args.count = ys.piece(), args.x_stride = xs.stride(), args.y_stride = ys.stride();
    for (Index unit = begin; unit < end; ++unit) {
      const Index line = units.line(unit), first = units.first(unit);
      args.x = x.data(run) + xs.line(line);
      args.y = y.data(run) + ys.line(line) + first * ys.stride();
      args.starts = rows.starts.data() + first, args.outputs = units.count(unit);
      weighted_sums(args);
    }
  };
  return step;
}

}  // namespace fastcnn
