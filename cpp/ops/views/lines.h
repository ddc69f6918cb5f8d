// Lines: a plain value as lines along one axis: its shape is (outer, size, inner), and a line is `size` elements that are `inner` apart.
// Where they are no neighbours, they are gathered into scratch, and results are scattered back.
#pragma once

#include <array>

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

  // The elements of a line as neighbours: in place, or gathered into `scratch`.
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

// Binds body(to, from, size) for each line of y, where from[k] is the same line of x[k]. A unit is a line. Where elements are no
// neighbours, from[k] is gathered, and `to` is the memory of from[0].
template <std::size_t Inputs, class Body>
Step bind_lines(const Lines& lines, const std::array<Operand, Inputs>& x, const Operand& y, Body body) {
  Step step = bind_units(lines.size ? lines.count() : 0, [=](const RunContext& run, Index line) {
    float* const scratch = run.scratch_data();
    std::array<const float*, Inputs> from;
    for (std::size_t k = 0; k < Inputs; ++k) from[k] = lines.gather(x[k].data(run), line, scratch + static_cast<Index>(k) * lines.size);
    float* const to = lines.inner == 1 ? y.data(run) + lines.first(line) : scratch;
    body(to, from, lines.size);
    lines.scatter(to, y.data(run), line);
  });
  step.scratch_bytes = static_cast<Index>(Inputs) * lines.size * bytes_of(DType::f32);
  return step;
}

// The attribute "axis", counted from the front; a negative one counts from the end.
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

// Appends the gradient of an op that changes the number of entries of one axis: op(dy), with the attributes of the forward op and "size",
// the number of entries in x.
inline void give_axis_gradient(GradientScope& scope, std::string_view op) {
  const Shape& x = scope.graph.type(scope.inputs[0]).shape;
  Attributes attributes = scope.attributes;
  attributes.set("size", x[axis_of(attributes, x, op)]);
  scope.give(0, op, {scope.output_gradients[0]}, attributes);
}

// Infers the output of such a gradient. dy must have `entries` entries, as the forward output; `one` and `many` name them in errors.
inline std::vector<TensorType> infer_axis_gradient(std::string_view op, const NodeView& node, Index entries, const char* one,
                                                   const char* many) {
  const Shape& dy = node.input(0).shape;
  const int axis = axis_of(node.attributes, dy, op);
  const Index size = node.attributes.integer("size");
  require(size >= 0 && dy[axis] == entries, op, join("the gradient must have an entry for each ", one), "gradient ", dy, ", ", entries, " ",
          many);
  return {{.shape = with_size(dy, axis, size)}};
}

}  // namespace fastcnn
