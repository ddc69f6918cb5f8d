// SparseRows: a matrix of few weights a row, applied along one axis of a value. Resizing, its gradient and that of a gather are of this
// form.
#pragma once

#include "ops/op.h"

namespace fastcnn {

// y[i] = the sum, in this order, of weights[j] x[indices[j]] for starts[i] <= j < starts[i + 1].
struct SparseRows {
  std::vector<Index> starts{0}, indices;
  std::vector<float> weights;

  void add(Index index, float weight) {  // to the last row
    indices.push_back(index);
    weights.push_back(weight);
  }
  void end_row() { starts.push_back(static_cast<Index>(indices.size())); }
  Index rows() const { return static_cast<Index>(starts.size()) - 1; }
  SparseRows transposed(Index columns) const;
};

// y = rows applied to x along `axis`, in any layout that want_pieces() asks for.
Step bind_sparse_rows(const BindScope& scope, int axis, SparseRows rows);

}  // namespace fastcnn
