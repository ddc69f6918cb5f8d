// reorder(x) -> y: x, (N, C, H, W), in another layout. The layout pass adds it between ops that want different layouts.
// reshape(x) -> y: the same bytes under the attribute "shape". Plain; it costs nothing.
// copy(x) -> y: the same bytes in other memory. Plain; passes add it where two values must not share memory.
#include <algorithm>
#include <cstring>

#include "kernels/kernels.h"
#include "ops/ops.h"
#include "ops/views/rows.h"

namespace fastcnn {

namespace {

std::vector<TensorType> infer(const NodeView& node) {
  require(node.input(0).shape.rank() == 4, "reorder", "only images have another layout", node.input(0).shape);
  return {{.shape = node.input(0).shape, .dtype = node.input(0).dtype}};
}

// The layout pass sets the layouts of both operands; a reorder takes any.
LayoutWish layout(const NodeView& node) { return want_same(node); }

// The strides of a value of rank 4 as an image. A plain one has blocks of 1 channel and no ring.
ImageStrides strides_of(const TensorType& type) {
  TensorType image = type;
  if (image.layout.plain()) image.layout = {1, 0};
  return image.strides();
}

std::optional<Band> band(const NodeView& node, RowRange made) { return Band{node.attributes, {Band::Input{made}}}; }

// A unit is one row of pixels of one image, with all channels.
Step bind(const BindScope& scope) {
  const Operand x = scope.inputs[0], y = scope.outputs[0];
  const ImageStrides xs = strides_of(x.type), ys = strides_of(y.type);
  const Index H = x.type.H();
  ReorderRow common{};
  common.columns = x.type.W();
  common.channels = x.type.C();
  common.from_block = xs.pixel;
  common.to_block = ys.pixel;
  common.from_block_stride = xs.block;
  common.to_block_stride = ys.block;
  return bind_units(x.type.N() * H, [=, reorder_row = scope.kernels.reorder_row](const RunContext& run, Index unit) {
    ReorderRow args = common;
    args.from = x.data(run) + xs.origin + unit / H * xs.batch + unit % H * xs.row;
    args.to = y.data(run) + ys.origin + unit / H * ys.batch + unit % H * ys.row;
    reorder_row(args);
  });
}

std::vector<TensorType> infer_reshape(const NodeView& node) {
  const Shape &from = node.input(0).shape, to(node.attributes.integers("shape"));
  require(from.elements() == to.elements(), "reshape", "the new shape must have as many elements as the old", "old ", from, ", new ", to);
  return {{.shape = to, .dtype = node.input(0).dtype}};
}

Step bind_reshape(const BindScope&) { return {}; }

void backward_reshape(GradientScope& scope) {
  scope.give(0, "reshape", {scope.output_gradients[0]}, {{"shape", scope.graph.type(scope.inputs[0]).shape.sizes()}});
}

std::vector<TensorType> infer_copy(const NodeView& node) { return {{.shape = node.input(0).shape, .dtype = node.input(0).dtype}}; }

Step bind_copy(const BindScope& scope) {
  const Operand x = scope.inputs[0], y = scope.outputs[0];
  const RowView rows(x.type);  // int32 has the size of float32
  Step step;
  step.units = rows.count();
  step.run = [=](const RunContext& run, Index begin, Index end) {
    if (begin == end) return;
    const Index first = rows.row(begin), count = rows.row(end - 1) + rows.length(end - 1) - first;
    std::memcpy(y.data(run) + first, x.data(run) + first, static_cast<std::size_t>(count) * sizeof(float));
  };
  return step;
}

}  // namespace

const Op k_copy = {.name = "copy", .inputs = "x*", .infer = infer_copy, .layout = want_plain, .bind = bind_copy};
const Op k_reorder = {.name = "reorder", .inputs = "x*", .infer = infer, .layout = layout, .bind = bind, .band = band};
const Op k_reshape = {.name = "reshape",
                      .inputs = "x*",
                      .infer = infer_reshape,
                      .layout = want_plain,
                      .bind = bind_reshape,
                      .backward = backward_reshape,
                      .alias = true};

}  // namespace fastcnn
