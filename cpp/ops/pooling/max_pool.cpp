// max_pool(x) -> y(N, C, OH, OW): the maximum of each window of x(N, C, H, W). A NaN in a window is its maximum.
// max_pool_places(x) -> places: for each output, the index of the first maximum among the pixels of its window, in row-major order. A byte
// each, or an int32 where a window has more than 256 pixels, in the order of images, channel blocks and outputs. places is a plain array of
// floats, one for each four bytes.
// max_pool_backward(dy, places) -> dx: the gradient of each output is added to the first maximum of its window. Attribute "input": the
// shape of x.
//
// x, y, dy, dx are images. Attributes of all: kernel, stride, padding (top, left, bottom, right), dilation, ceil_mode; or adaptive, the
// size of the output.
#include <algorithm>

#include "ops/ops.h"
#include "ops/pooling/pool_windows.h"
#include "ops/views/image_view.h"

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
  scope.give(0, "max_pool_backward", {scope.output_gradients[0], places}, attributes);
}

// A pooling whose places are kept.
struct Places {
  PoolGeometry geometry;
  PoolWindows rows, columns;
  bool wide;       // integers, not bytes
  Index outputs;   // of a channel block of an image
  Index elements;  // of the plain array, which is large enough for the blocks of any ISA

  Places(std::string_view op, const Attributes& attributes, const Shape& x)
      : geometry(pool_geometry(op, attributes, x)),
        rows(clipped_windows(geometry.rows)),
        columns(clipped_windows(geometry.columns)),
        wide(longest(rows) * longest(columns) > kMostBytePlaces),
        outputs(geometry.rows.outputs * geometry.columns.outputs),
        elements(ceil_div(x[0] * round_up(x[1], kMostLanes) * outputs, wide ? 1 : bytes_of(DType::f32))) {}

  // The places of a channel block, counted through all images.
  std::byte* of(const Operand& places, const RunContext& run, Index block, Index lanes) const {
    return places.data<std::byte>(run) + block * outputs * lanes * (wide ? bytes_of(DType::f32) : 1);
  }

  PoolGrid grid() const {
    return {.rows = rows.windows.data(),
            .columns = columns.windows.data(),
            .row_count = static_cast<Index>(rows.windows.size()),
            .column_count = static_cast<Index>(columns.windows.size()),
            .row_step = rows.step,
            .column_step = columns.step};
  }

 private:
  static constexpr Index kMostLanes = 16;
  static constexpr Index kMostBytePlaces = 256;

  static Index longest(const PoolWindows& all) {  // pixels of a window along the axis
    Index most = 0;
    for (const PoolWindow& window : all.windows) most = std::max(most, ceil_div(window.last - window.first, all.step));
    return most;
  }
};

std::vector<TensorType> infer_places(const NodeView& node) {
  return {{.shape = {Places("max_pool_places", node.attributes, node.input(0).shape).elements}}};
}

LayoutWish layout_places(const NodeView&) { return {{Want::image}, {Want::plain}}; }

// A unit is a channel block of an image.
Step bind_places(const BindScope& scope) {
  const ImageView x(scope.inputs[0]);
  const Operand to = scope.outputs[0];
  const Places places("max_pool_places", scope.attributes, x.operand.type.shape);
  Step step = bind_units(x.all_blocks(), [=, kernel = scope.kernels.max_pool_places](const RunContext& run, Index block) {
    kernel({.x = x.block(run, block),
            .places = places.of(to, run, block, x.strides.pixel),
            .windows = places.grid(),
            .x_row_stride = x.strides.row,
            .wide = places.wide});
  });
  step.flops = places.geometry.taps();
  return step;
}

std::vector<TensorType> infer_backward(const NodeView& node) {
  const Shape x(node.attributes.integers("input"));
  const Places places("max_pool_backward", node.attributes, x);
  check_gradient("max_pool_backward", node.input(0).shape, places.geometry.output, "output");
  const Shape want{places.elements};
  require(node.input(1).shape == want, "max_pool_backward", join("places must have the shape ", want), node.input(1).shape);
  return {{.shape = x}};
}

LayoutWish layout_backward(const NodeView&) { return {{Want::image, Want::plain}, {Want::image}}; }

// Windows may overlap, so a unit is all of dx in one channel block of one image.
Step bind_backward(const BindScope& scope) {
  const ImageView dy(scope.inputs[0]), dx(scope.outputs[0]);
  const Operand from = scope.inputs[1];
  const Places places("max_pool_backward", scope.attributes, dx.operand.type.shape);
  Step step = bind_units(dx.all_blocks(), [=, kernel = scope.kernels.max_pool_backward](const RunContext& run, Index block) {
    kernel({.dy = dy.block(run, block),
            .places = places.of(from, run, block, dx.strides.pixel),
            .dx = dx.block(run, block),
            .windows = places.grid(),
            .x_rows = places.geometry.rows.size,
            .x_columns = places.geometry.columns.size,
            .dy_row_stride = dy.strides.row,
            .dx_row_stride = dx.strides.row,
            .wide = places.wide});
  });
  step.flops = places.geometry.taps();
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
