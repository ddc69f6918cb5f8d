#include "ops/views/sparse_rows.h"

#include <algorithm>

#include "kernels/kernels.h"
#include "ops/views/axis_pieces.h"

namespace fastcnn {

// The entries of a column stay in the order of their rows.
SparseRows SparseRows::transposed(Index columns) const {
  SparseRows out;
  out.starts.assign(static_cast<std::size_t>(columns) + 1, 0);
  out.indices.resize(indices.size());
  out.weights.resize(indices.size());
  for (Index column : indices) ++out.starts[static_cast<std::size_t>(column) + 1];
  for (std::size_t i = 1; i < out.starts.size(); ++i) out.starts[i] += out.starts[i - 1];
  std::vector<Index> next(out.starts.begin(), out.starts.end() - 1);
  for (Index row = 0; row < rows(); ++row)
    for (Index j = starts[static_cast<std::size_t>(row)]; j < starts[static_cast<std::size_t>(row) + 1]; ++j) {
      const auto from = static_cast<std::size_t>(j);
      const auto to = static_cast<std::size_t>(next[static_cast<std::size_t>(indices[from])]++);
      out.indices[to] = row;
      out.weights[to] = weights[from];
    }
  return out;
}

Step bind_sparse_rows(const BindScope& scope, int axis, SparseRows rows) {
  const Operand x = scope.inputs[0], y = scope.outputs[0];
  const AxisPieces pieces(y.type, axis);
  const double terms = static_cast<double>(rows.indices.size());
  Step step = bind_pieces(x, y, axis, [rows = std::move(rows), weighted_sums = scope.kernels.weighted_sums](const LinePart& part) {
    weighted_sums({.x = part.x,
                   .y = part.y,
                   .starts = rows.starts.data() + part.first,
                   .indices = rows.indices.data(),
                   .weights = rows.weights.data(),
                   .outputs = part.count,
                   .count = part.piece,
                   .x_stride = part.x_stride,
                   .y_stride = part.y_stride});
  });
  step.flops = 2 * terms * static_cast<double>(pieces.lines() * pieces.piece());
  return step;
}

}  // namespace fastcnn
