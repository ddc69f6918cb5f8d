// Depthwise convolution, y(N, C, OH, OW) of x(N, C, H, W) with one filter per channel: groups == in_channels == out_channels.
//
// A work unit is a strip of rows x a channel block. The block changes before the strip, as in 1x1 convolutions, so the part of a thread is
// some rows of all channels, and it reads mostly what it wrote itself in the step before. Small images are one strip. All strips of a block
// that a worker has at once are one call of the kernel.
//
// Prepared weights: for each pair of walks: (channel blocks, taps_h, taps_w, lanes); then the bias, padded to whole blocks.
#include <algorithm>

#include "kernels/kernels.h"
#include "ops/convolution/operands.h"
#include "ops/views/image_pieces.h"

namespace fastcnn {

namespace {

bool can_run(const ConvProblem& p) { return p.groups == p.in_channels && p.groups == p.out_channels; }

double cost(const ConvProblem& p) {
  const double copied = cost_of_copy(p);
  return static_cast<double>(p.macs() / p.lanes) + copied;
}

Index weights_elements(const ConvProblem& p) {
  Index taps = 0;
  for (const WalkPair& walks : p.walk_pairs()) taps += walks.taps();
  return taps * p.out_blocks() * p.lanes;
}

Index prepared_elements(const ConvProblem& p) { return weights_elements(p) + p.out_blocks() * p.lanes; }

Index prepare_units(const ConvProblem&) { return 1; }  // a few KB

void prepare(const Kernels&, const ConvProblem& p, const float* weight, const float* bias, float* prepared, Index) {
  float* to = prepared;
  for (const auto& [row, column] : p.walk_pairs())
    for (Index block = 0; block < p.out_blocks(); ++block)
      for (Index i = 0; i < row.taps; ++i)
        for (Index j = 0; j < column.taps; ++j)
          for (Index c = block * p.lanes; c < (block + 1) * p.lanes; ++c) {
            const Index tap = (row.kernel_first + i * row.kernel_step) * p.kernel_w + column.kernel_first + j * column.kernel_step;
            *to++ = c < p.out_channels ? weight[c * p.kernel_h * p.kernel_w + tap] : 0.0f;
          }
  pad_bias(p, bias, {0, p.out_blocks() * p.lanes}, to);
}

struct Pass {
  WalkPair walks;
  Index rows_a_strip, strips;  // of an image
  Index weights;
  Index first_unit, units;
  Index begin(Index strip) const { return std::min(walks.row.count, strip * rows_a_strip); }
};

Index rows_a_strip(Index rows, Index images_and_blocks) {
  constexpr Index kTileRows = 2;  // output rows that the kernel sums at once
  constexpr Index kFewRows = 12;
  constexpr Index kEnoughUnits = 16;
  return rows < kFewRows && images_and_blocks >= kEnoughUnits ? std::max<Index>(rows, 1) : kTileRows;
}

struct BoundDepthwise {
  Index images, blocks;
  int lanes;
  ConvOperands operands;
  std::vector<Pass> passes;
  Index bias;
};

ConvDepthwise kernel_arguments(const BoundDepthwise& b, const RunContext& run, const Pass& pass, Index image, Index block, RowRange made) {
  const float* const prepared = b.operands.prepared.data(run);
  ConvDepthwise unit = walk_arguments<ConvDepthwise>(b.operands, run, pass.walks, {image, block, block, made.begin, made.count()});
  unit.weights = prepared + pass.weights + block * pass.walks.taps() * b.lanes;
  unit.bias = prepared + b.bias + block * b.lanes;
  return unit;
}

// Units first .. last - 1 of a pass, (images, strips, blocks). Calls the kernel once for each block, with all strips of it among the units.
void run_units(const BoundDepthwise& b, const Pass& pass, const RunContext& run, void (*conv_depthwise)(const ConvDepthwise&), Index first,
               Index last) {
  for_images(pass.strips * b.blocks, first, last, [&](Index image, Index begin, Index count, Index) {
    const Index end = begin + count;
    for (Index block = 0; block < b.blocks; ++block) {
      const RowRange made{pass.begin(begin / b.blocks + (block < begin % b.blocks)), pass.begin(end / b.blocks + (block < end % b.blocks))};
      if (!made.empty()) conv_depthwise(kernel_arguments(b, run, pass, image, block, made));
    }
  });
}

Step bind(const ConvProblem& problem, const BindScope& scope) {
  BoundDepthwise b{.images = problem.N,
                   .blocks = problem.out_blocks(),
                   .lanes = problem.lanes,
                   .operands = ConvOperands(scope),
                   .passes = {},
                   .bias = weights_elements(problem)};
  Index weights = 0;
  Index units = 0;
  for (const WalkPair& walks : problem.walk_pairs()) {
    const Index rows = rows_a_strip(walks.row.count, b.images * b.blocks);
    const Index strips = ceil_div(walks.row.count, rows);
    b.passes.push_back({walks, rows, strips, weights, units, b.images * b.blocks * strips});
    weights += walks.taps() * b.blocks * b.lanes;
    units += b.passes.back().units;
  }

  Step step;
  step.units = units;
  step.flops = 2.0 * static_cast<double>(problem.macs());
  step.algorithm = "depthwise";
  step.run = [b = std::move(b), conv_depthwise = scope.kernels.conv_depthwise](const RunContext& run, Index begin, Index end) {
    for (const Pass& pass : b.passes)
      for_part(begin, end, pass.first_unit, pass.units,
               [&](Index first, Index last) { run_units(b, pass, run, conv_depthwise, first, last); });
  };
  return step;
}

}  // namespace

const Conv2dAlgorithm k_depthwise = {.name = "depthwise",
                                     .input = Want::image,
                                     .error = kDirectError,
                                     .can_run = can_run,
                                     .cost = cost,
                                     .prepared_elements = prepared_elements,
                                     .prepare_units = prepare_units,
                                     .prepare = prepare_each<prepare>,
                                     .bind = bind};

}  // namespace fastcnn
