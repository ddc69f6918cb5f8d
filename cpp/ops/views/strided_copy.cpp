#include "ops/views/strided_copy.h"

#include <algorithm>
#include <cstring>

#include "ops/views/broadcast.h"

namespace fastcnn {

namespace {

struct Axis {
  Index size, stride;
};

// The axes of y without those of size 1. Neighbouring axes that x walks as one, too, are merged.
std::vector<Axis> merged_axes(const Shape& y, const std::vector<Index>& strides) {
  std::vector<Axis> axes;
  for (int i = 0; i < y.rank(); ++i) {
    const Axis next{y[i], strides[static_cast<std::size_t>(i)]};
    if (next.size == 1) continue;
    if (!axes.empty() && axes.back().stride == next.stride * next.size)
      axes.back() = {axes.back().size * next.size, next.stride};
    else
      axes.push_back(next);
  }
  return axes;
}

// The axes that are walked from unit to unit, and the offset in x of each of their entries.
struct Outer {
  Shape shape;
  std::vector<Index> strides;

  explicit Outer(const std::vector<Axis>& axes) {
    std::vector<Index> sizes;
    for (const Axis& axis : axes) {
      sizes.push_back(axis.size);
      strides.push_back(axis.stride);
    }
    shape = Shape(sizes);
  }
  Index offset(Index i) const { return offset_of(i, shape, strides); }
};

constexpr Index kRun = 4096;  // floats in a unit: 16 KB

// Copies where the last axis of y runs along x, or repeats one element of it. A unit is a part of one row.
Step copy_rows(const Operand& x, const Operand& y, std::vector<Axis> axes) {
  const Axis row = axes.empty() ? Axis{1, 1} : axes.back();
  if (!axes.empty()) axes.pop_back();
  const Outer outer(axes);
  const Index parts = ceil_div(row.size, kRun);
  return bind_units(outer.shape.elements() * parts, [=](const RunContext& run, Index unit) {
    const Index start = unit % parts * kRun, count = std::min(kRun, row.size - start);
    const float* from = x.data(run) + outer.offset(unit / parts) + start * row.stride;
    float* to = y.data(run) + unit / parts * row.size + start;
    if (row.stride == 1)
      std::memcpy(to, from, static_cast<std::size_t>(count) * sizeof(float));
    else
      std::fill_n(to, count, *from);
  });
}

// Columns of x become rows of y. Square tiles of 16 x 16 touch 16 cache lines of x and 16 of y, and use all of each.
//
//         x   . . . . .            y   . . . .
//             . a b c .                . a d .
//             . d e f .                . b e .
//             . . . . .                . c f .
void transpose_tile(float* to, Index to_stride, const float* from, Index from_stride, Index rows, Index columns) {
  for (Index c = 0; c < columns; ++c)
    for (Index r = 0; r < rows; ++r) to[c * to_stride + r] = from[r * from_stride + c];
}

// Copies where the last axis of y (across) is not the axis along which x runs (along). A unit is a strip: 16 entries of `along` by up to
// 1024 of `across`.
Step copy_tiles(const Operand& x, const Operand& y, std::vector<Axis> axes) {
  constexpr Index kTile = 16, kStrip = 1024;
  const Axis across = axes.back();
  axes.pop_back();
  const auto found = std::find_if(axes.begin(), axes.end(), [](const Axis& axis) { return axis.stride == 1; });
  const Axis along = *found;
  Index y_along = across.size;  // the stride in y from an entry of `along` to the next
  for (auto axis = found + 1; axis != axes.end(); ++axis) y_along *= axis->size;
  const Index before = std::distance(axes.begin(), found);
  axes.erase(found);
  const Outer outer(axes);
  std::vector<Index> y_strides(axes.size());
  Index stride = across.size;
  for (Index i = static_cast<Index>(axes.size()); i-- > 0;) {
    if (i + 1 == before) stride *= along.size;
    y_strides[static_cast<std::size_t>(i)] = stride;
    stride *= axes[static_cast<std::size_t>(i)].size;
  }
  const Index bands = ceil_div(along.size, kTile), strips = ceil_div(across.size, kStrip);
  return bind_units(outer.shape.elements() * bands * strips, [=](const RunContext& run, Index unit) {
    const Index strip = unit % strips * kStrip, band = unit / strips % bands * kTile, at = unit / strips / bands;
    const float* from = x.data(run) + outer.offset(at) + band;
    float* to = y.data(run) + offset_of(at, outer.shape, y_strides) + band * y_along;
    const Index columns = std::min(kTile, along.size - band), last = std::min(across.size, strip + kStrip);
    for (Index r = strip; r < last; r += kTile)
      transpose_tile(to + r, y_along, from + r * across.stride, across.stride, std::min(kTile, last - r), columns);
  });
}

}  // namespace

Step bind_strided_copy(const Operand& x, const Operand& y, const std::vector<Index>& strides) {
  if (y.type.shape.elements() == 0) {
    Step nothing;
    nothing.units = 0;
    return nothing;
  }
  std::vector<Axis> axes = merged_axes(y.type.shape, strides);
  const bool runs = axes.empty() || axes.back().stride <= 1;
  return runs ? copy_rows(x, y, std::move(axes)) : copy_tiles(x, y, std::move(axes));
}

}  // namespace fastcnn
