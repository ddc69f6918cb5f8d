// Winograd convolution F(M x M, R x R) as work units: a group of tiles x a chunk of output channels. Rows of the table for M = 2, 4, 5, 6
// with R = 3 and M = 2 with R = 5.
//
// A unit transforms its tiles of the input; then, for one or two blocks of output channels after the other, it multiplies them, point by
// point, with the transformed weights, and transforms the products to outputs. Points and products lie in the worker's scratch: products
// are read before the weights of the next blocks drive them out of L2. Where one group is the whole work, its output channels are dealt out
// in chunks; a worker that does several of them transforms the input once.
//
// Where the problem is `packed`, weights are kept as direct sums read them, and a unit transforms them panel by panel (point_products.h).
#include <algorithm>

#include "kernels/kernels.h"
#include "ops/activation_kind.h"
#include "ops/convolution/point_products.h"
#include "ops/views/image_pieces.h"

namespace fastcnn {

namespace {

template <int M, int R>
constexpr int kPoints = (M + R - 1) * (M + R - 1);

template <int M, int R>
constexpr const char* name_of() {
  return R == 5 ? "winograd_f2_5x5" : M == 2 ? "winograd_f2" : M == 4 ? "winograd_f4" : M == 5 ? "winograd_f5" : "winograd_f6";
}

// How a problem is cut.
struct Plan {
  Index outputs, taps, points;  // M, R, N * N
  Index down, across, tiles;    // tiles of an image, and of all images
  Index groups, most;           // of tiles; tiles in the largest
  Index channel_tiles, chunks;  // of output channels
  Index first_tile(Index group) const { return tiles * group / groups; }
  Index first_channel_tile(Index chunk) const { return channel_tiles * chunk / chunks; }
};

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
  return plan;
}

template <int M, int R>
Index prepared_elements(const ConvProblem& p) {
  return point_weights(p, kPoints<M, R>);
}

Index prepare_units(const ConvProblem& p) { return ceil_div(p.out_blocks(), 2); }

template <int M, int R>
void transform_weights(const Kernels& kernels, const float* filters, Index count, float* weights, Index point_stride) {
  kernels.winograd_weights({.outputs = M, .taps = R, .filters = filters, .count = count, .weights = weights, .point_stride = point_stride});
}

template <int M, int R>
void prepare(const Kernels& kernels, const ConvProblem& p, const float* weight, const float* bias, float* prepared, Index unit) {
  prepare_points(kernels, p, kPoints<M, R>, transform_weights<M, R>, weight, bias, prepared, unit);
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
  PointProducts products;
  Operand x, prepared, residual, y;
  ImageStrides xs, ys, rs;
  Activation activation;
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
                              .point_stride = b.products.input_point});
  });
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
           .point_stride = b.products.product_point,
           .bias = b.prepared.data(run) + b.products.bias + block * p.lanes,
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
  const Plan plan = plan_of(problem, M, R);
  BoundWinograd b{.problem = problem,
                  .plan = plan,
                  .products = PointProducts(problem, plan.points, plan.most, problem.packed, transform_weights<M, R>),
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
  step.units = b.plan.groups * b.plan.chunks;
  step.flops = 2.0 * static_cast<double>(problem.macs());
  step.algorithm = name_of<M, R>();
  step.scratch_bytes = b.products.scratch_bytes();
  step.run = [b = std::move(b), kernels = &scope.kernels](const RunContext& run, Index begin, Index end) {
    const PointProducts::Scratch scratch = b.products.scratch(run);
    for (Index unit = begin; unit < end; ++unit) {
      const Index group = unit / b.plan.chunks, chunk = unit % b.plan.chunks;
      const Index tiles = b.plan.first_tile(group + 1) - b.plan.first_tile(group);
      if (unit == begin || chunk == 0) transform_input(*kernels, b, run, group, tiles, scratch.input);
      const Index end_tile = b.plan.first_channel_tile(chunk + 1);
      for (Index tile = b.plan.first_channel_tile(chunk); tile < end_tile; ++tile) {
        const ChannelTile& channels = b.products.channels[static_cast<std::size_t>(tile)];
        b.products.multiply(*kernels, b.prepared.data(run), channels, tile + 1 == end_tile, tiles, scratch);
        transform_output(*kernels, b, run, group, channels, tiles, scratch.products);
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
