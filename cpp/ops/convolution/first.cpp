// Convolution of images with few channels, like the input of a network: x(N, C, H, W) is plain, y an image. Two rows of the table: `first`
// sums directly, `first_winograd` by one-dimensional Winograd down the rows (kernels/conv_first_winograd.cpp).
//
// A work unit is a strip of output rows with all output channels. It copies the rows that it needs, with their padding, into lines that
// stay in the cache.
//
// Prepared weights: for each tile of one or two blocks of output channels (kernel_h, channels, kernel_w, blocks of the tile * lanes), or
// for Winograd (points, stride, channels, kernel_w, blocks of the tile * lanes); then the bias, padded to whole blocks.
#include <algorithm>
#include <array>
#include <cmath>

#include "kernels/kernels.h"
#include "ops/convolution/operands.h"
#include "ops/convolution/pooled_rows.h"

namespace fastcnn {

namespace {

constexpr Index kGroup = 4;  // output rows that Winograd sums at once

// Taps of a phase: the kernel rows whose distance is a multiple of the stride.
Index phase_taps(const ConvProblem& p) { return ceil_div(p.rows[0].taps, p.rows[0].in_step); }
Index points(const ConvProblem& p) { return kGroup + phase_taps(p) - 1; }

// Terms of a sum over lines, not counting kernel columns: of an output row, or of all points of a group of output rows.
template <bool Winograd>
Index terms(const ConvProblem& p) {
  return Winograd ? points(p) * p.rows[0].in_step * p.in_channels : p.rows[0].taps * p.in_channels;
}

template <bool Winograd>
Index block_weights(const ConvProblem& p) {
  return terms<Winograd>(p) * p.columns[0].taps * p.lanes;
}

// Input rows from the first to the last that `rows` output rows read.
template <bool Winograd>
Index input_rows(const ConvProblem& p, Index rows) {
  const AxisWalk& r = p.rows[0];
  if (Winograd) return (round_up(rows, kGroup) + phase_taps(p) - 1) * r.in_step;
  return (rows - 1) * r.in_step + (r.taps - 1) * r.tap_step + 1;
}

// Floats in a line: an odd number of whole vectors, so that neighbouring lines do not share sets of the cache.
Index line_of(const ConvProblem& p) {
  const AxisWalk& c = p.columns[0];
  const Index width = (c.count - 1) * c.in_step + (c.taps - 1) * c.tap_step + 1;
  return (ceil_div(width, p.lanes) | 1) * p.lanes;
}

// ---- the choice

bool can_run(const ConvProblem& p) {
  if (!p.plain_input || p.groups != 1 || p.backward || p.in_channels >= p.lanes) return false;
  // Lines are scratch of each worker. Only kernels or paddings far larger than those of any network need more. Sizes must not overflow.
  constexpr double kMostScratch = 64 << 20;
  const AxisWalk& r = p.rows[0];
  const double rows = static_cast<double>(kGroup + r.taps) * static_cast<double>(std::max(r.in_step, r.tap_step));
  const double padded = static_cast<double>(p.in_w + 2 * static_cast<double>(p.ring()) + 2.0 * p.lanes);
  return 2 * sizeof(float) * rows * static_cast<double>(p.in_channels) * padded <= kMostScratch;
}

// There are points for three and four taps. The table compares the error with the allowed one.
bool can_run_winograd(const ConvProblem& p) { return can_run(p) && p.rows[0].tap_step == 1 && (phase_taps(p) == 3 || phase_taps(p) == 4); }

template <Index Group>
bool takes_pool(const ConvProblem& p) {
  return PooledRows(p, Group).fits_cache();
}

template <bool Winograd>
double cost(const ConvProblem& p) {
  const Index images_rows = p.N * (Winograd ? ceil_div(p.out_h, kGroup) : p.out_h);
  // Beyond direct sums, the sums at the points are stored, loaded and transformed.
  constexpr Index kInverseTransform = 26;  // of one pixel and block, in multiply-adds; measured, avx512 and avx2
  const Index pixel = terms<Winograd>(p) * p.columns[0].taps + (Winograd ? kInverseTransform : 0);
  const double moved = static_cast<double>(p.N * p.in_channels * p.in_h * p.in_w) / p.lanes;
  const double transformed = Winograd ? 3.0 * static_cast<double>(images_rows * terms<Winograd>(p) * line_of(p)) / p.lanes : 0;
  return static_cast<double>(images_rows * p.out_w * p.out_blocks() * pixel) + moved + transformed;
}

// ---- prepared weights

template <bool Winograd>
Index prepared_elements(const ConvProblem& p) {
  return p.out_blocks() * (block_weights<Winograd>(p) + p.lanes);
}

Index prepare_units(const ConvProblem& p) { return p.out_pairs(); }

void pack(const ConvProblem& p, const float* weight, ChannelRange outs, float* to) {
  for (Index i = 0; i < p.kernel_h; ++i)
    for (Index c = 0; c < p.in_channels; ++c)
      for (Index j = 0; j < p.kernel_w; ++j, to += outs.count) copy_weights(p, weight, outs, {c, 1}, i, j, to);
}

// The factors of the taps of a phase in the weight of one point a: a^k / product of (a - other finite points). The weight of the point at
// infinity is the last tap.
using Taps = std::array<double, 4>;
Taps weights_of_point(Index point, Index count, Index taps) {
  const double q = std::sqrt(0.5);
  const double six[] = {0, q, -q, 2 * q, -2 * q}, seven[] = {0.375, -0.375, 0.9375, -0.9375, 2, -2};
  const double* const finite = count == 6 ? six : seven;
  Taps weights{};
  if (point == count - 1) {
    weights[static_cast<std::size_t>(taps - 1)] = 1;
    return weights;
  }
  double product = 1;
  for (Index other = 0; other < count - 1; ++other)
    if (other != point) product *= finite[point] - finite[other];
  for (Index k = 0; k < taps; ++k) weights[static_cast<std::size_t>(k)] = std::pow(finite[point], static_cast<double>(k)) / product;
  return weights;
}

void pack_winograd(const ConvProblem& p, const float* weight, ChannelRange outs, float* to) {
  const Index stride = p.rows[0].in_step;
  const Index taps = phase_taps(p);
  const Index count = points(p);
  const Index columns = p.kernel_w;
  std::vector<float> kernel(static_cast<std::size_t>(taps * outs.count));  // one phase, channel and column
  for (Index phase = 0; phase < stride; ++phase) {
    for (Index c = 0; c < p.in_channels; ++c) {
      for (Index j = 0; j < columns; ++j) {
        std::fill(kernel.begin(), kernel.end(), 0.0f);
        for (Index k = 0; k * stride + phase < p.kernel_h; ++k)
          copy_weights(p, weight, outs, {c, 1}, k * stride + phase, j, kernel.data() + k * outs.count);
        for (Index point = 0; point < count; ++point) {
          const Taps factors = weights_of_point(point, count, taps);
          float* row = to + (((point * stride + phase) * p.in_channels + c) * columns + j) * outs.count;
          for (Index o = 0; o < outs.count; ++o) {
            double sum = 0;
            for (Index k = 0; k < taps; ++k)
              sum += factors[static_cast<std::size_t>(k)] * static_cast<double>(kernel[static_cast<std::size_t>(k * outs.count + o)]);
            row[o] = static_cast<float>(sum);
          }
        }
      }
    }
  }
}

template <bool Winograd>
void prepare(const Kernels&, const ConvProblem& p, const float* weight, const float* bias, float* prepared, Index unit) {
  (Winograd ? pack_winograd : pack)(p, weight, p.out_pair(unit), prepared + 2 * unit * block_weights<Winograd>(p));
  pad_bias(p, bias, p.out_pair(unit), prepared + p.out_blocks() * block_weights<Winograd>(p));
}

// ---- the run

// What stays the same over the runs of a program.
struct BoundFirst {
  ConvProblem problem;
  ConvOperands operands;
  Strips strips;
  std::optional<PooledRows> pooled;
  Index line, bias;
  Index lines_elements = 0;  // floats of scratch before those that Winograd needs
  Index pooled_offset = 0;   // the start of the rows to pool in scratch
  PadLines pad = {};
  ConvFirst unit = {};

  const AxisWalk& row_walk() const { return problem.rows[0]; }
};

// The arguments of pad_lines that all units have in common.
PadLines pad_arguments(const BoundFirst& b) {
  const Index before = -b.problem.columns[0].in_first;
  const Operand& x = b.operands.x.operand;
  PadLines pad{};
  pad.channels = b.problem.in_channels;
  pad.line = b.line;
  pad.height = b.problem.in_h;
  pad.left = std::min(before, b.line);
  pad.columns = std::clamp<Index>(b.line - before, 0, b.problem.in_w);
  // A band of rows of planes is an image of block 1.
  pad.channel_stride = x.type.layout.plain() ? b.problem.in_h * b.problem.in_w : b.operands.x.strides.block;
  pad.row_stride = b.problem.in_w;
  return pad;
}

// The arguments of the sums that all units have in common.
ConvFirst sum_arguments(const BoundFirst& b) {
  const AxisWalk &r = b.row_walk(), &c = b.problem.columns[0];
  const Index channels = b.problem.in_channels;
  const ImageStrides &ys = b.operands.y.strides, &rs = b.operands.residual.strides;
  ConvFirst unit{};
  unit.columns = static_cast<int>(c.count);
  unit.kernel_h = static_cast<int>(r.taps);
  unit.channels = static_cast<int>(channels);
  unit.kernel_w = static_cast<int>(c.taps);
  unit.output_blocks = static_cast<int>(b.problem.out_blocks());
  unit.outputs = static_cast<int>(b.problem.out_channels);
  unit.stride = static_cast<int>(r.in_step);
  unit.line = b.line;
  unit.row_step = r.in_step * channels * b.line;
  unit.tap_row = r.tap_step * channels * b.line;
  unit.pixel_step = c.in_step;
  unit.tap_column = c.tap_step;
  unit.output_block_stride = b.pooled ? b.pooled->block_stride() : ys.block;
  unit.output_row_stride = b.pooled ? b.pooled->row_stride() : ys.row;
  unit.residual_block_stride = rs.block;
  unit.residual_row_stride = rs.row;
  unit.activation = b.operands.activation;
  return unit;
}

// Computes some rows of one image. output: the first pixel of the first of them.
template <bool Winograd>
void run_rows(const BoundFirst& b, const Kernels& kernels, const RunContext& run, Index image, Index first_row, Index rows, float* output) {
  float* const lines = run.scratch_data();
  PadLines pad = b.pad;
  pad.input = b.operands.x.operand.data(run) + image * b.problem.in_channels * pad.channel_stride;
  pad.lines = lines;
  pad.rows = input_rows<Winograd>(b.problem, rows);
  pad.first_row = b.row_walk().in_first + first_row * b.row_walk().in_step;
  kernels.pad_lines(pad);

  const ImageView& residual = b.operands.residual;
  ConvFirst unit = b.unit;
  unit.lines = lines;
  unit.scratch = lines + b.lines_elements;
  unit.weights = b.operands.prepared.data(run);
  unit.bias = unit.weights + b.bias;
  unit.output = output;
  if (residual.operand.given) unit.residual = residual.block(run, image, 0) + first_row * residual.strides.row;
  unit.rows = static_cast<int>(rows);
  (Winograd ? kernels.conv_first_winograd : kernels.conv_first)(unit);
}

template <bool Winograd>
void run_units(const BoundFirst& b, const Kernels& kernels, const RunContext& run, Index begin, Index end) {
  if (b.pooled) {
    float* const scratch = run.scratch_data() + b.pooled_offset;
    return b.pooled->run(kernels, b.operands.y, run, scratch, begin, end, [&](Index image, Index first_row, Index rows, float* to) {
      run_rows<Winograd>(b, kernels, run, image, first_row, rows, to);
    });
  }
  for (Index number = begin; number < end; ++number) {
    const Strips::Unit unit = b.strips.unit(number, 1);
    const Index first_row = b.strips.begin(unit.strip);
    float* const output = b.operands.y.block(run, unit.image, 0) + first_row * b.operands.y.strides.row;
    run_rows<Winograd>(b, kernels, run, unit.image, first_row, b.strips.size(unit.strip), output);
  }
}

template <bool Winograd>
Step bind(const ConvProblem& problem, const BindScope& scope) {
  constexpr Index group = Winograd ? kGroup : 1;
  const Index line = line_of(problem);
  const Index row_elements = problem.in_channels * line;
  BoundFirst b{.problem = problem,
               .operands = ConvOperands(scope),
               .strips = Strips(problem.out_h, row_elements * problem.rows[0].in_step * 4, problem.N, group),
               .pooled = problem.pool ? std::optional(PooledRows(problem, group)) : std::nullopt,
               .line = line,
               .bias = problem.out_blocks() * block_weights<Winograd>(problem)};
  b.lines_elements = input_rows<Winograd>(problem, b.pooled ? b.pooled->most_rows() : b.strips.most()) * row_elements;
  b.pooled_offset = b.lines_elements;
  if (Winograd) b.pooled_offset += terms<true>(problem) * line + points(problem) * kFirstTile * problem.lanes;
  b.pad = pad_arguments(b);
  b.unit = sum_arguments(b);

  Step step;
  step.units = b.pooled ? b.pooled->units() : problem.N * b.strips.count;
  step.flops = 2.0 * static_cast<double>(problem.macs());
  step.algorithm = Winograd ? "first_winograd" : "first";
  step.scratch_bytes = (b.pooled_offset + (b.pooled ? b.pooled->scratch_elements() : 0)) * bytes_of(DType::f32);
  step.run = [b = std::move(b), &kernels = scope.kernels](const RunContext& run, Index begin, Index end) {
    run_units<Winograd>(b, kernels, run, begin, end);
  };
  return step;
}

}  // namespace

const Conv2dAlgorithm k_first = {.name = "first",
                                 .input = Want::plain,
                                 .error = kDirectError,
                                 .takes_pool = takes_pool<1>,
                                 .can_run = can_run,
                                 .cost = cost<false>,
                                 .prepared_elements = prepared_elements<false>,
                                 .prepare_units = prepare_units,
                                 .prepare = prepare_each<prepare<false>>,
                                 .bind = bind<false>};

const Conv2dAlgorithm k_first_winograd = {.name = "first_winograd",
                                          .input = Want::plain,
                                          .error = 2e-6,
                                          .rows_at_once = kGroup,
                                          .takes_pool = takes_pool<kGroup>,
                                          .can_run = can_run_winograd,
                                          .cost = cost<true>,
                                          .prepared_elements = prepared_elements<true>,
                                          .prepare_units = prepare_units,
                                          .prepare = prepare_each<prepare<true>>,
                                          .bind = bind<true>};

}  // namespace fastcnn
