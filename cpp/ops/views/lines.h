// Lines: a plain value seen along one axis, as (outer, size, inner). A line is the `size` elements along the axis, `inner` apart; where
// they are not neighbours they are gathered into scratch, worked on there and scattered back.
#pragma once

#include "ops/op.h"

namespace fastcnn {

struct Lines {
  Index outer = 1, size = 1, inner = 1;

  Lines(const Shape& shape, int axis) : size(shape[axis]) {
    for (int i = 0; i < axis; ++i) outer *= shape[i];
    for (int i = axis + 1; i < shape.rank(); ++i) inner *= shape[i];
  }
  Index count() const { return outer * inner; }
  Index first(Index line) const { return line / inner * size * inner + line % inner; }

  // The line as neighbours: in place, or gathered into `scratch`.
  const float* gather(const float* data, Index line, float* scratch) const {
    const float* from = data + first(line);
    if (inner == 1) return from;
    for (Index i = 0; i < size; ++i) scratch[i] = from[i * inner];
    return scratch;
  }
  void scatter(const float* values, float* data, Index line) const {
    float* to = data + first(line);
    if (to == values) return;
    for (Index i = 0; i < size; ++i) to[i * inner] = values[i];
  }
};

// The attribute "axis", which may count from the end, counted from the front.
inline int axis_of(const Attributes& attributes, const Shape& shape, std::string_view op) {
  const Index axis = attributes.integer("axis");
  require(axis >= -shape.rank() && axis < shape.rank(), op, join("axis must be between ", -shape.rank(), " and ", shape.rank() - 1),
          "axis=", axis);
  return static_cast<int>(axis < 0 ? axis + shape.rank() : axis);
}

// `shape` with another size along `axis`.
inline Shape with_size(const Shape& shape, int axis, Index size) {
  std::vector<Index> sizes = shape.sizes();
  sizes[static_cast<std::size_t>(axis)] = size;
  return Shape(sizes);
}

}  // namespace fastcnn
