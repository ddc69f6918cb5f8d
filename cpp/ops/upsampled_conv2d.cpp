// upsampled_conv2d: y(N, O, 2H, 2W) = conv2d of the image u(N, C, 2H, 2W) that nearest upsampling makes of x(N, C, H, W); kernel 2x2 or
// 3x3, padded to the same size. u is never made, and products are four times fewer than on it. Along one axis, u[2i] = u[2i + 1] = x[i]:
//
//   y[2i]     = S x[i] + w[0] (x[i - 1] - x[i])          where the padding before is 1; S: the sum of the taps
//   y[2i + 1] = S x[i] + w[last] (x[i + 1] - x[i])       where the padding behind is 1
//
// so a pixel and its differences to one or two neighbours are multiplied, instead of a window for each output. In two dimensions those are
// 4 or 9 points, for which this is a Winograd convolution: points of a group of pixels, products with prepared weights, outputs.
//
// Inputs: x, weight, bias?, residual?. Attributes: padding; the activation. Behind `choose`, weight is what upsampled_conv2d_prepare makes
// of weight and bias, and "kernel" its shape.
#include <algorithm>
#include <array>

#include "kernels/kernels.h"
#include "ops/activation_kind.h"
#include "ops/conv2d_algorithms.h"
#include "ops/image_pieces.h"
#include "ops/ops.h"

namespace fastcnn {

namespace {

// One axis: which neighbours there are. The kernel has one more tap.
struct Axis {
  bool before, behind;
  int neighbours() const { return before + behind; }
};

struct Upsampled {
  Index N, C, H, W, O;  // H x W: of the image before
  Index taps;
  Axis rows, columns;
  int lanes;

  int points() const { return (1 + rows.neighbours()) * (1 + columns.neighbours()); }
  Index in_blocks() const { return ceil_div(C, lanes); }
  Index out_blocks() const { return ceil_div(O, lanes); }
  Index weights_of_point() const { return C * out_blocks() * lanes; }
  Index bias_at() const { return points() * weights_of_point(); }
};

Axis axis_of(std::string_view op, Index before, Index behind, Index taps) {
  require(before <= 1 && behind <= 1 && before + behind == taps - 1, op, "padding must be 0 or 1 a side, and keep the size", "padding ",
          before, " and ", behind, ", kernel ", taps);
  return {before == 1, behind == 1};
}

Upsampled upsampled(std::string_view op, const Attributes& attributes, const Shape& x, const Shape& weight, int lanes) {
  require(x.rank() == 4, op, "input must be (N, C, H, W)", x);
  require(weight.rank() == 4 && weight[2] == weight[3] && (weight[2] == 2 || weight[2] == 3), op,
          "weight must be (out_channels, in_channels, 2, 2) or (.., 3, 3)", weight);
  require(weight[1] == x[1], op, "input must have the weight's number of channels", x, ", weight ", weight);
  const auto& padding = attributes.integers("padding", 4, 0, op);
  return {x[0],
          x[1],
          x[2],
          x[3],
          weight[0],
          weight[2],
          axis_of(op, padding[0], padding[2], weight[2]),
          axis_of(op, padding[1], padding[3], weight[2]),
          lanes};
}

Shape weight_shape(const NodeView& node) {
  return node.attributes.has("kernel") ? Shape(node.attributes.integers("kernel")) : node.input(1).shape;
}

std::vector<TensorType> infer(const NodeView& node) {
  const char* op = "upsampled_conv2d";
  const Upsampled u = upsampled(op, node.attributes, node.input(0).shape, weight_shape(node), 1);
  const TensorType y{.shape = {u.N, u.O, 2 * u.H, 2 * u.W}};
  if (node.has_input(2))
    require(node.input(2).shape == Shape{u.O}, op, "bias must be (out_channels,)", "bias ", node.input(2).shape, ", out_channels=", u.O);
  if (node.has_input(3))
    require(node.input(3).shape == y.shape, op, "residual must have the shape of the output", "residual ", node.input(3).shape, ", output ",
            y.shape);
  fused_activation(node.attributes);
  return {y};
}

LayoutWish layout(const NodeView& node) {
  LayoutWish wish = want_image(node);
  wish.inputs[1] = Want::plain;
  if (wish.inputs.size() > 2) wish.inputs[2] = Want::plain;
  return wish;
}

int ring(const NodeView&, std::size_t input) { return input == 0 ? 1 : 0; }

// Two rows for each of x, whose neighbours are read where the ring of the whole would be.
std::optional<Band> band(const NodeView& node, RowRange made) {
  Band band{node.attributes, std::vector<std::optional<Band::Input>>(node.inputs.size())};
  band.inputs[0] = {{made.begin / 2, made.end / 2}, 1};
  if (node.has_input(3)) band.inputs[3] = {made};
  return band;
}

BandSizes band_sizes(const NodeView& node) {
  constexpr Index kPixels = 28;  // that read the same weights
  return {.group = 2, .least = 2 * ceil_div(kPixels, std::max(Index{1}, node.input(0).W()))};
}

void choose(ChoiceScope& scope) {
  const Shape& weight = scope.graph.type(scope.inputs[1]).shape;
  Attributes attributes{{"kernel", weight.sizes()}, {"lanes", Index{scope.lanes}}};
  attributes.set("padding", scope.attributes.integers("padding"));
  scope.attributes.set("kernel", weight.sizes());
  const ValueId bias = scope.inputs.size() > 2 ? scope.inputs[2] : kNoValue;
  scope.inputs[1] = scope.graph.add_one("upsampled_conv2d_prepare", {scope.inputs[1], bias}, attributes);
  if (scope.inputs.size() > 2) scope.inputs[2] = kNoValue;
}

// How a program's pixels are cut, of all images.
struct Groups {
  Index pixels, count, most;  // pixels in the largest group
  Index input_point, product_point;
  Index first(Index group) const { return pixels * group / count; }
};

Groups groups_of(const Upsampled& u) {
  constexpr Index kPointBytes = 256 << 10;  // of a group: beside its products and the weights they stay in L2
  const Index register_tile = u.lanes == 16 ? 14 : 12, of_pixel = u.points() * u.in_blocks() * u.lanes * bytes_of(DType::f32);
  const Index tiles = std::clamp<Index>(kPointBytes / std::max<Index>(of_pixel, 1) / register_tile, 2, 8);
  Groups groups{.pixels = u.N * u.H * u.W, .count = 1, .most = 0, .input_point = 0, .product_point = 0};
  if (groups.pixels == 0) return groups.count = 0, groups;
  groups.count = ceil_div(groups.pixels, tiles * register_tile);
  groups.count += groups.count % 2;  // two threads are the commonest team
  groups.most = ceil_div(groups.pixels, groups.count);
  const auto odd_lines = [](Index vectors) { return vectors | 1; };  // points then do not meet in the same sets of the cache
  groups.input_point = odd_lines(u.in_blocks() * groups.most) * u.lanes;
  groups.product_point = odd_lines(2 * groups.most) * u.lanes;
  return groups;
}

// All that stays the same over a program's runs.
struct Bound {
  Upsampled u;
  Groups groups;
  Operand x, prepared, residual, y;
  ImageStrides xs, ys, rs;
  Activation activation;
};

// Calls body(image, first pixel of it, pixels, where they are in the group) for each image that a group has pixels of.
template <class Body>
void for_pixels(const Bound& b, Index group, Body&& body) {
  for_images(b.u.H * b.u.W, b.groups.first(group), b.groups.first(group + 1), body);
}

void list_neighbours(const Axis& axis, Index step, std::int64_t (&to)[2]) { to[0] = axis.before ? -step : step, to[1] = step; }

void transform_input(const Kernels& kernels, const Bound& b, const RunContext& run, Index group, Index pixels, float* points) {
  for_pixels(b, group, [&](Index image, Index first, Index count, Index at) {
    for (Index block = 0; block < b.u.in_blocks(); ++block) {
      UpsampledInput unit{.input = b.x.data(run) + b.xs.origin + image * b.xs.batch + block * b.xs.block,
                          .row_stride = b.xs.row,
                          .columns = b.u.W,
                          .first = first,
                          .count = static_cast<int>(count),
                          .neighbours = b.u.rows.neighbours(),
                          .down = {},
                          .across = {},
                          .output = points + (block * pixels + at) * b.u.lanes,
                          .point_stride = b.groups.input_point};
      list_neighbours(b.u.rows, b.xs.row, unit.down);
      list_neighbours(b.u.columns, b.xs.pixel, unit.across);
      kernels.upsampled_input(unit);
    }
  });
}

// The products of one tile of one or two blocks of output channels.
void multiply(const Kernels& kernels, const Bound& b, const RunContext& run, Index tile, Index pixels, const float* points,
              float* products) {
  const Upsampled& u = b.u;
  kernels.winograd_multiply({.points = u.points(),
                             .input = points,
                             .weights = b.prepared.data(run) + tile * 2 * u.lanes * u.C,
                             .output = products,
                             .input_point_stride = b.groups.input_point,
                             .weights_point_stride = u.weights_of_point(),
                             .output_point_stride = b.groups.product_point,
                             .next_weights = 0,
                             .tiles = static_cast<int>(pixels),
                             .input_blocks = static_cast<int>(u.in_blocks()),
                             .last_channels = static_cast<int>(u.C - (u.in_blocks() - 1) * u.lanes),
                             .output_blocks = static_cast<int>(std::min<Index>(2, u.out_blocks() - 2 * tile)),
                             .input_block_stride = pixels * u.lanes,
                             .output_block_stride = pixels * u.lanes});
}

void transform_output(const Kernels& kernels, const Bound& b, const RunContext& run, Index group, Index tile, Index pixels,
                      const float* products) {
  const Upsampled& u = b.u;
  const auto plain = [](const Axis& axis) { return axis.neighbours() == 1 && axis.before ? 1 : 0; };
  for_pixels(b, group, [&](Index image, Index first, Index count, Index at) {
    for (Index block = 2 * tile; block < std::min(u.out_blocks(), 2 * tile + 2); ++block)
      kernels.upsampled_output(
          {.products = products + ((block - 2 * tile) * pixels + at) * u.lanes,
           .point_stride = b.groups.product_point,
           .bias = b.prepared.data(run) + u.bias_at() + block * u.lanes,
           .output = b.y.data(run) + b.ys.origin + image * b.ys.batch + block * b.ys.block,
           .residual = b.residual.given ? b.residual.data(run) + b.rs.origin + image * b.rs.batch + block * b.rs.block : nullptr,
           .output_row_stride = b.ys.row,
           .residual_row_stride = b.rs.row,
           .columns = u.W,
           .first = first,
           .count = static_cast<int>(count),
           .neighbours = u.rows.neighbours(),
           .plain_row = plain(u.rows),
           .plain_column = plain(u.columns),
           .activation = b.activation});
  });
}

Step bind(const BindScope& scope) {
  Bound b{.u = upsampled("upsampled_conv2d", scope.attributes, scope.inputs[0].type.shape, Shape(scope.attributes.integers("kernel")),
                         scope.kernels.lanes),
          .groups = {},
          .x = scope.inputs[0],
          .prepared = scope.inputs[1],
          .residual = {},
          .y = scope.outputs[0],
          .xs = scope.inputs[0].type.strides(),
          .ys = scope.outputs[0].type.strides(),
          .rs = {},
          .activation = fused_activation(scope.attributes)};
  b.groups = groups_of(b.u);
  if (scope.inputs.size() > 3 && scope.inputs[3].given) b.residual = scope.inputs[3], b.rs = b.residual.type.strides();

  Step step;
  step.units = b.groups.count;
  step.flops = 2.0 * static_cast<double>(b.u.N * b.u.O * 4 * b.u.H * b.u.W * b.u.C * b.u.taps * b.u.taps);
  step.algorithm = "differences";
  step.scratch_bytes = b.u.points() * (b.groups.input_point + b.groups.product_point) * bytes_of(DType::f32);
  step.run = [b = std::move(b), kernels = &scope.kernels](const RunContext& run, Index begin, Index end) {
    float* const points = reinterpret_cast<float*>(run.scratch);
    float* const products = points + b.u.points() * b.groups.input_point;
    for (Index group = begin; group < end; ++group) {
      const Index pixels = b.groups.first(group + 1) - b.groups.first(group);
      transform_input(*kernels, b, run, group, pixels, points);
      for (Index tile = 0; tile < ceil_div(b.u.out_blocks(), 2); ++tile) {
        multiply(*kernels, b, run, tile, pixels, points, products);
        transform_output(*kernels, b, run, group, tile, pixels, products);
      }
    }
  };
  return step;
}

// upsampled_conv2d_prepare(weight, bias?) -> for each point, for each tile of two blocks of output channels: (in channels, tile's lanes),
// sums over the taps that meet at the point; then the bias, padded to whole blocks.
Upsampled prepared(const Attributes& attributes, const Shape& weight) {
  require(weight.rank() == 4, "upsampled_conv2d_prepare", "weight must have rank 4", weight);
  const Index lanes = attributes.integer("lanes");
  require(lanes == 4 || lanes == 8 || lanes == 16, "upsampled_conv2d_prepare", "lanes must be 4, 8 or 16", "lanes=", lanes);
  return upsampled("upsampled_conv2d_prepare", attributes, {1, weight[1], 1, 1}, weight, static_cast<int>(lanes));
}

std::vector<TensorType> infer_prepare(const NodeView& node) {
  const Upsampled u = prepared(node.attributes, node.input(0).shape);
  if (node.has_input(1))
    require(node.input(1).shape == Shape{u.O}, "upsampled_conv2d_prepare", "bias must be (out_channels,)", node.input(1).shape);
  return {{.shape = {u.bias_at() + u.out_blocks() * u.lanes}}};
}

// The taps that meet at point `at` of an axis.
ChannelRange taps_of(const Axis& axis, Index taps, int at) {
  if (at == 0) return {0, taps};
  return axis.before && at == 1 ? ChannelRange{0, 1} : ChannelRange{taps - 1, 1};
}

void prepare_tile(const Upsampled& u, const float* weight, const float* bias, float* to, Index tile) {
  const Index outs = std::min<Index>(2, u.out_blocks() - 2 * tile) * u.lanes, first_out = 2 * tile * u.lanes;
  const Index end_out = std::min(first_out + outs, u.O), filter = u.taps * u.taps;
  for (int point = 0; point < u.points(); ++point) {
    const int across = 1 + u.columns.neighbours();
    const ChannelRange rows = taps_of(u.rows, u.taps, point / across), columns = taps_of(u.columns, u.taps, point % across);
    float* const sums = to + point * u.weights_of_point() + first_out * u.C;
    std::fill_n(sums, outs * u.C, 0.0f);
    for (Index o = first_out; o < end_out; ++o)
      for (Index c = 0; c < u.C; ++c) {
        const float* taps = weight + (o * u.C + c) * filter;
        for (Index i = rows.first; i < rows.end(); ++i)
          for (Index j = columns.first; j < columns.end(); ++j) sums[c * outs + o - first_out] += taps[i * u.taps + j];
      }
  }
  float* const padded = to + u.bias_at();
  for (Index o = first_out; o < first_out + outs; ++o) padded[o] = bias && o < u.O ? bias[o] : 0.0f;
}

Step bind_prepare(const BindScope& scope) {
  const Upsampled u = prepared(scope.attributes, scope.inputs[0].type.shape);
  require(u.lanes == scope.kernels.lanes, "upsampled_conv2d_prepare", "lanes must be those of the kernels", "lanes=", u.lanes,
          ", kernels of ", scope.kernels.lanes);
  const Operand weight = scope.inputs[0], bias = scope.inputs.size() > 1 ? scope.inputs[1] : Operand{}, to = scope.outputs[0];
  Step step;
  step.units = ceil_div(u.out_blocks(), 2);
  step.run = [=](const RunContext& run, Index begin, Index end) {
    for (Index tile = begin; tile < end; ++tile) prepare_tile(u, weight.data(run), bias.data(run), to.data(run), tile);
  };
  return step;
}

}  // namespace

const Op k_upsampled_conv2d = {.name = "upsampled_conv2d",
                               .inputs = "x weight bias? residual?",
                               .infer = infer,
                               .layout = layout,
                               .bind = bind,
                               .ring = ring,
                               .choose = choose,
                               .band = band,
                               .band_sizes = band_sizes};
const Op k_upsampled_conv2d_prepare = {
    .name = "upsampled_conv2d_prepare", .inputs = "weight bias?", .infer = infer_prepare, .layout = want_plain, .bind = bind_prepare};

}  // namespace fastcnn
