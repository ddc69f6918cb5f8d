// Depthwise convolution as work units: a strip of rows x a channel block. groups == in_channels == out_channels.
//
// The strip changes last, as in 1x1 convolutions: then a thread's part of an image is some rows of all channels, and what it reads it has
// mostly written itself in the step before. Small images are one strip. The strips of a block that a thread is given are one call.
//
// Prepared weights: for each pair of walks (one forward): (channel blocks, taps_h, taps_w, lanes); then the bias, padded to whole blocks.
#include <algorithm>

#include "kernels/kernels.h"
#include "ops/activation_kind.h"
#include "ops/convolution/algorithms.h"
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
  for (const AxisWalk& row : p.rows)
    for (const AxisWalk& column : p.columns) taps += row.taps * column.taps;
  return taps * p.out_blocks() * p.lanes;
}

Index prepared_elements(const ConvProblem& p) { return weights_elements(p) + p.out_blocks() * p.lanes; }

Index prepare_units(const ConvProblem&) { return 1; }  // a few KB

void prepare(const Kernels&, const ConvProblem& p, const float* weight, const float* bias, float* prepared, Index) {
  const Index channels = p.out_blocks() * p.lanes;
  for (const AxisWalk& row : p.rows)
    for (const AxisWalk& column : p.columns)
      for (Index block = 0; block < p.out_blocks(); ++block)
        for (Index i = 0; i < row.taps; ++i)
          for (Index j = 0; j < column.taps; ++j)
            for (Index c = block * p.lanes; c < (block + 1) * p.lanes; ++c) {
              const Index tap = (row.kernel_first + i * row.kernel_step) * p.kernel_w + column.kernel_first + j * column.kernel_step;
              *prepared++ = c < p.out_channels ? weight[c * p.kernel_h * p.kernel_w + tap] : 0.0f;
            }
  for (Index c = 0; c < channels; ++c) prepared[c] = bias && c < p.out_channels ? bias[c] : 0.0f;
}

struct Pass {
  AxisWalk row, column;
  Index rows_a_strip, strips;  // of an image
  Index weights, first_unit;
  Index begin(Index strip) const { return std::min(row.count, strip * rows_a_strip); }
};

Index rows_a_strip(Index rows, Index images_and_blocks) {
  constexpr Index kTileRows = 2;  // of output, that the kernel sums up at once
  constexpr Index kFewRows = 12, kEnoughUnits = 16;
  return rows < kFewRows && images_and_blocks >= kEnoughUnits ? std::max<Index>(rows, 1) : kTileRows;
}

struct BoundDepthwise {
  Index images, blocks;
  int lanes;
  Operand x, prepared, residual, y;
  ImageStrides xs, ys, rs;
  Activation activation;
  std::vector<Pass> passes;
  Index bias;
};

ConvDepthwise kernel_arguments(const BoundDepthwise& b, const RunContext& run, const Pass& pass, Index n, Index block, RowRange made) {
  const AxisWalk &r = pass.row, &c = pass.column;
  const ImageStrides &xs = b.xs, &ys = b.ys;
  ConvDepthwise unit{};
  unit.input =
      b.x.data(run) + xs.origin + n * xs.batch + block * xs.block + (r.in_first + made.begin * r.in_step) * xs.row + c.in_first * xs.pixel;
  unit.weights = b.prepared.data(run) + pass.weights + block * r.taps * c.taps * b.lanes;
  unit.bias = b.prepared.data(run) + b.bias + block * b.lanes;
  unit.output = b.y.data(run) + ys.origin + n * ys.batch + block * ys.block + (r.out_first + made.begin * r.out_step) * ys.row +
                c.out_first * ys.pixel;
  if (b.residual.given) {
    unit.residual = b.residual.data(run) + b.rs.origin + n * b.rs.batch + block * b.rs.block + made.begin * b.rs.row;
    unit.residual_row_stride = b.rs.row;
  }
  unit.rows = static_cast<int>(made.count()), unit.columns = static_cast<int>(c.count);
  unit.kernel_h = static_cast<int>(r.taps), unit.kernel_w = static_cast<int>(c.taps);
  unit.row_step = r.in_step * xs.row, unit.pixel_step = c.in_step * xs.pixel;
  unit.tap_row = r.tap_step * xs.row, unit.tap_column = c.tap_step * xs.pixel;
  unit.output_row_stride = r.out_step * ys.row, unit.output_pixel_stride = c.out_step * ys.pixel;
  unit.activation = b.activation;
  return unit;
}

// Units first .. last - 1 of a pass, (images, strips, blocks): block by block, all of its strips that are among them.
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
                   .x = scope.inputs[0],
                   .prepared = scope.inputs[1],
                   .residual = {},
                   .y = scope.outputs[0],
                   .xs = {},
                   .ys = {},
                   .rs = {},
                   .activation = fused_activation(scope.attributes),
                   .passes = {},
                   .bias = weights_elements(problem)};
  if (scope.inputs.size() > 3) b.residual = scope.inputs[3];
  b.xs = b.x.type.strides(), b.ys = b.y.type.strides();
  if (b.residual.given) b.rs = b.residual.type.strides();
  Index weights = 0, units = 0;
  for (const AxisWalk& row : problem.rows) {
    for (const AxisWalk& column : problem.columns) {
      const Index rows = rows_a_strip(row.count, b.images * b.blocks), strips = ceil_div(row.count, rows);
      b.passes.push_back({row, column, rows, strips, weights, units});
      weights += row.taps * column.taps * b.blocks * b.lanes;
      units += b.images * b.blocks * strips;
    }
  }

  Step step;
  step.units = units;
  step.flops = 2.0 * static_cast<double>(problem.macs());
  step.algorithm = "depthwise";
  step.run = [b = std::move(b), units, conv_depthwise = scope.kernels.conv_depthwise](const RunContext& run, Index begin, Index end) {
    for (std::size_t p = 0; p < b.passes.size(); ++p) {
      const Pass& pass = b.passes[p];
      const Index end_of_pass = p + 1 < b.passes.size() ? b.passes[p + 1].first_unit : units;
      const Index first = std::max(begin, pass.first_unit) - pass.first_unit, last = std::min(end, end_of_pass) - pass.first_unit;
      if (first < last) run_units(b, pass, run, conv_depthwise, first, last);
    }
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
