// Direct convolution as work units: tiles of output channels x strips of rows. It can compute every convolution.
//
// Prepared weights: for each pair of walks (one forward), for each tile of one or two blocks of output channels:
//   (input blocks that the tile's groups touch, taps_h, taps_w, channels of the block, tile's blocks * lanes);
// then the bias, padded to whole blocks.
#include <algorithm>

#include "kernels/kernels.h"
#include "ops/activation_kind.h"
#include "ops/convolution/direct.h"
#include "ops/convolution/prologue.h"

namespace fastcnn {

namespace {

// One pair of walks; forward there is one.
struct Pass {
  AxisWalk row, column;
  Index weights;  // where its prepared weights start
  Index taps() const { return row.taps * column.taps; }
};

struct Plan {
  std::vector<ChannelTile> tiles;
  std::vector<Pass> passes;
  Index weights_a_tap;   // of all tiles
  Index bias, elements;  // where the bias starts; size of everything prepared
};

Index inputs_of(const ChannelTile& tile, int lanes) { return (tile.in_blocks - 1) * lanes + tile.last_channels; }

// Two blocks of output channels at once halve the loads of inputs. Where a vector takes two turns, one block alone keeps the multipliers
// busy as well, and where sums are short it is better: fewer come to an end, and wait to be written, at once.
bool pairs_pay(const ConvProblem& p) {
  constexpr Index kFewTerms = 192;
  return !takes_two_turns(p.lanes) || p.kernel_h * p.kernel_w > 1 || p.in_channels / p.groups > kFewTerms;
}

Plan plan_of(const ConvProblem& p) {
  Plan plan{};
  const Index out_group = p.out_channels / p.groups, in_group = p.in_channels / p.groups;
  const Index blocks = p.out_blocks(), most = pairs_pay(p) ? 2 : 1;
  // A last block that is half empty is the second of a pair: where halves take half the time, the kernel sums that in three of them; else
  // two pixels share a vector, if the kernel is 1x1.
  const bool in_halves = takes_two_turns(p.lanes), in_pairs = p.fast_products() && p.kernel_h * p.kernel_w == 1;
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
  for (const AxisWalk& row : p.rows) {
    for (const AxisWalk& column : p.columns) {
      plan.passes.push_back({row, column, plan.bias});
      plan.bias += plan.weights_a_tap * plan.passes.back().taps();
    }
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
  const Index first_out = tile.out_block * p.lanes, outs = tile.out_blocks * p.lanes;
  float* to = prepared + pass.weights + tile.weights_before * pass.taps();
  for (Index block = 0; block < tile.in_blocks; ++block) {
    const Index first_in = (tile.in_block + block) * p.lanes;
    const Index channels = block + 1 < tile.in_blocks ? p.lanes : tile.last_channels;
    copy_weights(kernels, p, pass.row, pass.column, weight, {first_out, outs}, {first_in, channels}, to);
    to += pass.taps() * channels * outs;
  }
  if (unit >= tiles) return;  // the first pass writes the bias for all
  for (Index o = first_out; o < first_out + outs; ++o) prepared[plan.bias + o] = bias && o < p.out_channels ? bias[o] : 0.0f;
}

PrepareUnit prepare(const ConvProblem& p) {
  return [p, plan = plan_of(p)](const Kernels& kernels, const float* weight, const float* bias, float* prepared, Index unit) {
    prepare_unit(kernels, p, plan, weight, bias, prepared, unit);
  };
}

double tile_operations(const ConvProblem& p) {  // vector multiply-adds
  const Plan plan = plan_of(p);
  double operations = 0;
  for (const Pass& pass : plan.passes)
    operations +=
        static_cast<double>(p.N * pass.row.count * pass.column.count * pass.taps()) * static_cast<double>(plan.weights_a_tap / p.lanes);
  return operations;
}

double cost_direct(const ConvProblem& p) { return tile_operations(p) + cost_of_copy(p); }
bool can_always(const ConvProblem&) { return true; }

// All that stays the same over a program's runs.
struct BoundDirect {
  ConvProblem problem;
  Plan plan;
  Operand x, prepared, residual, y;
  ImageStrides xs, ys, rs;
  bool flat;  // 1x1 on images without rings: all pixels are one row
  Activation activation;
  std::vector<Strips> strips;     // of each pass
  std::vector<Index> first_unit;  // of each pass, and the number of units behind them

  // From the weights of a tile to those of the next, while both find room in L2.
  Index next_weights(const Pass& pass, const ChannelTile& tile) const {
    constexpr Index kMostFloats = (320 << 10) / 4;
    const std::size_t next = static_cast<std::size_t>(&tile - plan.tiles.data()) + 1;
    const Index size = next < plan.tiles.size() ? (plan.tiles[next].weights_before - tile.weights_before) * pass.taps() : 0;
    return size <= kMostFloats ? size : 0;
  }
};

ConvDirect kernel_arguments(const BoundDirect& b, const RunContext& run, const Pass& pass, const ChannelTile& tile, Index n,
                            Index first_row, Index rows) {
  const AxisWalk &r = pass.row, &c = pass.column;
  const ImageStrides &xs = b.xs, &ys = b.ys;
  ConvDirect unit{};
  unit.input = b.x.data(run) + xs.origin + n * xs.batch + tile.in_block * xs.block + (r.in_first + first_row * r.in_step) * xs.row +
               c.in_first * xs.pixel;
  unit.weights = b.prepared.data(run) + pass.weights + tile.weights_before * pass.taps();
  unit.next_weights = b.next_weights(pass, tile);
  unit.bias = b.prepared.data(run) + b.plan.bias + tile.out_block * b.problem.lanes;
  unit.output = b.y.data(run) + ys.origin + n * ys.batch + tile.out_block * ys.block + (r.out_first + first_row * r.out_step) * ys.row +
                c.out_first * ys.pixel;
  if (b.residual.given) {
    unit.residual = b.residual.data(run) + b.rs.origin + n * b.rs.batch + tile.out_block * b.rs.block + first_row * b.rs.row;
    unit.residual_block_stride = b.rs.block, unit.residual_row_stride = b.rs.row;
  }
  unit.rows = static_cast<int>(b.flat ? 1 : rows), unit.columns = static_cast<int>(b.flat ? rows : c.count);
  unit.kernel_h = static_cast<int>(r.taps), unit.kernel_w = static_cast<int>(c.taps);
  unit.input_blocks = static_cast<int>(tile.in_blocks);
  unit.block_channels = b.problem.lanes, unit.last_channels = tile.last_channels;
  unit.output_blocks = static_cast<int>(tile.out_blocks), unit.last_outputs = tile.last_outputs, unit.pixel_pairs = tile.pixel_pairs;
  unit.input_block_stride = xs.block, unit.row_step = r.in_step * xs.row, unit.pixel_step = c.in_step * xs.pixel;
  unit.tap_row = r.tap_step * xs.row, unit.tap_column = c.tap_step * xs.pixel;
  unit.output_block_stride = ys.block, unit.output_row_stride = r.out_step * ys.row, unit.output_pixel_stride = c.out_step * ys.pixel;
  unit.activation = b.activation;
  return unit;
}

bool is_flat(const ConvProblem& p, const Operand& x, const Operand& y, const Operand& residual) {
  if (p.rows.size() != 1 || p.columns.size() != 1 || x.type.layout.ring || y.type.layout.ring) return false;
  if (residual.given && residual.type.layout.ring) return false;
  const auto whole = [](const AxisWalk& w) { return w.taps == 1 && w.in_step == 1 && w.out_step == 1 && w.in_first == 0; };
  return whole(p.rows[0]) && whole(p.columns[0]) && p.in_h == p.out_h && p.in_w == p.out_w;
}

// Bytes of the input that a row of output adds to those that the rows before it read.
Index bytes_a_row(const BoundDirect& b, const Pass& pass) {
  const auto touched = [](const AxisWalk& w) { return std::min(w.in_step, w.taps); };  // of each in_step rows or columns
  const Index row = b.xs.row * touched(pass.column) / std::max<Index>(pass.column.in_step, 1);
  return b.plan.tiles[0].in_blocks * row * touched(pass.row) * bytes_of(DType::f32);
}

// A strip of few pixels is read from the cache faster than the weights that come for each anew: then it may be larger.
Index most_bytes(const Pass& pass, Index bytes_a_row, bool flat) {
  constexpr Index kEnoughPixels = 28, kMost = 400 << 10;  // beside the weights of a tile, still within an L2 of 1 MB
  const Index rows = ceil_div(kEnoughPixels, std::max<Index>(flat ? 1 : pass.column.count, 1));
  return std::max(Strips::kBytes, std::min(kMost, rows * bytes_a_row));
}

// Units are numbered pass by pass; within a pass the strip changes last, so that a thread meets one strip's input for all tiles of channels
// while it is in its cache.
void cut_into_units(BoundDirect& b) {
  const Index tiles = static_cast<Index>(b.plan.tiles.size());
  b.first_unit = {0};
  for (Pass& pass : b.plan.passes) {
    if (b.flat) {  // stretches of the one long row take the place of rows
      pass.row.count = b.problem.out_h * b.problem.out_w;
      b.xs.row = b.xs.pixel, b.ys.row = b.ys.pixel, b.rs.row = b.rs.pixel;
    }
    const Index bytes = bytes_a_row(b, pass);
    const Index align = !b.flat ? 1 : b.problem.lanes == 16 ? 14 : 6;  // whole tiles of the kernel
    b.strips.emplace_back(pass.row.count, bytes, b.problem.N * tiles * static_cast<Index>(b.plan.passes.size()), align,
                          most_bytes(pass, bytes, b.flat));
    b.first_unit.push_back(b.first_unit.back() + b.problem.N * b.strips.back().count * tiles);
  }
}

// With a prologue a strip first goes into scratch, (blocks, rows, columns, lanes), when a thread meets it; all its tiles of channels read
// it there, while it is in the cache. Only 1x1 convolutions have one, so a strip reads no row of another.
std::function<void(const RunContext&, Index, Index)> run_behind_prologue(const BoundDirect& bound, const BindScope& scope,
                                                                         Index& scratch_bytes) {
  const Index pixels_a_row = bound.flat ? 1 : bound.problem.in_w, blocks = bound.problem.in_blocks();
  Index most_rows = 0;
  for (Index strip = 0; strip < bound.strips[0].count; ++strip)
    most_rows = std::max(most_rows, bound.strips[0].begin(strip + 1) - bound.strips[0].begin(strip));
  scratch_bytes = blocks * most_rows * pixels_a_row * bound.xs.pixel * bytes_of(DType::f32);
  return [=, b = bound, prologue = bind_prologue(scope), conv_direct = scope.kernels.conv_direct](const RunContext& run, Index begin,
                                                                                                  Index end) {
    float* const strip_input = reinterpret_cast<float*>(run.scratch);
    const Strips& strips = b.strips[0];
    const Index tiles = static_cast<Index>(b.plan.tiles.size()), row_stride = pixels_a_row * b.xs.pixel;
    for (Index unit = begin; unit < end; ++unit) {
      const Index tile = unit % tiles, strip = unit / tiles % strips.count, image = unit / tiles / strips.count;
      const Index first_row = strips.begin(strip), rows = strips.begin(strip + 1) - first_row;
      const Index block_stride = rows * row_stride;
      if (rows == 0) continue;
      if (unit == begin || tile == 0) {
        const float* from = b.x.data(run) + b.xs.origin + image * b.xs.batch + first_row * b.xs.row;
        for (Index block = 0; block < blocks; ++block)
          prologue(run, {image, block, from + block * b.xs.block, strip_input + block * block_stride, b.flat ? 1 : rows,
                         b.flat ? rows : pixels_a_row, b.xs.row, row_stride});
      }
      ConvDirect args = kernel_arguments(b, run, b.plan.passes[0], b.plan.tiles[static_cast<std::size_t>(tile)], image, first_row, rows);
      args.input = strip_input;
      args.input_block_stride = block_stride, args.row_step = row_stride;
      conv_direct(args);
    }
  };
}

Step bind(const ConvProblem& problem, const BindScope& scope) {
  BoundDirect b{};
  b.problem = problem, b.plan = plan_of(problem);
  b.x = scope.inputs[0], b.prepared = scope.inputs[1], b.y = scope.outputs[0];
  if (scope.inputs.size() > 3) b.residual = scope.inputs[3];
  b.xs = b.x.type.strides(), b.ys = b.y.type.strides();
  if (b.residual.given) b.rs = b.residual.type.strides();
  b.flat = is_flat(problem, b.x, b.y, b.residual);
  b.activation = fused_activation(scope.attributes);
  cut_into_units(b);

  Step step;
  step.units = b.first_unit.back();
  step.flops = 2.0 * static_cast<double>(problem.macs());
  step.algorithm = b.flat ? "direct_1x1" : "direct";
  if (problem.prologue) {
    step.run = run_behind_prologue(b, scope, step.scratch_bytes);
    return step;
  }
  const auto conv_direct = scope.kernels.conv_direct;
  step.run = [b = std::move(b), conv_direct](const RunContext& run, Index begin, Index end) {
    const Index tiles = static_cast<Index>(b.plan.tiles.size());
    std::size_t p = 0;
    for (Index unit = begin; unit < end; ++unit) {
      while (unit >= b.first_unit[p + 1]) ++p;
      const Pass& pass = b.plan.passes[p];
      const Strips& strips = b.strips[p];
      const Index at = (unit - b.first_unit[p]) / tiles, strip = at % strips.count;
      const ChannelTile& tile = b.plan.tiles[static_cast<std::size_t>(unit % tiles)];
      const Index first_row = strips.begin(strip), rows = strips.begin(strip + 1) - first_row;
      conv_direct(kernel_arguments(b, run, pass, tile, at / strips.count, first_row, rows));
    }
  };
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
