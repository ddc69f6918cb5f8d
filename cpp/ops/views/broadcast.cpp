#include "ops/views/broadcast.h"

#include <algorithm>

namespace fastcnn {

Shape broadcast_shapes(const Shape& a, const Shape& b, std::string_view op) {
  const int rank = std::max(a.rank(), b.rank());
  std::vector<Index> sizes(static_cast<std::size_t>(rank));
  for (int i = 1; i <= rank; ++i) {  // counted from the last axis
    const Index x = i <= a.rank() ? a[-i] : 1, y = i <= b.rank() ? b[-i] : 1;
    require(x == y || x == 1 || y == 1, op, "shapes must be equal or broadcast", a, " and ", b);
    sizes[static_cast<std::size_t>(rank - i)] = x == 1 ? y : x;
  }
  return Shape(sizes);
}

std::vector<Index> broadcast_strides(const Shape& from, const Shape& to) {
  std::vector<Index> strides(static_cast<std::size_t>(to.rank()), 0);
  Index stride = 1;
  for (int i = 1; i <= from.rank(); ++i) {
    if (from[-i] != 1) strides[static_cast<std::size_t>(to.rank() - i)] = stride;
    stride *= from[-i];
  }
  return strides;
}

Index offset_of(Index index, const Shape& shape, const std::vector<Index>& strides) {
  Index offset = 0;
  for (int axis = shape.rank() - 1; axis >= 0; --axis) {
    offset += index % shape[axis] * strides[static_cast<std::size_t>(axis)];
    index /= shape[axis];
  }
  return offset;
}

ValueId reduced_to(GraphEditor& graph, ValueId gradient, const Shape& to) {
  return graph.type(gradient).shape == to ? gradient : graph.add_one("reduce_to", {gradient}, {{"shape", to.sizes()}});
}

}  // namespace fastcnn
