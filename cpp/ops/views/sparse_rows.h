// SparseRows: a matrix with few weights in each row, applied along one axis of a value. Resizing, its gradient and the gradient of a gather
// have this form.
#pragma once

#include "ops/op.h"

namespace fastcnn {

// y[i] = sum of weights[j] x[indices[j]] over starts[i] <= j < starts[i + 1], in this order.
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

// Binds y = rows applied to x along `axis`, in any layout that want_pieces() gives.
Step bind_sparse_rows(const BindScope& scope, int axis, SparseRows rows);

}  // namespace fastcnn
