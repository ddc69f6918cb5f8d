// The gradients of conv2d:
//   conv2d_backward_data(dy, weight) -> dx      a convolution again (convolution/geometry.h)
//   conv2d_backward_weight(dy, x) -> dweight    sums of x times dy over all positions where a filter entry was used
//   channel_sum(dy) -> dbias                    sums over all positions
// x, dx: (N, C, H, W); dy: (N, O, OH, OW); weight, dweight: (O, C / groups, KH, KW); dbias: (O,). Attributes of the first two: those of the
// convolution, "input" (the shape of x) and "kernel" (the shape of weight).
#include <algorithm>

#include "kernels/kernels.h"
#include "ops/convolution/algorithms.h"
#include "ops/ops.h"
#include "ops/views/image_view.h"

namespace fastcnn {

namespace {

Conv2dGeometry geometry_of(const Attributes& attributes) {
  return conv2d_geometry(attributes, Shape(attributes.integers("input")), Shape(attributes.integers("kernel")));
}

// ---- the input

std::vector<TensorType> infer_data(const NodeView& node) {
  const Conv2dGeometry g = geometry_of(node.attributes);
  check_gradient("conv2d_backward_data", node.input(0).shape, {g.N, g.O, g.OH, g.OW}, "output");
  return {{.shape = {g.N, g.C, g.H, g.W}}};
}

LayoutWish layout_data(const NodeView& node) { return want_image_but_plain(node, {1}); }

int ring_data(const NodeView& node, std::size_t input) { return input == 0 ? backward_problem(geometry_of(node.attributes), 1).ring() : 0; }

void choose_data(ChoiceScope& scope) {
  const Conv2dAlgorithm& algorithm = cheapest_conv2d_algorithm(backward_problem(geometry_of(scope.attributes), scope.lanes));
  scope.attributes.set("algorithm", std::string(algorithm.name));
  const Shape input(scope.attributes.integers("input")), kernel(scope.attributes.integers("kernel"));
  scope.inputs[1] = add_prepared(scope, algorithm, input, kernel, true);
}

Step bind_data(const BindScope& scope) {
  const ConvProblem problem = backward_problem(geometry_of(scope.attributes), scope.kernels.lanes);
  return find_conv2d_algorithm(scope.attributes.text("algorithm")).bind(problem, scope);
}

// ---- the weight

std::vector<TensorType> infer_weight(const NodeView& node) {
  const Conv2dGeometry g = geometry_of(node.attributes);
  const Shape &x = node.input(1).shape, input{g.N, g.C, g.H, g.W};
  check_gradient("conv2d_backward_weight", node.input(0).shape, {g.N, g.O, g.OH, g.OW}, "output");
  require(x == input, "conv2d_backward_weight", "x must have the shape of the input", x, ", input ", input);
  return {{.shape = Shape(node.attributes.integers("kernel"))}};
}

LayoutWish layout_weight(const NodeView& node) {
  const bool narrow = node.attributes.has("narrow");
  return {{Want::image, narrow ? Want::narrow : Want::image}, {Want::plain}};
}

int ring_weight(const NodeView& node, std::size_t input) {
  return input == 1 ? forward_problem(geometry_of(node.attributes), 1, false).ring() : 0;
}

// Few channels are better read as planes than as blocks, where the forward convolution reads planes, too.
void choose_weight(ChoiceScope& scope) {
  const Conv2dGeometry g = geometry_of(scope.attributes);
  if (cheapest_conv2d_algorithm(forward_problem(g, scope, 1)).input == Want::plain) scope.attributes.set("narrow", true);
}

// A unit is a block of output channels x a block of input channels (narrow: one channel) x a kernel row.
struct BoundWeight {
  Conv2dGeometry g;
  ImageView dy, x;
  Operand dweight;
  int lanes, in_lanes;
  void (*kernel)(const ConvWeightGradient&);

  Index in_blocks() const { return ceil_div(g.C, in_lanes); }

  // Scatters the sums of one kernel entry for the channels of the unit, (taps, lanes), to the entries of (O, C / groups, KH, KW) that
  // exist.
  void store(const float* sums, float* to, Index o0, Index c0, Index channels, Index i, Index j) const {
    const Index out_group = g.O / g.groups, in_group = g.C / g.groups;
    for (Index c = c0; c < std::min(g.C, c0 + channels); ++c)
      for (Index o = o0; o < std::min(g.O, o0 + lanes); ++o)
        if (o / out_group == c / in_group) to[((o * in_group + c % in_group) * g.KH + i) * g.KW + j] = sums[(c - c0) * lanes + o - o0];
  }

  void run_unit(const RunContext& run, Index unit) const {
    const Index i = unit % g.KH, in_block = unit / g.KH % in_blocks(), out_block = unit / g.KH / in_blocks();
    const Index o0 = out_block * lanes, c0 = in_block * in_lanes;
    const Index first_group = o0 / (g.O / g.groups), last_group = (std::min(g.O, o0 + lanes) - 1) / (g.O / g.groups);
    const Index in_group = g.C / g.groups;
    if (c0 + in_lanes <= first_group * in_group || c0 >= (last_group + 1) * in_group) return;  // the blocks have no group in common

    const ImageStrides& xs = x.strides;
    ConvWeightGradient args{};
    args.doutput = dy.block(run, 0, out_block);
    args.images = static_cast<int>(g.N);
    args.rows = static_cast<int>(g.OH);
    args.columns = static_cast<int>(g.OW);
    args.input_image_stride = xs.batch;
    args.input_row_stride = g.stride_h * xs.row;
    args.input_pixel_stride = g.stride_w * xs.pixel;
    args.doutput_image_stride = dy.strides.batch;
    args.doutput_row_stride = dy.strides.row;
    const float* row = x.block(run, 0, in_block) + (i * g.dilation_h - g.top) * xs.row - g.left * xs.pixel;
    float* sums = run.scratch_data();
    args.dweight = sums;
    if (in_lanes == 1) {  // the taps are the kernel's columns
      args.input = row;
      args.taps = static_cast<int>(g.KW);
      args.tap_stride = g.dilation_w;
      kernel(args);
      for (Index j = 0; j < g.KW; ++j) store(sums + j * lanes, dweight.data(run), o0, c0, 1, i, j);
      return;
    }
    args.taps = static_cast<int>(std::min<Index>(in_lanes, g.C - c0));  // the taps are the block's channels
    args.tap_stride = 1;
    for (Index j = 0; j < g.KW; ++j) {
      args.input = row + j * g.dilation_w * xs.pixel;
      kernel(args);
      store(sums, dweight.data(run), o0, c0, args.taps, i, j);
    }
  }
};

Step bind_weight(const BindScope& scope) {
  BoundWeight b{.g = geometry_of(scope.attributes),
                .dy = ImageView(scope.inputs[0]),
                .x = ImageView(scope.inputs[1]),
                .dweight = scope.outputs[0],
                .lanes = scope.kernels.lanes,
                .in_lanes = scope.attributes.has("narrow") ? 1 : scope.kernels.lanes,
                .kernel = scope.kernels.conv_weight_gradient};
  const Index units = ceil_div(b.g.O, b.lanes) * b.in_blocks() * b.g.KH;
  Step step = bind_units(units, [b](const RunContext& run, Index unit) { b.run_unit(run, unit); });
  step.flops = 2.0 * static_cast<double>(b.g.macs());
  step.algorithm = b.in_lanes == 1 ? "direct_narrow" : "direct";
  step.scratch_bytes = std::max<Index>(b.lanes, b.g.KW) * b.lanes * bytes_of(DType::f32);
  return step;
}

// ---- the bias

std::vector<TensorType> infer_sum(const NodeView& node) {
  require(node.input(0).shape.rank() == 4, "channel_sum", "input must be (N, C, H, W)", node.input(0).shape);
  return {{.shape = {node.input(0).shape[1]}}};
}

LayoutWish layout_sum(const NodeView&) { return {{Want::image}, {Want::plain}}; }

Step bind_sum(const BindScope& scope) {
  const ImageView dy(scope.inputs[0]);
  const Operand sums = scope.outputs[0];
  const Index lanes = scope.kernels.lanes;
  Step step = bind_units(dy.strides.blocks, [=, channel_sum = scope.kernels.channel_sum](const RunContext& run, Index block) {
    const TensorType& type = dy.operand.type;
    float* const sum = run.scratch_data();
    channel_sum(sum, dy.block(run, 0, block), type.N(), type.H(), type.W(), dy.strides.batch, dy.strides.row);
    std::copy_n(sum, std::min(lanes, type.C() - block * lanes), sums.data(run) + block * lanes);
  });
  step.flops = elements_of(dy.operand);
  step.scratch_bytes = lanes * bytes_of(DType::f32);
  return step;
}

}  // namespace

const Op k_conv2d_backward_data = {.name = "conv2d_backward_data",
                                   .inputs = "dy weight",
                                   .infer = infer_data,
                                   .layout = layout_data,
                                   .bind = bind_data,
                                   .ring = ring_data,
                                   .choose = choose_data};

const Op k_conv2d_backward_weight = {.name = "conv2d_backward_weight",
                                     .inputs = "dy x",
                                     .infer = infer_weight,
                                     .layout = layout_weight,
                                     .bind = bind_weight,
                                     .ring = ring_weight,
                                     .choose = choose_weight};

const Op k_channel_sum = {.name = "channel_sum", .inputs = "dy", .infer = infer_sum, .layout = layout_sum, .bind = bind_sum};

}  // namespace fastcnn
