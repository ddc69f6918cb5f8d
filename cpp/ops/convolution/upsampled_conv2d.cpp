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
// of weight and bias, and "kernel" its shape; with the attribute "packed" it is made for direct sums, and the taps that meet at each point
// are summed in the run, panel by panel (point_products.h).
#include <algorithm>

#include "ops/activation_kind.h"
#include "ops/convolution/point_products.h"
#include "ops/convolution/upsampled.h"
#include "ops/ops.h"
#include "ops/views/image_pieces.h"

namespace fastcnn {

namespace {

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
  const Shape weight = scope.graph.type(scope.inputs[1]).shape;
  Attributes attributes{{"kernel", weight.sizes()}, {"lanes", Index{scope.lanes}}};
  attributes.set("padding", scope.attributes.integers("padding"));
  scope.attributes.set("kernel", weight.sizes());
  if (scope.options.small) {
    scope.attributes.set("packed", true);
    scope.inputs[1] = add_prepared(scope, k_direct, {1, weight[1], weight[2], weight[3]}, weight, false);
  } else {
    const ValueId bias = scope.inputs.size() > 2 ? scope.inputs[2] : kNoValue;
    scope.inputs[1] = scope.graph.add_one("upsampled_conv2d_prepare", {scope.inputs[1], bias}, attributes);
  }
  if (scope.inputs.size() > 2) scope.inputs[2] = kNoValue;
}

// How a program's pixels are cut, of all images.
struct Groups {
  Index pixels, count, most;  // pixels in the largest group
  Index first(Index group) const { return pixels * group / count; }
};

Groups groups_of(const Upsampled& u) {
  constexpr Index kPointBytes = 256 << 10;  // of a group: beside its products and the weights they stay in L2
  const Index register_tile = u.lanes == 16 ? 14 : 12, of_pixel = u.points() * u.in_blocks() * u.lanes * bytes_of(DType::f32);
  const Index tiles = std::clamp<Index>(kPointBytes / std::max<Index>(of_pixel, 1) / register_tile, 2, 8);
  Groups groups{.pixels = u.N * u.H * u.W, .count = 1, .most = 0};
  if (groups.pixels == 0) return groups.count = 0, groups;
  groups.count = ceil_div(groups.pixels, tiles * register_tile);
  groups.count += groups.count % 2;  // two threads are the commonest team
  groups.most = ceil_div(groups.pixels, groups.count);
  return groups;
}

// All that stays the same over a program's runs.
struct Bound {
  Upsampled u;
  Groups groups;
  PointProducts products;
  Operand x, prepared, residual, y;
  ImageStrides xs, ys, rs;
  Activation activation;
};

// Calls body(image, first pixel of it, pixels, where they are in the group) for each image that a group has pixels of.
template <class Body>
void for_pixels(const Bound& b, Index group, Body&& body) {
  for_images(b.u.H * b.u.W, b.groups.first(group), b.groups.first(group + 1), body);
}

void list_neighbours(const UpsampledAxis& axis, Index step, std::int64_t (&to)[2]) { to[0] = axis.before ? -step : step, to[1] = step; }

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
                          .point_stride = b.products.input_point};
      list_neighbours(b.u.rows, b.xs.row, unit.down);
      list_neighbours(b.u.columns, b.xs.pixel, unit.across);
      kernels.upsampled_input(unit);
    }
  });
}

void transform_output(const Kernels& kernels, const Bound& b, const RunContext& run, Index group, const ChannelTile& tile, Index pixels,
                      const float* products) {
  const Upsampled& u = b.u;
  const auto plain = [](const UpsampledAxis& axis) { return axis.neighbours() == 1 && axis.before ? 1 : 0; };
  for_pixels(b, group, [&](Index image, Index first, Index count, Index at) {
    for (Index block = tile.out_block; block < tile.out_block + tile.out_blocks; ++block)
      kernels.upsampled_output(
          {.products = products + ((block - tile.out_block) * pixels + at) * u.lanes,
           .point_stride = b.products.product_point,
           .bias = b.prepared.data(run) + b.products.bias + block * u.lanes,
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
  const Shape kernel(scope.attributes.integers("kernel"));
  const Upsampled u = upsampled("upsampled_conv2d", scope.attributes, scope.inputs[0].type.shape, kernel, scope.kernels.lanes);
  const Groups groups = groups_of(u);
  Bound b{.u = u,
          .groups = groups,
          .products = PointProducts(u.problem(), u.points(), groups.most, scope.attributes.has("packed"), sums_of_taps(u)),
          .x = scope.inputs[0],
          .prepared = scope.inputs[1],
          .residual = {},
          .y = scope.outputs[0],
          .xs = scope.inputs[0].type.strides(),
          .ys = scope.outputs[0].type.strides(),
          .rs = {},
          .activation = fused_activation(scope.attributes)};
  if (scope.inputs.size() > 3 && scope.inputs[3].given) b.residual = scope.inputs[3], b.rs = b.residual.type.strides();

  Step step;
  step.units = groups.count;
  step.flops = 2.0 * static_cast<double>(u.N * u.O * 4 * u.H * u.W * u.C * u.taps * u.taps);
  step.algorithm = "differences";
  step.scratch_bytes = b.products.scratch_bytes();
  step.run = [b = std::move(b), kernels = &scope.kernels](const RunContext& run, Index begin, Index end) {
    const PointProducts::Scratch scratch = b.products.scratch(run);
    for (Index group = begin; group < end; ++group) {
      const Index pixels = b.groups.first(group + 1) - b.groups.first(group);
      transform_input(*kernels, b, run, group, pixels, scratch.input);
      for (const ChannelTile& tile : b.products.channels) {
        b.products.multiply(*kernels, b.prepared.data(run), tile, &tile == &b.products.channels.back(), pixels, scratch);
        transform_output(*kernels, b, run, group, tile, pixels, scratch.products);
      }
    }
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

}  // namespace fastcnn
