// pointwise_depthwise(x, pointwise, depthwise) -> y: a 1x1 convolution, e(N, E, H, W) of x(N, C, H, W), and the depthwise convolution
// behind it, y(N, E, OH, OW) of e, each with bias and activation, as one step. e is several times as large as x or y and would go through a
// shared cache. Here only a few rows of a few channels of it exist at a time, in scratch.
//
//   kernel 3, stride 1, bands of 4 rows of y:
//
//     rows of e of band 0     0 1 2 3 4 5        row 0 is padding: zeros
//     rows of e of band 1             4 5 6 7 8 9
//                                     ^ ^        kept, if the worker has computed band 0 just before; else recomputed
//
// pointwise, depthwise: the weights as conv2d_prepare packs them for the algorithms direct and depthwise. Attributes: those of the
// depthwise convolution; "between", "between_a", "between_b": the activation of e; "lanes", for which the weights are prepared.
#include <algorithm>
#include <cstring>

#include "kernels/kernels.h"
#include "ops/convolution/direct.h"
#include "ops/convolution/operands.h"
#include "ops/ops.h"
#include "ops/views/row_bands.h"

namespace fastcnn {

namespace {

struct Problems {
  ConvProblem pointwise, depthwise;
};

Problems problems_of(const Attributes& attributes, const Shape& x) {
  const char* op = "pointwise_depthwise";
  require(x.rank() == 4, op, "input must be (N, C, H, W)", x);
  const Shape kernel(attributes.integers("kernel"));
  require(kernel.rank() == 4, op, "kernel must be (channels, 1, height, width)", kernel);
  const int lanes = checked_lanes(op, attributes);
  const Conv2dGeometry first = conv2d_geometry(plain_windows({0, 0, 0, 0}), x, {kernel[0], x[1], 1, 1});
  const Conv2dGeometry second = conv2d_geometry(attributes, {x[0], kernel[0], x[2], x[3]}, kernel);
  require(second.depthwise(), op, "the second convolution must be depthwise", "groups=", second.groups);
  return {forward_problem(first, lanes, false), forward_problem(second, lanes, false)};
}

Activation activation_between(const Attributes& attributes) { return activation_named(attributes, "between"); }

std::vector<TensorType> infer(const NodeView& node) {
  const Problems p = problems_of(node.attributes, node.input(0).shape);
  const Shape first{k_direct.prepared_elements(p.pointwise)}, second{k_depthwise.prepared_elements(p.depthwise)};
  require(node.input(1).shape == first && node.input(2).shape == second, "pointwise_depthwise",
          "weights must be prepared for direct and depthwise", node.input(1).shape, " and ", node.input(2).shape);
  activation_between(node.attributes);
  fused_activation(node.attributes);
  return {{.shape = {p.depthwise.N, p.depthwise.out_channels, p.depthwise.out_h, p.depthwise.out_w}}};
}

std::optional<Band> band(const NodeView& node, RowRange made) {
  const Conv2dGeometry g = conv2d_geometry(node.attributes, {node.input(0).N(), node.output(0).C(), node.input(0).H(), node.input(0).W()},
                                           Shape(node.attributes.integers("kernel")));
  return padded_band(node, {g.H, g.OH, g.stride_h, g.span_h(), g.top, g.bottom}, made);
}

BandSizes band_sizes(const NodeView&) { return {.group = 2, .least = 4}; }  // the kernel sums two rows at once

LayoutWish layout(const NodeView& node) { return want_image_but_plain(node, {1, 2}); }

// What stays the same over the runs of a program.
struct BoundPair {
  Index N, C, H, W;  // of e
  int lanes;
  WalkPair walks;  // of the depthwise convolution
  std::vector<ChannelTile> tiles;
  ImageView x, y;
  Operand first, second;  // prepared weights
  Activation between, activation;
  Index bands, rows_a_band;
  Index blocks;                          // channel blocks of the largest tile
  Index left, row_pixels, block_stride;  // of e in scratch, whose rows have columns of zeros on both sides

  Index row_stride() const { return row_pixels * lanes; }
  Index first_row(Index band) const { return band * rows_a_band; }
  Index end_row(Index band) const { return std::min(walks.row.count, (band + 1) * rows_a_band); }
  Index span() const { return (walks.row.taps - 1) * walks.row.tap_step + 1; }  // rows of a window
  RowRange needed(Index band) const {
    const AxisWalk& r = walks.row;
    return {r.in_first + first_row(band) * r.in_step, r.in_first + (end_row(band) - 1) * r.in_step + span()};
  }
};

// Bands fit in a part of a typical L2 cache and have even numbers of rows, because the kernel sums two rows at once.
void cut_into_bands(BoundPair& b) {
  constexpr Index kScratchBytes = 80 << 10;
  b.blocks = 1;
  for (const ChannelTile& tile : b.tiles) b.blocks = std::max(b.blocks, tile.out_blocks);
  const AxisWalk& rows = b.walks.row;
  const Index most = kScratchBytes / (b.row_stride() * bytes_of(DType::f32) * b.blocks);
  const Index fitting = std::max(Index{2}, (most - b.span()) / rows.in_step + 1);
  b.bands = std::max(Index{1}, ceil_div(rows.count, fitting));
  b.rows_a_band = std::max(Index{2}, round_up(ceil_div(rows.count, b.bands), 2));
  b.bands = ceil_div(rows.count, b.rows_a_band);
  b.block_stride = ((b.rows_a_band - 1) * rows.in_step + b.span()) * b.row_stride();
}

// Computes the rows `made` of e; rows outside of the image are zeros.
void compute_expanded(const BoundPair& b, const RunContext& run, void (*conv_direct)(const ConvDirect&), const ChannelTile& tile, Index n,
                      RowRange made, float* to) {
  const Index row = b.row_stride();
  const Index image = b.W * b.lanes;
  const Index left = b.left * b.lanes;
  for (Index block = 0; block < tile.out_blocks; ++block) {
    for (Index h = made.begin; h < made.end; ++h) {
      float* zeros = to + block * b.block_stride + (h - made.begin) * row;
      const bool outside = h < 0 || h >= b.H;
      std::fill_n(zeros, outside ? row : left, 0.0f);
      if (!outside) std::fill_n(zeros + left + image, row - left - image, 0.0f);
    }
  }
  const Index first = std::max(Index{0}, made.begin), count = std::min(b.H, made.end) - first;
  if (count <= 0) return;
  ConvDirect unit{};
  set_channels(unit, tile, b.lanes);
  unit.input = b.x.block(run, n, tile.in_block) + first * b.x.strides.row;
  unit.weights = b.first.data(run) + tile.weights_before;
  unit.bias = b.first.data(run) + tile.out_block * b.lanes + b.first.type.shape[0] - ceil_div(b.C, b.lanes) * b.lanes;
  unit.output = to + (first - made.begin) * row + left;
  unit.rows = static_cast<int>(count);
  unit.columns = static_cast<int>(b.W);
  unit.kernel_h = unit.kernel_w = 1;
  unit.input_block_stride = b.x.strides.block;
  unit.row_step = b.x.strides.row;
  unit.pixel_step = b.lanes;
  unit.output_block_stride = b.block_stride;
  unit.output_row_stride = row;
  unit.output_pixel_stride = b.lanes;
  unit.activation = b.between;
  conv_direct(unit);
}

// Computes a band of y in one channel block from the rows of e.
void compute_output(const BoundPair& b, const RunContext& run, void (*conv_depthwise)(const ConvDepthwise&), Index block, Index n,
                    Index band, const float* rows) {
  const Index taps = b.walks.taps();
  ConvDepthwise unit{};
  unit.input = rows + (b.left + b.walks.column.in_first) * b.lanes;
  unit.weights = b.second.data(run) + block * taps * b.lanes;
  unit.bias = b.second.data(run) + (taps * ceil_div(b.C, b.lanes) + block) * b.lanes;
  unit.output = b.y.block(run, n, block) + b.first_row(band) * b.y.strides.row;
  unit.rows = static_cast<int>(b.end_row(band) - b.first_row(band));
  unit.columns = static_cast<int>(b.walks.column.count);
  set_steps(unit, b.walks, b.row_stride(), b.lanes, b.y.strides.row, b.y.strides.pixel);
  unit.activation = b.activation;
  conv_depthwise(unit);
}

// Units are (images, tiles of channels, bands). The band changes first, so a worker mostly goes on to the next band of a tile.
void run_units(const BoundPair& b, const RunContext& run, const Kernels& kernels, Index begin, Index end) {
  float* const rows = run.scratch_data();
  const Index tiles = static_cast<Index>(b.tiles.size());
  RowRange there{0, 0};
  for (Index unit = begin; unit < end; ++unit) {
    const Index band = unit % b.bands, n = unit / b.bands / tiles;
    const ChannelTile& tile = b.tiles[static_cast<std::size_t>(unit / b.bands % tiles)];
    const RowRange needed = b.needed(band);
    Index kept = 0;
    if (band > 0 && unit > begin && there.end > needed.begin) {
      kept = there.end - needed.begin;
      for (Index block = 0; block < tile.out_blocks; ++block) {
        float* image = rows + block * b.block_stride;
        std::memmove(image, image + (needed.begin - there.begin) * b.row_stride(),
                     static_cast<std::size_t>(kept * b.row_stride()) * sizeof(float));
      }
    }
    compute_expanded(b, run, kernels.conv_direct, tile, n, {needed.begin + kept, needed.end}, rows + kept * b.row_stride());
    there = needed;
    for (Index block = 0; block < tile.out_blocks; ++block)
      compute_output(b, run, kernels.conv_depthwise, tile.out_block + block, n, band, rows + block * b.block_stride);
  }
}

Step bind(const BindScope& scope) {
  const Problems p = problems_of(scope.attributes, scope.inputs[0].type.shape);
  check_lanes("pointwise_depthwise", p.pointwise.lanes, scope.kernels);
  BoundPair b{};
  b.N = p.depthwise.N;
  b.C = p.depthwise.in_channels;
  b.H = p.depthwise.in_h;
  b.W = p.depthwise.in_w;
  b.lanes = p.pointwise.lanes;
  b.walks = p.depthwise.walk_pairs().front();
  b.tiles = direct_tiles(p.pointwise);
  b.x = ImageView(scope.inputs[0]);
  b.y = ImageView(scope.outputs[0]);
  b.first = scope.inputs[1];
  b.second = scope.inputs[2];
  b.between = activation_between(scope.attributes);
  b.activation = fused_activation(scope.attributes);
  const AxisWalk& columns = b.walks.column;
  const Index last = columns.in_first + (columns.count - 1) * columns.in_step + (columns.taps - 1) * columns.tap_step;
  b.left = -columns.in_first;
  b.row_pixels = b.left + std::max(b.W, last + 1);
  cut_into_bands(b);

  Step step;
  step.units = b.N * static_cast<Index>(b.tiles.size()) * b.bands;
  step.flops = 2.0 * static_cast<double>(p.pointwise.macs() + p.depthwise.macs());
  step.algorithm = "bands";
  step.scratch_bytes = b.blocks * b.block_stride * bytes_of(DType::f32);
  step.run = [b = std::move(b), kernels = &scope.kernels](const RunContext& run, Index begin, Index end) {
    run_units(b, run, *kernels, begin, end);
  };
  return step;
}

}  // namespace

const Op k_pointwise_depthwise = {.name = "pointwise_depthwise",
                                  .inputs = "x pointwise depthwise",
                                  .infer = infer,
                                  .layout = layout,
                                  .bind = bind,
                                  .band = band,
                                  .band_sizes = band_sizes};

}  // namespace fastcnn
