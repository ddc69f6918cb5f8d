// Direct convolution: it computes every ConvProblem without a pooling. A work unit is a tile of output channels x a strip of rows.
//
// Prepared weights: for each pair of walks, for each tile of one or two blocks of output channels:
//   (input blocks of the groups of the tile, taps_h, taps_w, channels of the block, blocks of the tile * lanes);
// then the bias, padded to whole blocks.
#include <algorithm>

#include "kernels/kernels.h"
#include "ops/convolution/direct.h"
#include "ops/convolution/operands.h"
#include "ops/convolution/prologue.h"

namespace fastcnn {

namespace {

// A pair of walks; a forward convolution has one.
struct Pass {
  WalkPair walks;
  Index weights;  // the start of its prepared weights
};

struct Plan {
  std::vector<ChannelTile> tiles;
  std::vector<Pass> passes;
  Index weights_a_tap;  // of all tiles
  Index bias;           // its start in the prepared weights
  Index elements;       // of the prepared weights, with the bias
};

Index inputs_of(const ChannelTile& tile, int lanes) { return (tile.in_blocks - 1) * lanes + tile.last_channels; }

// Whether tiles of two blocks of output channels are faster than tiles of one. They halve the loads of inputs. Where a vector takes two
// turns, one block alone keeps the multipliers busy, and is better where sums are short: fewer sums end, and wait to be written, at once.
bool pairs_pay(const ConvProblem& p) {
  constexpr Index kFewTerms = 192;
  return !takes_two_turns(p.lanes) || p.kernel_h * p.kernel_w > 1 || p.in_channels / p.groups > kFewTerms;
}

Plan plan_of(const ConvProblem& p) {
  Plan plan{};
  const Index out_group = p.out_channels / p.groups, in_group = p.in_channels / p.groups;
  const Index blocks = p.out_blocks();
  const Index most = pairs_pay(p) ? 2 : 1;
  // A half-empty last block is the second of a pair. Where half a vector takes half the time, the kernel sums only half of it; else, for a
  // 1x1 kernel, two pixels share a vector.
  const bool in_halves = takes_two_turns(p.lanes);
  const bool in_pairs = p.fast_products() && p.kernel_h * p.kernel_w == 1;
  const bool half_empty = (in_halves || in_pairs) && p.out_channels <= blocks * p.lanes - p.lanes / 2;
  for (Index block = 0, count = 0; block < blocks; block += count) {
    const Index left = blocks - block;
    count = half_empty && left <= 3 ? 1 + (left == 2) : std::min(left, most);
    const Index last_out = std::min(p.out_channels, (block + count) * p.lanes) - 1;
    const int last_outputs = static_cast<int>(last_out + 1 - (block + count - 1) * p.lanes);
    ChannelTile tile{.out_block = block, .out_blocks = count, .last_outputs = p.lanes, .weights_before = plan.weights_a_tap};
    if (half_empty && in_halves) tile.last_outputs = last_outputs;
    tile.pixel_pairs = in_pairs && count == 2 && last_outputs <= p.lanes / 2;
    const Index first_in = block * p.lanes / out_group * in_group, end_in = (last_out / out_group + 1) * in_group;
    tile.in_block = first_in / p.lanes;
    tile.in_blocks = ceil_div(end_in, p.lanes) - tile.in_block;
    const Index last_in = (tile.in_block + tile.in_blocks - 1) * p.lanes;
    tile.last_channels = static_cast<int>(std::min<Index>(p.lanes, p.in_channels - last_in));
    plan.weights_a_tap += inputs_of(tile, p.lanes) * tile.out_blocks * p.lanes;
    plan.tiles.push_back(tile);
  }
  for (const WalkPair& walks : p.walk_pairs()) {
    plan.passes.push_back({walks, plan.bias});
    plan.bias += plan.weights_a_tap * walks.taps();
  }
  plan.elements = plan.bias + p.out_blocks() * p.lanes;
  return plan;
}

Index prepared_elements(const ConvProblem& p) { return plan_of(p).elements; }

Index prepare_units(const ConvProblem& p) {
  const Plan plan = plan_of(p);
  return static_cast<Index>(plan.passes.size() * plan.tiles.size());
}

void prepare_unit(const Kernels& kernels, const ConvProblem& p, const Plan& plan, const float* weight, const float* bias, float* prepared,
                  Index unit) {
  const Index tiles = static_cast<Index>(plan.tiles.size());
  const Pass& pass = plan.passes[static_cast<std::size_t>(unit / tiles)];
  const ChannelTile& tile = plan.tiles[static_cast<std::size_t>(unit % tiles)];
  const ChannelRange outs = {tile.out_block * p.lanes, tile.out_blocks * p.lanes};
  const Index taps = pass.walks.taps();
  float* to = prepared + pass.weights + tile.weights_before * taps;
  for (Index block = 0; block < tile.in_blocks; ++block) {
    const Index first_in = (tile.in_block + block) * p.lanes;
    const Index channels = block + 1 < tile.in_blocks ? p.lanes : tile.last_channels;
    copy_weights(kernels, p, pass.walks.row, pass.walks.column, weight, outs, {first_in, channels}, to);
    to += taps * channels * outs.count;
  }
  if (unit < tiles) pad_bias(p, bias, outs, prepared + plan.bias);  // once, with the first pass
}

PrepareUnit prepare(const ConvProblem& p) {
  return [p, plan = plan_of(p)](const Kernels& kernels, const float* weight, const float* bias, float* prepared, Index unit) {
    prepare_unit(kernels, p, plan, weight, bias, prepared, unit);
  };
}

double tile_operations(const ConvProblem& p) {  // in vector multiply-adds
  const Plan plan = plan_of(p);
  double operations = 0;
  for (const auto& [walks, weights] : plan.passes)
    operations +=
        static_cast<double>(p.N * walks.row.count * walks.column.count * walks.taps()) * static_cast<double>(plan.weights_a_tap / p.lanes);
  return operations;
}

double cost_direct(const ConvProblem& p) { return tile_operations(p) + cost_of_copy(p); }
bool can_always(const ConvProblem&) { return true; }

// What stays the same over the runs of a program.
struct BoundDirect {
  ConvProblem problem;
  Plan plan;
  ConvOperands operands;
  bool flat;                           // 1x1 on images without rings: all pixels are one row
  std::vector<Strips> strips = {};     // of each pass
  std::vector<Index> first_unit = {};  // of each pass, then the number of units

  Index tiles() const { return static_cast<Index>(plan.tiles.size()); }

  // The distance from the weights of a tile to those of the next, while both fit in L2; else 0.
  Index next_weights(const Pass& pass, const ChannelTile& tile) const {
    constexpr Index kMostFloats = (320 << 10) / 4;
    const std::size_t next = static_cast<std::size_t>(&tile - plan.tiles.data()) + 1;
    const Index size = next < plan.tiles.size() ? (plan.tiles[next].weights_before - tile.weights_before) * pass.walks.taps() : 0;
    return size <= kMostFloats ? size : 0;
  }
};

ConvDirect kernel_arguments(const BoundDirect& b, const RunContext& run, const Pass& pass, Index tile_number, Index image, Index first_row,
                            Index rows) {
  const ConvOperands& operands = b.operands;
  const ChannelTile& tile = b.plan.tiles[static_cast<std::size_t>(tile_number)];
  ConvDirect unit = walk_arguments<ConvDirect>(operands, run, pass.walks, {image, tile.in_block, tile.out_block, first_row, rows});
  set_channels(unit, tile, b.problem.lanes);
  unit.weights = operands.prepared.data(run) + pass.weights + tile.weights_before * pass.walks.taps();
  unit.next_weights = b.next_weights(pass, tile);
  unit.bias = operands.prepared.data(run) + b.plan.bias + tile.out_block * b.problem.lanes;
  unit.input_block_stride = operands.x.strides.block;
  unit.output_block_stride = operands.y.strides.block;
  unit.residual_block_stride = operands.residual.strides.block;
  if (b.flat) {
    unit.rows = 1;
    unit.columns = static_cast<int>(rows);
  }
  return unit;
}

bool is_flat(const ConvProblem& p, const ConvOperands& operands) {
  const auto has_ring = [](const ImageView& image) { return image.operand.given && image.operand.type.layout.ring != 0; };
  return p.is_pixelwise() && !has_ring(operands.x) && !has_ring(operands.y) && !has_ring(operands.residual);
}

// Bytes of the input that an output row reads and the rows before it do not.
Index bytes_a_row(const BoundDirect& b, const Pass& pass) {
  const auto touched = [](const AxisWalk& w) { return std::min(w.in_step, w.taps); };  // of every in_step rows or columns
  const auto& [rows, columns] = pass.walks;
  const Index row = b.operands.x.strides.row * touched(columns) / std::max<Index>(columns.in_step, 1);
  return b.plan.tiles[0].in_blocks * row * touched(rows) * bytes_of(DType::f32);
}

// The most bytes of input of a strip. Each strip reads all weights again, so strips of few pixels may be larger.
Index most_bytes(const Pass& pass, Index bytes_a_row, bool flat) {
  constexpr Index kEnoughPixels = 28;
  constexpr Index kMost = 400 << 10;  // beside the weights of a tile, still within an L2 of 1 MB
  const Index rows = ceil_div(kEnoughPixels, std::max<Index>(flat ? 1 : pass.walks.column.count, 1));
  return std::max(Strips::kBytes, std::min(kMost, rows * bytes_a_row));
}

// Units are numbered pass by pass, and within a pass as Strips::Unit.
void cut_into_units(BoundDirect& b) {
  ImageView &x = b.operands.x, &y = b.operands.y, &residual = b.operands.residual;
  b.first_unit = {0};
  for (Pass& pass : b.plan.passes) {
    if (b.flat) {  // stretches of the one long row take the place of rows
      pass.walks.row.count = b.problem.out_h * b.problem.out_w;
      x.strides.row = x.strides.pixel;
      y.strides.row = y.strides.pixel;
      residual.strides.row = residual.strides.pixel;
    }
    const Index bytes = bytes_a_row(b, pass);
    const Index align = !b.flat ? 1 : b.problem.lanes == 16 ? 14 : 6;  // whole tiles of the kernel
    const Index other_units = b.problem.N * b.tiles() * static_cast<Index>(b.plan.passes.size());
    b.strips.emplace_back(pass.walks.row.count, bytes, other_units, align, most_bytes(pass, bytes, b.flat));
    b.first_unit.push_back(b.first_unit.back() + b.problem.N * b.strips.back().count * b.tiles());
  }
}

using Run = std::function<void(const RunContext&, Index begin, Index end)>;

// With a prologue, a worker first writes the result of the prologue for a strip to scratch, (blocks, rows, columns, lanes). All tiles of
// channels read it there, while it is in the cache. Only 1x1 convolutions have a prologue, so a strip reads no row of another.
Run run_behind_prologue(BoundDirect bound, const BindScope& scope, Index& scratch_bytes) {
  const Index pixels_a_row = bound.flat ? 1 : bound.problem.in_w;
  const Index blocks = bound.problem.in_blocks();
  const Index row_stride = pixels_a_row * bound.operands.x.strides.pixel;
  scratch_bytes = blocks * bound.strips[0].most() * row_stride * bytes_of(DType::f32);
  return [=, b = std::move(bound), prologue = bind_prologue(scope), conv_direct = scope.kernels.conv_direct](const RunContext& run,
                                                                                                             Index begin, Index end) {
    float* const strip_input = run.scratch_data();
    const Strips& strips = b.strips[0];
    const ImageView& x = b.operands.x;
    for (Index number = begin; number < end; ++number) {
      const Strips::Unit unit = strips.unit(number, b.tiles());
      const Index first_row = strips.begin(unit.strip), rows = strips.size(unit.strip);
      const Index block_stride = rows * row_stride;
      if (rows == 0) continue;
      if (number == begin || unit.tile == 0) {
        for (Index block = 0; block < blocks; ++block)
          prologue(run, {unit.image, block, x.block(run, unit.image, block) + first_row * x.strides.row, strip_input + block * block_stride,
                         b.flat ? 1 : rows, b.flat ? rows : pixels_a_row, x.strides.row, row_stride});
      }
      ConvDirect args = kernel_arguments(b, run, b.plan.passes[0], unit.tile, unit.image, first_row, rows);
      args.input = strip_input;
      args.input_block_stride = block_stride;
      args.row_step = row_stride;
      conv_direct(args);
    }
  };
}

Run run_directly(BoundDirect bound, const BindScope& scope) {
  return [b = std::move(bound), conv_direct = scope.kernels.conv_direct](const RunContext& run, Index begin, Index end) {
    std::size_t p = 0;
    for (Index number = begin; number < end; ++number) {
      while (number >= b.first_unit[p + 1]) ++p;
      const Strips& strips = b.strips[p];
      const Strips::Unit unit = strips.unit(number - b.first_unit[p], b.tiles());
      conv_direct(kernel_arguments(b, run, b.plan.passes[p], unit.tile, unit.image, strips.begin(unit.strip), strips.size(unit.strip)));
    }
  };
}

Step bind(const ConvProblem& problem, const BindScope& scope) {
  BoundDirect b{.problem = problem, .plan = plan_of(problem), .operands = ConvOperands(scope), .flat = false};
  b.flat = is_flat(problem, b.operands);
  cut_into_units(b);

  Step step;
  step.units = b.first_unit.back();
  step.flops = 2.0 * static_cast<double>(problem.macs());
  step.algorithm = b.flat ? "direct_1x1" : "direct";
  step.run = problem.prologue ? run_behind_prologue(std::move(b), scope, step.scratch_bytes) : run_directly(std::move(b), scope);
  return step;
}

}  // namespace

std::vector<ChannelTile> direct_tiles(const ConvProblem& problem) { return plan_of(problem).tiles; }

const Conv2dAlgorithm k_direct = {.name = "direct",
                                  .input = Want::image,
                                  .error = kDirectError,
                                  .takes_prologue = true,
                                  .can_run = can_always,
                                  .cost = cost_direct,
                                  .prepared_elements = prepared_elements,
                                  .prepare_units = prepare_units,
                                  .prepare = prepare,
                                  .bind = bind};

}  // namespace fastcnn
