// 1x1 convolution by one level of Strassen's method in Winograd's form: seven products of half the size instead of eight. Pixels, input
// channels and output channels are halved; X are the quarters of the input, W those of the weights, Y those of the output:
//
//            first  second channels       products in their order, each summed up from zero, which costs fewer digits than going on from
//            +-----+-----+                the last one
//   upper    | X11 | X12 |                P1 = X11 W11, Y11 = P1 + X12 W21
//   lower    | X21 | X22 |                U2 = P1 + S2 T2, U3 = U2 + S3 T3, Y21 = U3 - X22 T4
//   pixels   +-----+-----+                Y22 = U3 + S1 T1, U4 = U2 + S1 T1, Y12 = U4 + S4 W22
//
//   S1 = X21 + X22, S2 = S1 - X11, S3 = X11 - X21, S4 = X12 - S2      made for each strip of pixels, in the worker's scratch
//   T1 = W12 - W11, T2 = W22 - T1, T3 = W22 - W12, T4 = T2 - W21      made once, when the weights are prepared
//
// A unit is a strip of pixels x a tile of output channels, one or two blocks of each half. What is odd: the two halves of a strip share its
// middle pixel, which is computed twice; a middle block of input channels is in both halves, in the second one with weights of zero; the
// last block of output channels of the second half may be missing.
//
// Prepared weights: for each tile the seven panels, in their order, (half of the input channels, blocks * lanes); then the bias, padded.
#include <algorithm>
#include <array>

#include "kernels/kernels.h"
#include "ops/activation_kind.h"
#include "ops/convolution/algorithms.h"
#include "ops/convolution/prologue.h"

namespace fastcnn {

namespace {

constexpr Index kProducts = 7;

// The halves of the channels, in blocks.
struct Halves {
  Index ins, outs;  // blocks in a half
  Index second_in;  // where the second half of the input starts
  Index tiles;      // of output channels
  Index lanes;
  explicit Halves(const ConvProblem& p)
      : ins(ceil_div(p.in_blocks(), 2)),
        outs(ceil_div(p.out_blocks(), 2)),
        second_in(p.in_blocks() - ins),
        tiles(ceil_div(outs, 2)),
        lanes(p.lanes) {}
  Index tile_blocks(Index tile) const { return std::min<Index>(2, outs - 2 * tile); }
  Index panel(Index tile) const { return ins * lanes * tile_blocks(tile) * lanes; }  // floats
  Index weights_before(Index tile) const { return kProducts * ins * lanes * 2 * tile * lanes; }
  Index bias() const { return kProducts * ins * lanes * outs * lanes; }
  Index elements() const { return bias() + 2 * outs * lanes; }
};

Index prepared_elements(const ConvProblem& p) { return Halves(p).elements(); }
Index prepare_units(const ConvProblem& p) { return Halves(p).tiles; }

// Some input channels at a time.
void prepare(const Kernels&, const ConvProblem& p, const float* weight, const float* bias, float* prepared, Index tile) {
  const Halves halves(p);
  constexpr Index kMostQuarter = 16 * 32;  // a block of input channels x two of output channels of the widest ISA
  std::array<float, 4 * kMostQuarter> quarters;
  float *const w11 = quarters.data(), *const w12 = w11 + kMostQuarter, *const w21 = w12 + kMostQuarter, *const w22 = w21 + kMostQuarter;
  const Index outs = halves.tile_blocks(tile) * p.lanes, panel = halves.panel(tile);
  const ChannelRange first_outs = {2 * tile * p.lanes, outs}, second_outs = {(halves.outs + 2 * tile) * p.lanes, outs};
  const Index i = p.rows[0].kernel_first, j = p.columns[0].kernel_first;
  for (Index block = 0; block < halves.ins; ++block) {
    const ChannelRange first_ins = {block * p.lanes, p.lanes}, second_ins = {(halves.second_in + block) * p.lanes, p.lanes};
    copy_weights(p, weight, first_outs, first_ins, i, j, w11);
    copy_weights(p, weight, second_outs, first_ins, i, j, w12);
    copy_weights(p, weight, first_outs, second_ins, i, j, w21);
    copy_weights(p, weight, second_outs, second_ins, i, j, w22);
    if (halves.second_in + block < halves.ins) std::fill_n(w21, 2 * kMostQuarter, 0.0f);  // it belongs to the first half
    float* to = prepared + halves.weights_before(tile) + block * p.lanes * outs;
    for (Index at = 0; at < p.lanes * outs; ++at, ++to) {
      const float t1 = w12[at] - w11[at], t2 = w22[at] - t1;
      to[0] = w11[at], to[panel] = w21[at];
      to[2 * panel] = t2, to[3 * panel] = w22[at] - w12[at], to[4 * panel] = w21[at] - t2;
      to[5 * panel] = t1, to[6 * panel] = w22[at];
    }
  }
  float* padded = prepared + halves.bias();
  for (const ChannelRange& range : {first_outs, second_outs})
    for (Index o = range.first; o < range.end(); ++o) padded[o] = bias && o < p.out_channels ? bias[o] : 0.0f;
}

bool is_whole(const AxisWalk& w, Index in, Index out) {
  return w.taps == 1 && w.in_step == 1 && w.out_step == 1 && w.in_first == 0 && in == out;
}

bool can_run(const ConvProblem& p) {
  return !p.backward && p.groups == 1 && is_whole(p.rows[0], p.in_h, p.out_h) && is_whole(p.columns[0], p.in_w, p.out_w) &&
         p.in_channels % p.lanes == 0;
}

// Measured on one core of a Zen 4, in vector multiply-adds: what comes to the products, for each vector of the input (sums) and of the
// output (what is kept between the products). Weights come from a cache of all cores, and there are 7/4 of those of direct sums: a gain of
// less than 3 % is not worth their memory.
double cost(const ConvProblem& p) {
  constexpr double kMoves = 5, kWeightsAVector = 0.4, kWorth = 1.03;
  const Halves halves(p);
  const double pixels = static_cast<double>(p.N * p.out_h * p.out_w), half = static_cast<double>(p.N * ceil_div(p.out_h * p.out_w, 2));
  const double products = half * static_cast<double>(kProducts * halves.ins * p.lanes * halves.outs);
  const double weights = std::max(cost_of_weights(p, halves.elements()), kWeightsAVector * static_cast<double>(halves.elements()));
  const double moves = kMoves * pixels * static_cast<double>(p.in_blocks() + p.out_blocks());
  return kWorth * (std::max(products, weights) + moves) + cost_of_copy(p);
}

// All that stays the same over a program's runs.
struct BoundStrassen {
  ConvProblem problem;
  Halves halves;
  Operand x, prepared, residual, y;
  ImageStrides xs, ys, rs;
  bool gathered;  // the strip's pixels are copied, for they do not lie side by side
  Activation activation;
  Strips strips;                               // of pixels
  std::vector<Index> pixels, residual_pixels;  // where each of an image's lies
};

// Where the parts of a worker's scratch start, in floats.
struct Scratch {
  Index sums, kept, elements;
  explicit Scratch(const BoundStrassen& b) {
    Index most = 0;
    for (Index strip = 0; strip < b.strips.count; ++strip) most = std::max(most, b.strips.begin(strip + 1) - b.strips.begin(strip));
    const Index lanes = b.problem.lanes, half = ceil_div(most, 2) * lanes;
    sums = b.gathered ? b.problem.in_blocks() * most * lanes : 0;
    kept = sums + 4 * b.halves.ins * half;
    elements = kept + 3 * 2 * half;
  }
};

// A strip and its sums fit into an L2 of 1 MB; smaller ones read the weights, which do not, more often. Strips of even size share no pixel;
// whole register tiles in each half would be uneven shares of a 14x14 image for two threads.
Strips strips_of(const ConvProblem& p) {
  constexpr Index kBytes = 400 << 10, kEnoughUnits = 8, kAlign = 2;
  return Strips(p.out_h * p.out_w, p.in_channels * bytes_of(DType::f32), p.N * Halves(p).tiles, kAlign, kBytes, kEnoughUnits);
}

std::vector<Index> pixel_places(const ImageStrides& s, Index rows, Index columns) {
  std::vector<Index> places;
  for (Index h = 0; h < rows; ++h)
    for (Index w = 0; w < columns; ++w) places.push_back(h * s.row + w * s.pixel);
  return places;
}

// A strip of an image: its pixels as they are multiplied.
struct StripPixels {
  Index image, first, count;
  const float* input;  // of the first, first block
  Index block_stride;
  Index half() const { return ceil_div(count, 2); }
  Index lower() const { return count - half(); }  // where the lower half starts: halves of odd strips share a pixel
};

void make_sums(const Kernels& kernels, const BoundStrassen& b, const StripPixels& strip, float* sums) {
  const Index lanes = b.problem.lanes;
  kernels.strassen_sums({.upper = strip.input,
                         .lower = strip.input + strip.lower() * lanes,
                         .second = b.halves.second_in * strip.block_stride,
                         .block_stride = strip.block_stride,
                         .sums = sums,
                         .sum_stride = b.halves.ins * strip.half() * lanes,
                         .blocks = b.halves.ins,
                         .count = strip.half() * lanes});
}

// A quarter of the output, of one tile of channels: lower pixels or upper, second half of the channels or first.
StrassenOutput output_quarter(const BoundStrassen& b, const RunContext& run, const StripPixels& strip, Index tile, bool lower, bool second,
                              const float* plus) {
  const Index block = 2 * tile + (second ? b.halves.outs : 0);
  const std::size_t pixel = static_cast<std::size_t>(strip.first + (lower ? strip.lower() : 0));
  StrassenOutput to{};
  to.output = b.y.data(run) + b.ys.origin + strip.image * b.ys.batch + block * b.ys.block;
  to.plus = plus;
  to.bias = b.prepared.data(run) + b.halves.bias() + block * b.problem.lanes;
  to.blocks = static_cast<int>(std::min(b.halves.tile_blocks(tile), b.problem.out_blocks() - block));
  to.block_stride = b.ys.block;
  to.pixels = b.pixels.data() + pixel;
  if (b.residual.given) {
    to.residual = b.residual.data(run) + b.rs.origin + strip.image * b.rs.batch + block * b.rs.block;
    to.residual_block_stride = b.rs.block;
    to.residual_pixels = b.residual_pixels.data() + pixel;
  }
  return to;
}

// One tile of output channels of a strip.
void multiply(const Kernels& kernels, const BoundStrassen& b, const RunContext& run, const StripPixels& strip, Index tile,
              const float* sums, float* kept) {
  const Index lanes = b.problem.lanes, half = strip.half(), panel = b.halves.panel(tile);
  const Index sum = b.halves.ins * half * lanes, kept_size = 2 * half * lanes;
  const float *const x11 = strip.input, *const x12 = x11 + b.halves.second_in * strip.block_stride;
  float *const p1 = kept, *const u2 = p1 + kept_size, *const u3 = u2 + kept_size, *const u4 = p1;  // P1 is done with by then
  const StrassenOutput y11 = output_quarter(b, run, strip, tile, false, false, p1);
  const StrassenOutput y21 = output_quarter(b, run, strip, tile, true, false, u3);
  const StrassenOutput y22 = output_quarter(b, run, strip, tile, true, true, u3);
  const StrassenOutput y12 = output_quarter(b, run, strip, tile, false, true, u4);

  StrassenProduct unit{};
  unit.weights = b.prepared.data(run) + b.halves.weights_before(tile);
  unit.next_weights = panel;
  unit.pixels = static_cast<int>(half), unit.input_blocks = static_cast<int>(b.halves.ins);
  unit.output_blocks = static_cast<int>(b.halves.tile_blocks(tile));
  unit.activation = b.activation;
  const auto product = [&](const float* input, Index block_stride, float* keep, const float* keep_plus, const StrassenOutput* output) {
    unit.input = input, unit.input_block_stride = block_stride;
    unit.keep = keep, unit.keep_plus = keep_plus, unit.output = output;
    kernels.strassen_multiply(unit);
    unit.weights += panel;
  };
  const Index in_place = strip.block_stride, summed = half * lanes;  // from a block to the next
  product(x11, in_place, p1, nullptr, nullptr);
  product(x12, in_place, nullptr, nullptr, &y11);
  product(sums + sum, summed, u2, p1, nullptr);
  product(sums + 2 * sum, summed, u3, u2, nullptr);
  product(x12 + strip.lower() * lanes, in_place, nullptr, nullptr, &y21);
  product(sums, summed, u4, u2, &y22);
  product(sums + 3 * sum, summed, nullptr, nullptr, &y12);
}

// Brings a strip's pixels side by side, through the prologue if there is one.
using Gather = std::function<void(const RunContext&, const StripPixels&, float* to)>;

// Calls body(first pixel, pixels) for each stretch of a strip whose pixels lie side by side in the input.
template <class Body>
void for_stretches(const BoundStrassen& b, const StripPixels& strip, Body&& body) {
  const bool flat = b.xs.row == b.problem.in_w * b.xs.pixel;
  const Index row = flat ? b.problem.in_h * b.problem.in_w : b.problem.in_w, last = strip.first + strip.count;
  for (Index begin = strip.first, end; begin < last; begin = end) {
    end = std::min(last, (begin / row + 1) * row);
    body(begin, end - begin);
  }
}

Gather gather_of(const BoundStrassen& bound, const BindScope& scope) {
  const std::vector<Index> places = pixel_places(bound.xs, bound.problem.in_h, bound.problem.in_w);
  if (!bound.problem.prologue) {
    return [b = bound, places](const RunContext& run, const StripPixels& strip, float* to) {
      const Index lanes = b.problem.lanes;
      for (Index block = 0; block < b.problem.in_blocks(); ++block) {
        const float* from = b.x.data(run) + b.xs.origin + strip.image * b.xs.batch + block * b.xs.block;
        float* copy = to + block * strip.count * lanes;
        for_stretches(b, strip, [&](Index first, Index count) {
          std::copy_n(from + places[static_cast<std::size_t>(first)], count * lanes, copy + (first - strip.first) * lanes);
        });
      }
    };
  }
  return [b = bound, places, prologue = bind_prologue(scope)](const RunContext& run, const StripPixels& strip, float* to) {
    const Index lanes = b.problem.lanes;
    for (Index block = 0; block < b.problem.in_blocks(); ++block) {
      const float* from = b.x.data(run) + b.xs.origin + strip.image * b.xs.batch + block * b.xs.block;
      float* copy = to + block * strip.count * lanes;
      for_stretches(b, strip, [&](Index first, Index count) {
        prologue(run, {strip.image, block, from + places[static_cast<std::size_t>(first)], copy + (first - strip.first) * lanes, 1, count,
                       0, 0});
      });
    }
  };
}

Step bind(const ConvProblem& problem, const BindScope& scope) {
  BoundStrassen b{.problem = problem,
                  .halves = Halves(problem),
                  .x = scope.inputs[0],
                  .prepared = scope.inputs[1],
                  .residual = {},
                  .y = scope.outputs[0],
                  .xs = scope.inputs[0].type.strides(),
                  .ys = scope.outputs[0].type.strides(),
                  .rs = {},
                  .gathered = problem.prologue || scope.inputs[0].type.layout.ring != 0,
                  .activation = fused_activation(scope.attributes),
                  .strips = strips_of(problem),
                  .pixels = {},
                  .residual_pixels = {}};
  if (scope.inputs.size() > 3 && scope.inputs[3].given) b.residual = scope.inputs[3], b.rs = b.residual.type.strides();
  b.pixels = pixel_places(b.ys, problem.out_h, problem.out_w);
  if (b.residual.given) b.residual_pixels = pixel_places(b.rs, problem.out_h, problem.out_w);
  const Scratch scratch(b);

  Step step;
  step.units = problem.N * b.strips.count * b.halves.tiles;
  step.flops = 2.0 * static_cast<double>(problem.macs());
  step.algorithm = "strassen";
  step.scratch_bytes = scratch.elements * bytes_of(DType::f32);
  const Gather gather = b.gathered ? gather_of(b, scope) : nullptr;
  step.run = [b = std::move(b), gather, scratch, kernels = &scope.kernels](const RunContext& run, Index begin, Index end) {
    float* const floats = reinterpret_cast<float*>(run.scratch);
    StripPixels strip{};
    for (Index unit = begin; unit < end; ++unit) {
      const Index tile = unit % b.halves.tiles, at = unit / b.halves.tiles % b.strips.count;
      if (unit == begin || tile == 0) {
        const Index first = b.strips.begin(at);
        strip = {unit / b.halves.tiles / b.strips.count, first, b.strips.begin(at + 1) - first, floats, 0};
        if (gather) {
          strip.block_stride = strip.count * b.problem.lanes;
          gather(run, strip, floats);
        } else {
          strip.input = b.x.data(run) + b.xs.origin + strip.image * b.xs.batch + strip.first * b.xs.pixel;
          strip.block_stride = b.xs.block;
        }
        make_sums(*kernels, b, strip, floats + scratch.sums);
      }
      multiply(*kernels, b, run, strip, tile, floats + scratch.sums, floats + scratch.kept);
    }
  };
  return step;
}

}  // namespace

const Conv2dAlgorithm k_strassen = {.name = "strassen",
                                    .input = Want::image,
                                    .error = 2e-6,
                                    .takes_prologue = true,
                                    .takes_over = false,  // the halves of an odd strip share a pixel, which is written twice
                                    .rows_at_once = 0,
                                    .can_run = can_run,
                                    .cost = cost,
                                    .prepared_elements = prepared_elements,
                                    .prepare_units = prepare_units,
                                    .prepare = prepare_each<prepare>,
                                    .bind = bind};

}  // namespace fastcnn
