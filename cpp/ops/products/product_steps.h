// Steps of matrix products, of one or of a batch: each result is cut into rows x columns of a fixed size, a work unit each.
#pragma once

#include "kernels/kernels.h"
#include "ops/op.h"
#include "ops/views/broadcast.h"

namespace fastcnn {

// Which matrix of an operand each of a batch of products takes.
struct MatrixWalk {
  Index elements = 0;               // of a matrix
  std::vector<Index> strides = {};  // from matrix to matrix along the axes of the batch, in matrices; 0 where one is repeated
};

// c(..., M, N) = a(..., M, K) b(..., K, N), where the axes before the last two are those of `batch`.
struct Products {
  Index M, N, K;
  Shape batch = {};
  MatrixWalk a = {}, b = {};

  Index a_start(Index matrix) const { return offset_of(matrix, batch, a.strides) * a.elements; }
  Index b_start(Index matrix) const { return offset_of(matrix, batch, b.strides) * b.elements; }
};

// Rows of b are walked side by side: c += a column of a x a row of b. a(m, k) lies at m a_row + k a_column.
Step bind_products(const Kernels& kernels, const Products& products, const Operand& a, const Operand& b, const Operand& c, Index a_row,
                   Index a_column);

// b is stored transposed, (..., N, K), as a linear layer has its weights: dot products of rows. c = act(a b + bias), bias: (N,) or left
// out.
Step bind_dot_products(const Kernels& kernels, const Products& products, const Operand& a, const Operand& b, const Operand& bias,
                       const Operand& c, Activation activation = {});

}  // namespace fastcnn
