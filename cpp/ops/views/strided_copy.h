// Copies of plain values that are read in another order than they are written: transposes, and repetition along an axis.
#pragma once

#include "ops/op.h"

namespace fastcnn {

// y[i, j, ...] = x[i strides[0] + j strides[1] + ...]. Both plain; strides count elements of x, one for each axis of y, 0 where it repeats.
// Elements are floats, or int32 of the same four bytes: they are copied, never computed with.
Step bind_strided_copy(const Operand& x, const Operand& y, const std::vector<Index>& strides);

}  // namespace fastcnn
