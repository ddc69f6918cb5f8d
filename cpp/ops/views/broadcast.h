// NumPy's broadcasting: shapes are aligned at their last axes, and an axis of size 1 is repeated.
#pragma once

#include "ops/op.h"

namespace fastcnn {

// The common shape. An Error that names `op` where sizes differ and neither is 1.
Shape broadcast_shapes(const Shape& a, const Shape& b, std::string_view op);

// Strides, in elements, of a row-major array of shape `from` read as an array of shape `to`: 0 along repeated axes.
std::vector<Index> broadcast_strides(const Shape& from, const Shape& to);

// The offset of element `index`, counted row-major in `shape`, of an array with these strides.
Index offset_of(Index index, const Shape& shape, const std::vector<Index>& strides);

// Sums a gradient over the axes along which an operand of shape `to` was repeated (reduce_to). Returns `gradient` where there are none.
ValueId reduced_to(GraphEditor& graph, ValueId gradient, const Shape& to);

}  // namespace fastcnn
