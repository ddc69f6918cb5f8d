// Copies of plain values that are read in another order than they are written: transposition, and repetition along an axis.
#pragma once

#include "ops/op.h"

namespace fastcnn {

// Binds y[i, j, ...] = x[i strides[0] + j strides[1] + ...]. Both are plain. There is a stride for each axis of y, in elements of x; 0
// where x is repeated. Elements are float32 or int32, which have the same four bytes and are only copied.
Step bind_strided_copy(const Operand& x, const Operand& y, const std::vector<Index>& strides);

}  // namespace fastcnn
