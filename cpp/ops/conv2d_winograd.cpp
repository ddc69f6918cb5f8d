// Winograd convolution F(M x M, R x R) as work units: a group of tiles x a chunk of output channels. Rows of the table for M = 2, 4, 5, 6
// with R = 3 and M = 2 with R = 5.
//
// A unit transforms its tiles of the input; then, for one or two blocks of output channels after the other, it multiplies them, point by
// point, with the transformed weights, and transforms the products to outputs. Points and products lie in the worker's scratch: products
// are read before the weights of the next blocks drive them out of L2. Where one group is the whole work, its output channels are dealt out
// in chunks; a worker that does several of them transforms the input once.
//
// Where the problem is `packed`, weights are kept as direct sums read them. A unit then transforms a panel of them, 64 input channels for a
// tile of output channels, and multiplies all of its tiles with it while it is in L2: the same sums, in the same order.
//
// Prepared weights: for each of the N x N points, for each tile of one or two blocks of output channels: (in channels, tile's blocks *
// lanes); then the bias, padded to whole blocks.
#include <algorithm>
#include <array>

#include "kernels/kernels.h"
#include "ops/activation_kind.h"
#include "ops/conv2d_direct.h"
#include "ops/image_pieces.h"

namespace fastcnn {

namespace {

constexpr Index kPanelChannels = 64;  // the run that the products are summed in (kernels/winograd_multiply.cpp)

template <int M, int R>
constexpr int kPoints = (M + R - 1) * (M + R - 1);

template <int M, int R>
constexpr const char* name_of() {
  return R == 5 ? "winograd_f2_5x5" : M == 2 ? "winograd_f2" : M == 4 ? "winograd_f4" : M == 5 ? "winograd_f5" : "winograd_f6";
}

// How a problem is cut.
struct Plan {
  Index outputs, taps, points;       // M, R, N * N
  Index down, across, tiles;         // tiles of an image, and of all images
  Index groups, most;                // of tiles; tiles in the largest
  Index channel_tiles, chunks;       // of output channels
  Index input_point, product_point;  // floats from a point to the next, in scratch
  Index first_tile(Index group) const { return tiles * group / groups; }
  Index first_channel_tile(Index chunk) const { return channel_tiles * chunk / chunks; }
};

// An odd number of cache lines: points then do not meet in the same sets of the cache.
Index odd_lines(Index floats) {
  constexpr Index kLine = 16;
  return round_up(floats, kLine) + (ceil_div(floats, kLine) % 2 == 0 ? kLine : 0);
}

Plan plan_of(const ConvProblem& p, Index outputs, Index taps) {
  Plan plan{};
  plan.outputs = outputs, plan.taps = taps, plan.points = (outputs + taps - 1) * (outputs + taps - 1);
  plan.down = ceil_div(p.out_h, outputs), plan.across = ceil_div(p.out_w, outputs), plan.tiles = p.N * plan.down * plan.across;
  plan.channel_tiles = ceil_div(p.out_blocks(), 2);
  // Points of one register tile (14) of 128 channels, F4: a quarter of a megabyte, which leaves room in L2 for the weights. With many more
  // channels than that they do not fit, and larger groups read the weights less often; and still larger ones transform them less often.
  const bool fits = std::max(p.in_channels, p.out_channels) <= 128;
  const Index most = (p.lanes == 16 ? 14 : 12) * (p.packed ? 4 : fits ? 1 : 2);
  plan.groups = ceil_div(plan.tiles, most);
  constexpr Index kEnoughUnits = 4;
  if (plan.groups >= kEnoughUnits) {
    plan.groups += plan.groups % 2;  // two threads are the commonest team
    plan.chunks = 1;
  } else {
    plan.chunks = std::min(plan.channel_tiles, plan.groups == 2 ? Index{2} : kEnoughUnits);
  }
  plan.most = plan.groups ? ceil_div(plan.tiles, plan.groups) : 0;
  plan.input_point = odd_lines(p.in_blocks() * plan.most * p.lanes);
  plan.product_point = odd_lines(2 * plan.most * p.lanes);
  return plan;
}

Index weights_of_point(const ConvProblem& p) { return p.in_channels * p.out_blocks() * p.lanes; }
Index bias_at(const ConvProblem& p, Index points) { return points * weights_of_point(p); }

template <int M, int R>
Index prepared_elements(const ConvProblem& p) {
  return bias_at(p, kPoints<M, R>) + p.out_blocks() * p.lanes;
}

Index prepare_units(const ConvProblem& p) { return ceil_div(p.out_blocks(), 2); }

// Filters of one tile of output channels, some input channels at a time.
template <int M, int R>
void prepare(const Kernels& kernels, const ConvProblem& p, const float* weight, const float* bias, float* prepared, Index unit) {
  constexpr Index kInputs = 16;
  constexpr Index kMostOutputs = 32;  // two blocks of the widest ISA
  std::array<float, R * R * kInputs * kMostOutputs> filters;
  const Index outs = std::min<Index>(2, p.out_blocks() - 2 * unit) * p.lanes, first_out = 2 * unit * p.lanes;
  for (Index first = 0; first < p.in_channels; first += kInputs) {
    const Index ins = std::min(kInputs, p.in_channels - first);
    copy_weights(kernels, p, p.rows[0], p.columns[0], weight, {first_out, outs}, {first, ins}, filters.data());
    kernels.winograd_weights({.outputs = M,
                              .taps = R,
                              .filters = filters.data(),
                              .count = ins * outs,
                              .weights = prepared + 2 * unit * p.lanes * p.in_channels + first * outs,
                              .point_stride = weights_of_point(p)});
  }
  float* padded = prepared + bias_at(p, kPoints<M, R>);
  for (Index o = first_out; o < first_out + outs; ++o) padded[o] = bias && o < p.out_channels ? bias[o] : 0.0f;
}

bool is_plain_walk(const AxisWalk& w, Index taps) { return w.taps == taps && w.tap_step == 1 && w.in_step == 1 && w.out_step == 1; }

template <int R>
bool can_run(const ConvProblem& p) {
  return !p.backward && p.groups == 1 && is_plain_walk(p.rows[0], R) && is_plain_walk(p.columns[0], R);
}

// Maxima of 2x2 that lie within tiles. What is no clamp would have to come before them.
template <int M>
bool takes_pool(const ConvProblem& p) {
  const auto halves = [](const PoolAxis& axis) {
    return axis.kernel == 2 && axis.stride == 2 && axis.before == 0 && axis.outputs == axis.size / 2;
  };
  return M % 2 == 0 && p.clamped && halves(p.pool->rows) && halves(p.pool->columns);
}

// Measured on one core of a Zen 4, on images of more than L2, in vector multiply-adds: a tile of one channel block.
constexpr double input_cost(int points) { return points == 16 ? 180 : points == 36 ? 450 : points == 49 ? 700 : 1250; }
constexpr double output_cost(int points) { return points == 16 ? 130 : points == 36 ? 330 : points == 49 ? 450 : 900; }
// And how much more they cost beside multiply-adds of twice that speed (Zen 5).
constexpr double beside_fast_products(int points) { return points == 49 ? 2.3 : points == 64 ? 1.4 : 1.6; }
constexpr double weights_cost(int points) { return points == 16 ? 60 : points == 36 ? 170 : points == 49 ? 330 : 390; }  // of an input

// Memory is worth something, too: of a layer's weights each megabyte beyond 16 must save about 0.05 ms.
double cost_of_memory(Index elements) {
  constexpr double kFree = 4 << 20, kAFloat = 1.6;
  return kAFloat * std::max(0.0, static_cast<double>(elements) - kFree);
}

template <int M, int R>
double cost(const ConvProblem& p) {
  const Plan plan = plan_of(p, M, R);
  const double tiles = static_cast<double>(plan.tiles), points = static_cast<double>(plan.points);
  const double products = points * tiles * static_cast<double>(p.in_channels * p.out_blocks());
  const Index kept = p.packed ? k_direct.prepared_elements(p) : prepared_elements<M, R>(p);
  const double transformed = p.packed ? static_cast<double>(plan.groups * p.in_channels * p.out_blocks()) * weights_cost(kPoints<M, R>) : 0;
  const double transforms =
      input_cost(kPoints<M, R>) * static_cast<double>(p.in_blocks()) + output_cost(kPoints<M, R>) * static_cast<double>(p.out_blocks());
  const double sum = std::max(products, cost_of_weights(p, kept)) + cost_of_copy(p) + cost_of_memory(kept) +
                     (tiles * transforms + transformed) * (p.fast_products() ? beside_fast_products(kPoints<M, R>) : 1.0);
  constexpr double kLargestPays = 1.1;  // for less than that the largest tile is not worth its error: one in VGG-19 made it 1.2e-5
  return M == 6 ? kLargestPays * sum : sum;
}

// All that stays the same over a program's runs.
struct BoundWinograd {
  ConvProblem problem;
  Plan plan;
  Operand x, prepared, residual, y;
  ImageStrides xs, ys, rs;
  Activation activation;
  Index bias;
  std::vector<ChannelTile> channels;  // of the output
  Index panel_point;                  // floats from a point to the next of transformed weights, where they are `packed`
};

// Calls body(image, first tile of it, tiles, where they are in the group) for each image that a group has tiles of.
template <class Body>
void for_tiles(const Plan& plan, Index group, Body&& body) {
  for_images(plan.down * plan.across, plan.first_tile(group), plan.first_tile(group + 1), body);
}

void transform_input(const Kernels& kernels, const BoundWinograd& b, const RunContext& run, Index group, Index tiles, float* points) {
  const ConvProblem& p = b.problem;
  const Index top = p.rows[0].in_first, left = p.columns[0].in_first, ring = b.x.type.layout.ring;
  const float* origin = b.x.data(run) + b.xs.origin + top * b.xs.row + left * b.xs.pixel;
  for_tiles(b.plan, group, [&](Index image, Index first, Index count, Index at) {
    for (Index block = 0; block < p.in_blocks(); ++block)
      kernels.winograd_input({.outputs = static_cast<int>(b.plan.outputs),
                              .taps = static_cast<int>(b.plan.taps),
                              .input = origin + image * b.xs.batch + block * b.xs.block,
                              .row_stride = b.xs.row,
                              .rows = p.in_h + ring - top,
                              .columns = p.in_w + ring - left,
                              .first = first,
                              .across = b.plan.across,
                              .count = static_cast<int>(count),
                              .output = points + (block * tiles + at) * p.lanes,
                              .point_stride = b.plan.input_point});
  });
}

// Blocks first .. first + count - 1 of the input channels.
struct InputBlocks {
  Index first, count;
};

// The products of one tile of output channels and some blocks of input channels, by weights of which a point's lie `stride` from the
// next's. next_weights: how far from these lie those that come next, 0: none.
void multiply(const Kernels& kernels, const BoundWinograd& b, const ChannelTile& channels, InputBlocks ins, const float* weights,
              Index stride, Index next_weights, Index tiles, const float* points, float* products) {
  const ConvProblem& p = b.problem;
  const bool is_end = ins.first + ins.count == p.in_blocks();
  kernels.winograd_multiply({.points = static_cast<int>(b.plan.points),
                             .input = points + ins.first * tiles * p.lanes,
                             .weights = weights,
                             .output = products,
                             .input_point_stride = b.plan.input_point,
                             .weights_point_stride = stride,
                             .output_point_stride = b.plan.product_point,
                             .next_weights = next_weights,
                             .tiles = static_cast<int>(tiles),
                             .input_blocks = static_cast<int>(ins.count),
                             .last_channels = is_end ? static_cast<int>(p.in_channels - (p.in_blocks() - 1) * p.lanes) : p.lanes,
                             .output_blocks = static_cast<int>(channels.out_blocks),
                             .input_block_stride = tiles * p.lanes,
                             .output_block_stride = tiles * p.lanes,
                             .accumulate = ins.first > 0});
}

// The weights of these channels at all points, from those of direct sums.
void transform_weights(const Kernels& kernels, const BoundWinograd& b, const RunContext& run, const ChannelTile& channels, InputBlocks ins,
                       float* panel) {
  const ConvProblem& p = b.problem;
  const Index outs = channels.out_blocks * p.lanes, taps = b.plan.taps * b.plan.taps;
  const float* filters = b.prepared.data(run) + (channels.weights_before + ins.first * p.lanes * outs) * taps;
  for (Index block = ins.first; block < ins.first + ins.count; ++block) {
    const Index count = std::min<Index>(p.lanes, p.in_channels - block * p.lanes) * outs;
    kernels.winograd_weights({.outputs = static_cast<int>(b.plan.outputs),
                              .taps = static_cast<int>(b.plan.taps),
                              .filters = filters,
                              .count = count,
                              .weights = panel,
                              .point_stride = b.panel_point});
    filters += count * taps, panel += count;
  }
}

// All products of a tile of output channels; `last`: of this unit. Kernels sum runs of 64 input channels, so that panels of them change no
// bit.
void multiply_all(const Kernels& kernels, const BoundWinograd& b, const RunContext& run, const ChannelTile& channels, bool last,
                  Index tiles, const float* points, float* products, float* panel) {
  const ConvProblem& p = b.problem;
  const Index blocks = p.in_blocks();
  if (!p.packed) {
    const float* weights = b.prepared.data(run) + channels.out_block * p.lanes * p.in_channels;
    const Index next = last ? 0 : 2 * p.lanes * p.in_channels;
    return multiply(kernels, b, channels, {0, blocks}, weights, weights_of_point(p), next, tiles, points, products);
  }
  for (Index first = 0; first < blocks; first += kPanelChannels / p.lanes) {
    const InputBlocks ins{first, std::min(blocks - first, kPanelChannels / p.lanes)};
    transform_weights(kernels, b, run, channels, ins, panel);
    multiply(kernels, b, channels, ins, panel, b.panel_point, 0, tiles, points, products);
  }
}

void transform_output(const Kernels& kernels, const BoundWinograd& b, const RunContext& run, Index group, const ChannelTile& channels,
                      Index tiles, const float* products) {
  const ConvProblem& p = b.problem;
  for_tiles(b.plan, group, [&](Index image, Index first, Index count, Index at) {
    for (Index block = channels.out_block; block < channels.out_block + channels.out_blocks; ++block)
      kernels.winograd_output(
          {.outputs = static_cast<int>(b.plan.outputs),
           .taps = static_cast<int>(b.plan.taps),
           .products = products + ((block - channels.out_block) * tiles + at) * p.lanes,
           .point_stride = b.plan.product_point,
           .bias = b.prepared.data(run) + b.bias + block * p.lanes,
           .output = b.y.data(run) + b.ys.origin + image * b.ys.batch + block * b.ys.block,
           .residual = b.residual.given ? b.residual.data(run) + b.rs.origin + image * b.rs.batch + block * b.rs.block : nullptr,
           .output_row_stride = b.ys.row,
           .residual_row_stride = b.rs.row,
           .rows = p.out_h,
           .columns = p.out_w,
           .first = first,
           .across = b.plan.across,
           .count = static_cast<int>(count),
           .pooled = p.pool.has_value(),
           .activation = b.activation});
  });
}

template <int M, int R>
Step bind(const ConvProblem& problem, const BindScope& scope) {
  BoundWinograd b{.problem = problem,
                  .plan = plan_of(problem, M, R),
                  .x = scope.inputs[0],
                  .prepared = scope.inputs[1],
                  .residual = {},
                  .y = scope.outputs[0],
                  .xs = scope.inputs[0].type.strides(),
                  .ys = scope.outputs[0].type.strides(),
                  .rs = {},
                  .activation = fused_activation(scope.attributes),
                  .bias = bias_at(problem, kPoints<M, R>),
                  .channels = {},
                  .panel_point = odd_lines(kPanelChannels * 2 * problem.lanes)};
  if (problem.packed) {
    b.channels = direct_tiles(problem), b.bias = k_direct.prepared_elements(problem) - problem.out_blocks() * problem.lanes;
  } else {
    for (Index block = 0; block < problem.out_blocks(); block += 2)
      b.channels.push_back({.out_block = block, .out_blocks = std::min<Index>(2, problem.out_blocks() - block)});
  }
  if (scope.inputs.size() > 3 && scope.inputs[3].given) b.residual = scope.inputs[3], b.rs = b.residual.type.strides();

  Step step;
  step.units = b.plan.groups * b.plan.chunks;
  step.flops = 2.0 * static_cast<double>(problem.macs());
  step.algorithm = name_of<M, R>();
  step.scratch_bytes =
      b.plan.points * (b.plan.input_point + b.plan.product_point + (problem.packed ? b.panel_point : 0)) * bytes_of(DType::f32);
  step.run = [b = std::move(b), kernels = &scope.kernels](const RunContext& run, Index begin, Index end) {
    float* const points = reinterpret_cast<float*>(run.scratch);
    float* const products = points + b.plan.points * b.plan.input_point;
    float* const panel = products + b.plan.points * b.plan.product_point;
    for (Index unit = begin; unit < end; ++unit) {
      const Index group = unit / b.plan.chunks, chunk = unit % b.plan.chunks;
      const Index tiles = b.plan.first_tile(group + 1) - b.plan.first_tile(group);
      if (unit == begin || chunk == 0) transform_input(*kernels, b, run, group, tiles, points);
      const Index end_tile = b.plan.first_channel_tile(chunk + 1);
      for (Index tile = b.plan.first_channel_tile(chunk); tile < end_tile; ++tile) {
        const ChannelTile& channels = b.channels[static_cast<std::size_t>(tile)];
        multiply_all(*kernels, b, run, channels, tile + 1 == end_tile, tiles, points, products, panel);
        transform_output(*kernels, b, run, group, channels, tiles, products);
      }
    }
  };
  return step;
}

template <int M, int R>
constexpr Conv2dAlgorithm row_of(double error) {
  return {.name = name_of<M, R>(),
          .input = Want::image,
          .error = error,
          .takes_packed = true,
          .rows_at_once = M,
          .takes_pool = takes_pool<M>,
          .can_run = can_run<R>,
          .cost = cost<M, R>,
          .prepared_elements = prepared_elements<M, R>,
          .prepare_units = prepare_units,
          .prepare = prepare_each<prepare<M, R>>,
          .bind = bind<M, R>};
}

}  // namespace

const Conv2dAlgorithm k_winograd_f2 = row_of<2, 3>(3e-7);
const Conv2dAlgorithm k_winograd_f4 = row_of<4, 3>(1.2e-6);
const Conv2dAlgorithm k_winograd_f5 = row_of<5, 3>(5.9e-6);
const Conv2dAlgorithm k_winograd_f6 = row_of<6, 3>(8.2e-6);
const Conv2dAlgorithm k_winograd_f2_5x5 = row_of<2, 5>(1.1e-6);

}  // namespace fastcnn
