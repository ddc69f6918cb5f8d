// concat(x ...) -> y: values of equal shape but for one axis, one behind another along it. Attribute: axis.
// slice(x) -> y: entries start .. stop - 1 of an axis. Attributes: axis, start, stop.
// slice_backward(dy) -> dx: zero outside of the slice. Attributes: those of slice, and size, the number of entries in x.
//
// Values may be plain or images. Along the channels, images are only cut between blocks.
#include <algorithm>
#include <cstring>

#include "ops/ops.h"
#include "ops/views/lines.h"
#include "ops/views/section.h"

namespace fastcnn {

namespace {

// Cuts between the channels of an image lie at multiples of this, so at blocks of any ISA.
constexpr Index kAnyBlock = 16;

bool image_can(const Shape& shape, int axis, std::initializer_list<Index> cuts) {
  if (shape.rank() != 4) return false;
  for (Index cut : cuts)
    if (axis == 1 && cut % kAnyBlock != 0) return false;
  return true;
}

void copy_rows(const Section& to, float* to_data, const Section& from, const float* from_data, Index begin, Index end) {
  const std::size_t bytes = static_cast<std::size_t>(to.length()) * sizeof(float);
  for (Index i = begin; i < end; ++i) std::memcpy(to_data + to.row(i), from_data + from.row(i), bytes);
}

void clear_rows(const Section& section, float* data, Index begin, Index end) {
  const std::size_t bytes = static_cast<std::size_t>(section.length()) * sizeof(float);
  for (Index i = begin; i < end; ++i) std::memset(data + section.row(i), 0, bytes);
}

// ---- concat

std::vector<TensorType> infer(const NodeView& node) {
  const Shape& first = node.input(0).shape;
  const int axis = axis_of(node.attributes, first, "concat");
  Index size = 0;
  for (const TensorType* input : node.inputs) {
    require(input->shape.rank() == first.rank() && with_size(input->shape, axis, 0) == with_size(first, axis, 0), "concat",
            "shapes must be equal but for the axis", first, " and ", input->shape, ", axis=", axis);
    if (input->dtype != node.input(0).dtype)
      throw Error(ErrorKind::type, "concat", "all inputs must be of one type",
                  join(name_of(node.input(0).dtype), " and ", name_of(input->dtype)));
    size += input->shape[axis];
  }
  return {{.shape = with_size(first, axis, size), .dtype = node.input(0).dtype}};
}

LayoutWish layout(const NodeView& node) {
  const int axis = axis_of(node.attributes, node.input(0).shape, "concat");
  for (const TensorType* input : node.inputs)
    if (input->dtype != DType::f32 || !image_can(input->shape, axis, {input->shape[axis]})) return want_plain(node);
  return want_same(node);
}

std::optional<Band> band(const NodeView& node, RowRange made) {
  const TensorType& y = node.output(0);
  if (y.layout.plain() || axis_of(node.attributes, y.shape, "concat") == 2) return {};
  return Band{node.attributes, std::vector<std::optional<Band::Input>>(node.inputs.size(), Band::Input{made})};
}

Step bind(const BindScope& scope) {
  const Operand y = scope.outputs[0];
  const int axis = axis_of(scope.attributes, y.type.shape, "concat");
  struct Part {
    Operand x;
    Section to, from;
    Index first_unit, units;
  };
  std::vector<Part> parts;
  Index start = 0;
  Index units = 0;
  for (const Operand& x : scope.inputs) {
    const Index size = x.type.shape[axis];
    const Section place(y.type, axis, start, size);
    start += size;
    const bool is_there = x.type.layout.of > 0 && x.where == Location{y.where.space, y.where.offset + place.offset()};
    if (is_there) continue;
    parts.push_back({x, place, Section(x.type, axis, 0, size), units, size ? place.rows() : 0});
    units += parts.back().units;
  }
  Step step;
  step.units = units;
  step.run = [=](const RunContext& run, Index begin, Index end) {
    for (const Part& part : parts)
      for_part(begin, end, part.first_unit, part.units,
               [&](Index first, Index last) { copy_rows(part.to, y.data(run), part.from, part.x.data(run), first, last); });
  };
  return step;
}

void backward(GradientScope& scope) {
  const int axis = axis_of(scope.attributes, scope.graph.type(scope.inputs[0]).shape, "concat");
  Index start = 0;
  for (std::size_t i = 0; i < scope.inputs.size(); ++i) {
    const Index stop = start + scope.graph.type(scope.inputs[i]).shape[axis];
    scope.give(i, "slice", {scope.output_gradients[0]}, {{"axis", Index{axis}}, {"start", start}, {"stop", stop}});
    start = stop;
  }
}

// ---- slice

std::vector<TensorType> infer_slice(const NodeView& node) {
  const Shape& x = node.input(0).shape;
  const int axis = axis_of(node.attributes, x, "slice");
  const Index start = node.attributes.integer("start"), stop = node.attributes.integer("stop");
  require(0 <= start && start <= stop && stop <= x[axis], "slice", join("0 <= start <= stop <= ", x[axis], " must hold"), "start=", start,
          ", stop=", stop);
  return {{.shape = with_size(x, axis, stop - start), .dtype = node.input(0).dtype}};
}

LayoutWish layout_slice(const NodeView& node) {
  const Shape& x = node.input(0).shape;
  const int axis = axis_of(node.attributes, x, "slice");
  if (node.input(0).dtype != DType::f32) return want_plain(node);
  return image_can(x, axis, {x[axis], node.attributes.integer("start"), node.attributes.integer("stop")}) ? want_same(node)
                                                                                                          : want_plain(node);
}

Step bind_slice(const BindScope& scope) {
  const Operand x = scope.inputs[0], y = scope.outputs[0];
  const int axis = axis_of(scope.attributes, x.type.shape, "slice");
  const Index size = y.type.shape[axis];
  const Section from(x.type, axis, scope.attributes.integer("start"), size), to(y.type, axis, 0, size);
  Step step;
  step.units = to.rows();
  step.run = [=](const RunContext& run, Index begin, Index end) { copy_rows(to, y.data(run), from, x.data(run), begin, end); };
  return step;
}

void backward_slice(GradientScope& scope) { give_axis_gradient(scope, "slice_backward"); }

std::vector<TensorType> infer_slice_backward(const NodeView& node) {
  const Shape& dy = node.input(0).shape;
  const int axis = axis_of(node.attributes, dy, "slice_backward");
  const Index start = node.attributes.integer("start"), stop = node.attributes.integer("stop");
  const Index size = node.attributes.integer("size");
  require(0 <= start && start <= stop && stop <= size && dy[axis] == stop - start, "slice_backward",
          "0 <= start <= stop <= size must hold, and the gradient have stop - start entries", "start=", start, ", stop=", stop,
          ", size=", size, ", gradient ", dy);
  return {{.shape = with_size(dy, axis, size)}};
}

LayoutWish layout_slice_backward(const NodeView& node) {
  const Attributes& a = node.attributes;
  const Shape& dy = node.input(0).shape;
  const bool image = image_can(dy, axis_of(a, dy, "slice"), {a.integer("size"), a.integer("start"), a.integer("stop")});
  return image ? want_same(node) : want_plain(node);
}

// A unit is a row of the part before the slice, which is cleared, of the slice, which is copied, or of the part behind it, which is
// cleared.
Step bind_slice_backward(const BindScope& scope) {
  const Operand dy = scope.inputs[0], dx = scope.outputs[0];
  const int axis = axis_of(scope.attributes, dx.type.shape, "slice");
  const Index start = scope.attributes.integer("start"), stop = scope.attributes.integer("stop");
  const Index size = dx.type.shape[axis];
  const Section before(dx.type, axis, 0, start), taken(dx.type, axis, start, stop - start), behind(dx.type, axis, stop, size - stop);
  const Section from(dy.type, axis, 0, stop - start);
  Step step;
  step.units = before.rows() + taken.rows() + behind.rows();
  step.run = [=](const RunContext& run, Index begin, Index end) {
    const auto clear = [&](const Section& section, Index first_unit) {
      for_part(begin, end, first_unit, section.rows(), [&](Index first, Index last) { clear_rows(section, dx.data(run), first, last); });
    };
    clear(before, 0);
    for_part(begin, end, before.rows(), taken.rows(),
             [&](Index first, Index last) { copy_rows(taken, dx.data(run), from, dy.data(run), first, last); });
    clear(behind, before.rows() + taken.rows());
  };
  return step;
}

}  // namespace

const Op k_concat = {
    .name = "concat", .inputs = "x*...", .infer = infer, .layout = layout, .bind = bind, .backward = backward, .band = band};
const Op k_slice = {
    .name = "slice", .inputs = "x*", .infer = infer_slice, .layout = layout_slice, .bind = bind_slice, .backward = backward_slice};
const Op k_slice_backward = {
    .name = "slice_backward", .inputs = "dy", .infer = infer_slice_backward, .layout = layout_slice_backward, .bind = bind_slice_backward};

}  // namespace fastcnn
