// upsampled_conv2d(x, weight, bias?, residual?) -> y(N, O, 2H, 2W): conv2d of u(N, C, 2H, 2W), the nearest-upsampled image of x(N, C, H,
// W). weight: (O, C, 2, 2) or (O, C, 3, 3); padding keeps the size. u never exists, and there are four times fewer products than with u.
// Along one axis, u[2i] = u[2i + 1] = x[i]:
//
//   y[2i]     = S x[i] + w[0] (x[i - 1] - x[i])          where the padding before is 1; S: the sum of the taps
//   y[2i + 1] = S x[i] + w[last] (x[i + 1] - x[i])       where the padding behind is 1
//
// So a pixel and its differences to one or two neighbours are multiplied, instead of a window for each output. In two dimensions these are
// 4 or 9 points, and the convolution is computed like Winograd's, by products at points (point_products.h).
//
// Attributes: padding; the activation. Once prepared, weight is the output of upsampled_conv2d_prepare, there is no bias, and "kernel" is
// the shape of the weight. With the attribute "packed" it is packed for direct sums, and the taps of each point are summed in the run.
#include <algorithm>

#include "ops/convolution/operands.h"
#include "ops/convolution/upsampled.h"
#include "ops/ops.h"

namespace fastcnn {

namespace {

Shape weight_shape(const NodeView& node) {
  return node.attributes.has("kernel") ? Shape(node.attributes.integers("kernel")) : node.input(1).shape;
}

std::vector<TensorType> infer(const NodeView& node) {
  const char* op = "upsampled_conv2d";
  const Upsampled u = upsampled(op, node.attributes, node.input(0).shape, weight_shape(node), 1);
  const Shape y{u.N, u.O, 2 * u.H, 2 * u.W};
  check_bias(op, node, u.O);
  check_residual(op, node, y);
  fused_activation(node.attributes);
  return {{.shape = y}};
}

LayoutWish layout(const NodeView& node) { return want_image_but_plain(node, {1, 2}); }

int ring(const NodeView&, std::size_t input) { return input == 0 ? 1 : 0; }

// Two rows for each row of x. The rows of x around the band are read like a ring.
std::optional<Band> band(const NodeView& node, RowRange made) {
  Band band{node.attributes, std::vector<std::optional<Band::Input>>(node.inputs.size())};
  band.inputs[0] = {{made.begin / 2, made.end / 2}, 1};
  if (node.has_input(3)) band.inputs[3] = {made};
  return band;
}

BandSizes band_sizes(const NodeView& node) {
  constexpr Index kPixels = 28;  // pixels of x that read the same weights
  return {.group = 2, .least = 2 * ceil_div(kPixels, std::max(Index{1}, node.input(0).W()))};
}

void choose(ChoiceScope& scope) {
  const Shape weight = scope.graph.type(scope.inputs[1]).shape;
  Attributes attributes{{"kernel", weight.sizes()}, {"lanes", Index{scope.lanes}}};
  attributes.set("padding", scope.attributes.integers("padding"));
  scope.attributes.set("kernel", weight.sizes());
  if (scope.options.small) {
    scope.attributes.set("packed", true);
    scope.inputs[1] = add_prepared(scope, k_direct, {1, weight[1], weight[2], weight[3]}, weight, false);
  } else {
    scope.inputs[1] = scope.graph.add_one("upsampled_conv2d_prepare", {scope.inputs[1], scope.inputs[2]}, attributes);
  }
  scope.inputs[2] = kNoValue;
}

PointGrid grid_of(const Upsampled& u) {
  constexpr Index kPointBytes = 256 << 10;  // of a group; they stay in L2, beside its products and the weights
  const Index register_tile = u.lanes == 16 ? 14 : 12;
  const Index bytes_a_pixel = u.points() * u.in_blocks() * u.lanes * bytes_of(DType::f32);
  const Index tiles = std::clamp<Index>(kPointBytes / std::max<Index>(bytes_a_pixel, 1) / register_tile, 2, 8);
  PointGrid grid{.an_image = u.H * u.W, .pieces = u.N * u.H * u.W, .groups = 0, .chunks = 1};
  if (grid.pieces == 0) return grid;
  grid.groups = ceil_div(grid.pieces, tiles * register_tile);
  grid.groups += grid.groups % 2;  // two threads are the commonest team
  return grid;
}

void list_neighbours(const UpsampledAxis& axis, Index step, std::int64_t (&to)[2]) {
  to[0] = axis.before ? -step : step;
  to[1] = step;
}

// What stays the same over the runs of a program.
struct BoundUpsampled {
  Upsampled u;
  ConvOperands operands;
  PointProducts products;

  void input(const Kernels& kernels, const RunContext& run, const Pieces& pixels, float* to) const {
    const ImageView& x = operands.x;
    UpsampledInput unit{.input = x.block(run, pixels.image, pixels.block),
                        .row_stride = x.strides.row,
                        .columns = u.W,
                        .first = pixels.first,
                        .count = static_cast<int>(pixels.count),
                        .neighbours = u.rows.neighbours(),
                        .down = {},
                        .across = {},
                        .output = to,
                        .point_stride = products.input_point()};
    list_neighbours(u.rows, x.strides.row, unit.down);
    list_neighbours(u.columns, x.strides.pixel, unit.across);
    kernels.upsampled_input(unit);
  }

  void output(const Kernels& kernels, const RunContext& run, const Pieces& pixels, const float* from) const {
    const auto plain = [](const UpsampledAxis& axis) { return axis.neighbours() == 1 && axis.before ? 1 : 0; };
    kernels.upsampled_output({.products = from,
                              .point_stride = products.product_point(),
                              .bias = operands.prepared.data(run) + products.bias() + pixels.block * u.lanes,
                              .output = operands.y.block(run, pixels.image, pixels.block),
                              .residual = operands.residual.block(run, pixels.image, pixels.block),
                              .output_row_stride = operands.y.strides.row,
                              .residual_row_stride = operands.residual.strides.row,
                              .columns = u.W,
                              .first = pixels.first,
                              .count = static_cast<int>(pixels.count),
                              .neighbours = u.rows.neighbours(),
                              .plain_row = plain(u.rows),
                              .plain_column = plain(u.columns),
                              .activation = operands.activation});
  }
};

Step bind(const BindScope& scope) {
  const Shape kernel(scope.attributes.integers("kernel"));
  const Upsampled u = upsampled("upsampled_conv2d", scope.attributes, scope.inputs[0].type.shape, kernel, scope.kernels.lanes);
  Step step = bind_points(
      BoundUpsampled{.u = u,
                     .operands = ConvOperands(scope),
                     .products = PointProducts(u.problem(), u.points(), grid_of(u), scope.attributes.has("packed"), sums_of_taps(u))},
      scope.kernels);
  step.flops = 2.0 * static_cast<double>(u.N * u.O * 4 * u.H * u.W * u.C * u.taps * u.taps);
  step.algorithm = "differences";
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

}  // namespace fastcnn
