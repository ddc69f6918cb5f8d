// max_pool: y(N, C, OH, OW) = the maximum of each window of x(N, C, H, W); a NaN in a window is its maximum.
// max_pool_places(x) -> places: which pixel of each window is its first maximum, in row-major order. Bytes, or integers where a window has
// more than 256 pixels, in the order of images, channel blocks and outputs; a plain array, a float for each four bytes.
// max_pool_backward(dy, places) -> dx: each window's gradient goes to its first maximum. Attribute "input": the shape of x.
//
// Attributes of all: kernel, stride, padding (top, left, bottom, right), dilation, ceil_mode; or adaptive, the size of the output.
#include <algorithm>

#include "ops/ops.h"
#include "ops/pooling/pool_windows.h"

namespace fastcnn {

namespace {

std::vector<TensorType> infer(const NodeView& node) {
  return {{.shape = pool_geometry("max_pool", node.attributes, node.input(0).shape).output}};
}

std::optional<Band> band(const NodeView& node, RowRange made) {
  return pool_band(node, pool_geometry("max_pool", node.attributes, node.input(0).shape).rows, made);
}

Step bind(const BindScope& scope) {
  const PoolGeometry g = pool_geometry("max_pool", scope.attributes, scope.inputs[0].type.shape);
  Step step = bind_pool(scope.inputs[0], scope.outputs[0], clipped_windows(g.rows), clipped_windows(g.columns), scope.kernels.max_pool);
  step.flops = g.taps();
  return step;
}

void backward(GradientScope& scope) {
  if (!scope.wanted[0]) return;
  Attributes attributes = scope.attributes;
  attributes.set("input", scope.graph.type(scope.inputs[0]).shape.sizes());
  const ValueId places = scope.graph.add_one("max_pool_places", {scope.inputs[0]}, scope.attributes);
  scope.input_gradients[0] = scope.graph.add_one("max_pool_backward", {scope.output_gradients[0], places}, attributes);
}

// How places are kept.
struct Places {
  bool wide = false;
  Index elements = 0;  // of the plain array, which has room for the blocks of any ISA

  Places(const PoolGeometry& g, Index N, Index C) {
    constexpr Index kMostLanes = 16, kMostPlaces = 256;
    Index most = 1;
    for (const PoolAxis* axis : {&g.rows, &g.columns}) {
      const PoolWindows all = clipped_windows(*axis);
      Index longest = 0;
      for (const PoolWindow& window : all.windows) longest = std::max(longest, ceil_div(window.last - window.first, all.step));
      most *= longest;
    }
    wide = most > kMostPlaces;
    elements = ceil_div(N * round_up(C, kMostLanes) * g.rows.outputs * g.columns.outputs, wide ? 1 : bytes_of(DType::f32));
  }

  // Of a channel block of an image.
  std::byte* of(const Operand& places, const RunContext& run, Index unit, Index outputs, Index lanes) const {
    return places.data<std::byte>(run) + unit * outputs * lanes * (wide ? bytes_of(DType::f32) : 1);
  }
};

PoolGrid grid_of(const PoolWindows& rows, const PoolWindows& columns) {
  return {.rows = rows.windows.data(),
          .columns = columns.windows.data(),
          .row_count = static_cast<Index>(rows.windows.size()),
          .column_count = static_cast<Index>(columns.windows.size()),
          .row_step = rows.step,
          .column_step = columns.step};
}

std::vector<TensorType> infer_places(const NodeView& node) {
  const Shape& x = node.input(0).shape;
  return {{.shape = {Places(pool_geometry("max_pool_places", node.attributes, x), x[0], x[1]).elements}}};
}

LayoutWish layout_places(const NodeView&) { return {{Want::image}, {Want::plain}}; }

Step bind_places(const BindScope& scope) {
  const Operand x = scope.inputs[0], to = scope.outputs[0];
  const PoolGeometry g = pool_geometry("max_pool_places", scope.attributes, x.type.shape);
  const ImageStrides xs = x.type.strides();
  Step step;
  step.units = x.type.N() * xs.blocks;
  step.flops = g.taps();
  step.run = [=, places = Places(g, x.type.N(), x.type.C()), rows = clipped_windows(g.rows), columns = clipped_windows(g.columns),
              kernel = scope.kernels.max_pool_places](const RunContext& run, Index begin, Index end) {
    for (Index unit = begin; unit < end; ++unit)
      kernel({.x = x.data(run) + xs.origin + xs.image(unit),
              .places = places.of(to, run, unit, g.rows.outputs * g.columns.outputs, xs.pixel),
              .windows = grid_of(rows, columns),
              .x_row_stride = xs.row,
              .wide = places.wide});
  };
  return step;
}

std::vector<TensorType> infer_backward(const NodeView& node) {
  const Shape dy = node.input(0).shape, x(node.attributes.integers("input"));
  const PoolGeometry g = pool_geometry("max_pool_backward", node.attributes, x);
  require(dy == g.output, "max_pool_backward", "the gradient must have the shape of the output", "gradient ", dy, ", output ", g.output);
  const Shape want{Places(g, x[0], x[1]).elements};
  require(node.input(1).shape == want, "max_pool_backward", join("places must have the shape ", want), node.input(1).shape);
  return {{.shape = x}};
}

LayoutWish layout_backward(const NodeView&) { return {{Want::image, Want::plain}, {Want::image}}; }

// Windows overlap, so a unit owns all of dx in one channel block of one image.
Step bind_backward(const BindScope& scope) {
  const Operand dy = scope.inputs[0], from = scope.inputs[1], dx = scope.outputs[0];
  const PoolGeometry g = pool_geometry("max_pool_backward", scope.attributes, dx.type.shape);
  const ImageStrides dys = dy.type.strides(), dxs = dx.type.strides();
  Step step;
  step.units = dx.type.N() * dxs.blocks;
  step.flops = g.taps();
  step.run = [=, places = Places(g, dx.type.N(), dx.type.C()), rows = clipped_windows(g.rows), columns = clipped_windows(g.columns),
              kernel = scope.kernels.max_pool_backward](const RunContext& run, Index begin, Index end) {
    for (Index unit = begin; unit < end; ++unit)
      kernel({.dy = dy.data(run) + dys.origin + dys.image(unit),
              .places = places.of(from, run, unit, g.rows.outputs * g.columns.outputs, dxs.pixel),
              .dx = dx.data(run) + dxs.origin + dxs.image(unit),
              .windows = grid_of(rows, columns),
              .x_rows = g.rows.size,
              .x_columns = g.columns.size,
              .dy_row_stride = dys.row,
              .dx_row_stride = dxs.row,
              .wide = places.wide});
  };
  return step;
}

}  // namespace

const Op k_max_pool = {
    .name = "max_pool", .inputs = "x", .infer = infer, .layout = want_image, .bind = bind, .backward = backward, .band = band};
const Op k_max_pool_places = {
    .name = "max_pool_places", .inputs = "x", .infer = infer_places, .layout = layout_places, .bind = bind_places};
const Op k_max_pool_backward = {
    .name = "max_pool_backward", .inputs = "dy places", .infer = infer_backward, .layout = layout_backward, .bind = bind_backward};

}  // namespace fastcnn
