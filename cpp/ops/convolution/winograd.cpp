// Winograd convolution F(M x M, R x R), of stride 1 and without groups, by products at points (point_products.h). Rows of the table for M =
// 2, 4, 5, 6 with R = 3 and M = 2 with R = 5.
//
// A unit is a group of tiles of the image x a chunk of output channels. It transforms its tiles; then, for each tile of one or two blocks
// of output channels, it multiplies them, point by point, by the transformed weights, and transforms the products to outputs. Transformed
// tiles and products lie in scratch. Products are read before the weights of the next blocks evict them from L2. Where there are few
// groups, output channels are cut into chunks, for threads.
//
// Where the problem is `packed`, weights are kept packed for direct sums, and a unit transforms them panel by panel.
#include <algorithm>

#include "kernels/kernels.h"
#include "ops/convolution/operands.h"
#include "ops/convolution/point_products.h"

namespace fastcnn {

namespace {

template <int M, int R>
constexpr int kPoints = (M + R - 1) * (M + R - 1);

template <int M, int R>
constexpr const char* name_of() {
  return R == 5 ? "winograd_f2_5x5" : M == 2 ? "winograd_f2" : M == 4 ? "winograd_f4" : M == 5 ? "winograd_f5" : "winograd_f6";
}

// The tiles of an image, M x M outputs each.
struct Tiling {
  Index down, across;
  Index count() const { return down * across; }
};

Tiling tiling_of(const ConvProblem& p, Index outputs) { return {ceil_div(p.out_h, outputs), ceil_div(p.out_w, outputs)}; }

PointGrid grid_of(const ConvProblem& p, Index outputs) {
  PointGrid grid{};
  grid.an_image = tiling_of(p, outputs).count();
  grid.pieces = p.N * grid.an_image;
  // The points of one register tile (14 tiles) of 128 channels, for F4, are a quarter of a megabyte, which leaves space in L2 for weights.
  // With more channels they do not fit, and larger groups read the weights less often. Even larger groups transform packed weights less
  // often.
  const bool fits = std::max(p.in_channels, p.out_channels) <= 128;
  const Index most = (p.lanes == 16 ? 14 : 12) * (p.packed ? 4 : fits ? 1 : 2);
  grid.groups = ceil_div(grid.pieces, most);
  constexpr Index kEnoughUnits = 4;
  if (grid.groups >= kEnoughUnits) {
    grid.groups += grid.groups % 2;  // two threads are the commonest team
    grid.chunks = 1;
  } else {
    grid.chunks = std::min(p.out_pairs(), grid.groups == 2 ? Index{2} : kEnoughUnits);
  }
  return grid;
}

template <int M, int R>
Index prepared_elements(const ConvProblem& p) {
  return point_weights(p, kPoints<M, R>);
}

Index prepare_units(const ConvProblem& p) { return p.out_pairs(); }

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

// A pooling of 2x2 whose windows lie within tiles. It comes before the activation, so that must keep the order of numbers.
template <int M>
bool takes_pool(const ConvProblem& p) {
  const auto halves = [](const PoolAxis& axis) {
    return axis.kernel == 2 && axis.stride == 2 && axis.before == 0 && axis.outputs == axis.size / 2;
  };
  return M % 2 == 0 && p.clamped && halves(p.pool->rows) && halves(p.pool->columns);
}

// The costs of the transforms of a tile of one channel block, in vector multiply-adds. Measured on one core of a Zen 4, on images larger
// than L2.
constexpr double input_cost(int points) { return points == 16 ? 180 : points == 36 ? 450 : points == 49 ? 700 : 1250; }
constexpr double output_cost(int points) { return points == 16 ? 130 : points == 36 ? 330 : points == 49 ? 450 : 900; }
// Their factor where multiply-adds are twice as fast (Zen 5).
constexpr double beside_fast_products(int points) { return points == 49 ? 2.3 : points == 64 ? 1.4 : 1.6; }
// The cost of transforming the packed weights of one input channel and output block.
constexpr double weights_cost(int points) { return points == 16 ? 60 : points == 36 ? 170 : points == 49 ? 330 : 390; }

// The price of memory: each megabyte of weights beyond 16 of a layer must save about 0.05 ms.
double cost_of_memory(Index elements) {
  constexpr double kFree = 4 << 20;
  constexpr double kAFloat = 1.6;
  return kAFloat * std::max(0.0, static_cast<double>(elements) - kFree);
}

template <int M, int R>
double cost(const ConvProblem& p) {
  const PointGrid grid = grid_of(p, M);
  const double tiles = static_cast<double>(grid.pieces);
  const double products = kPoints<M, R> * tiles * static_cast<double>(p.in_channels * p.out_blocks());
  const Index kept = p.packed ? k_direct.prepared_elements(p) : prepared_elements<M, R>(p);
  const double transformed = p.packed ? static_cast<double>(grid.groups * p.in_channels * p.out_blocks()) * weights_cost(kPoints<M, R>) : 0;
  const double transforms =
      input_cost(kPoints<M, R>) * static_cast<double>(p.in_blocks()) + output_cost(kPoints<M, R>) * static_cast<double>(p.out_blocks());
  const double sum = std::max(products, cost_of_weights(p, kept)) + cost_of_copy(p) + cost_of_memory(kept) +
                     (tiles * transforms + transformed) * (p.fast_products() ? beside_fast_products(kPoints<M, R>) : 1.0);
  // A smaller gain is not worth the error of the largest tile: one layer of VGG-19 with it made the network err by 1.2e-5.
  constexpr double kLargestPays = 1.1;
  return M == 6 ? kLargestPays * sum : sum;
}

// What stays the same over the runs of a program.
struct BoundWinograd {
  ConvProblem problem;
  int outputs, taps;  // M, R
  Index across;       // tiles in a row of the image
  ConvOperands operands;
  PointProducts products;

  void input(const Kernels& kernels, const RunContext& run, const Pieces& tiles, float* to) const {
    const ImageView& x = operands.x;
    const Index top = problem.rows[0].in_first, left = problem.columns[0].in_first;
    const Index ring = x.operand.type.layout.ring;
    kernels.winograd_input({.outputs = outputs,
                            .taps = taps,
                            .input = x.block(run, tiles.image, tiles.block) + top * x.strides.row + left * x.strides.pixel,
                            .row_stride = x.strides.row,
                            .rows = problem.in_h + ring - top,
                            .columns = problem.in_w + ring - left,
                            .first = tiles.first,
                            .across = across,
                            .count = static_cast<int>(tiles.count),
                            .output = to,
                            .point_stride = products.input_point()});
  }

  void output(const Kernels& kernels, const RunContext& run, const Pieces& tiles, const float* from) const {
    kernels.winograd_output({.outputs = outputs,
                             .taps = taps,
                             .products = from,
                             .point_stride = products.product_point(),
                             .bias = operands.prepared.data(run) + products.bias() + tiles.block * problem.lanes,
                             .output = operands.y.block(run, tiles.image, tiles.block),
                             .residual = operands.residual.block(run, tiles.image, tiles.block),
                             .output_row_stride = operands.y.strides.row,
                             .residual_row_stride = operands.residual.strides.row,
                             .rows = problem.out_h,
                             .columns = problem.out_w,
                             .first = tiles.first,
                             .across = across,
                             .count = static_cast<int>(tiles.count),
                             .pooled = problem.pool.has_value(),
                             .activation = operands.activation});
  }
};

template <int M, int R>
Step bind(const ConvProblem& problem, const BindScope& scope) {
  Step step = bind_points(
      BoundWinograd{.problem = problem,
                    .outputs = M,
                    .taps = R,
                    .across = tiling_of(problem, M).across,
                    .operands = ConvOperands(scope),
                    .products = PointProducts(problem, kPoints<M, R>, grid_of(problem, M), problem.packed, transform_weights<M, R>)},
      scope.kernels);
  step.flops = 2.0 * static_cast<double>(problem.macs());
  step.algorithm = name_of<M, R>();
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
