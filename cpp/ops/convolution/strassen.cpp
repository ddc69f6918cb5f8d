// 1x1 convolution by one level of Strassen's method in Winograd's form: seven products of half the size instead of eight. Pixels, input
// channels and output channels are halved; X are the quarters of the input, W those of the weights, Y those of the output:
//
//            first  second channels       the products in their order; each sum starts from zero, because sums that go on from the last one
//            +-----+-----+                lose more digits
//   upper    | X11 | X12 |                P1 = X11 W11, Y11 = P1 + X12 W21
//   lower    | X21 | X22 |                U2 = P1 + S2 T2, U3 = U2 + S3 T3, Y21 = U3 - X22 T4
//   pixels   +-----+-----+                Y22 = U3 + S1 T1, U4 = U2 + S1 T1, Y12 = U4 + S4 W22
//
//   S1 = X21 + X22, S2 = S1 - X11, S3 = X11 - X21, S4 = X12 - S2      computed for each strip of pixels, in the scratch of a worker
//   T1 = W12 - W11, T2 = W22 - T1, T3 = W22 - W12, T4 = T2 - W21      computed once, when the weights are prepared
//
// A work unit is a strip of pixels x a tile of output channels: one or two blocks of each half. Odd numbers: the halves of a strip share
// its middle pixel, which is computed twice; a middle block of input channels is in both halves, in the second one with zeros as weights;
// the last block of output channels of the second half may be missing.
//
// Prepared weights: for each tile the seven panels, in their order, (half of the input channels, blocks * lanes); then the padded bias.
#include <algorithm>
#include <array>

#include "kernels/kernels.h"
#include "ops/convolution/operands.h"
#include "ops/convolution/prologue.h"

namespace fastcnn {

namespace {

constexpr Index kProducts = 7;

// The halves of the channels, in blocks.
struct Halves {
  Index ins, outs;  // blocks in a half
  Index second_in;  // the first block of the second half of the input
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

// Weights are copied for one block of input channels of each half at a time.
void prepare(const Kernels&, const ConvProblem& p, const float* weight, const float* bias, float* prepared, Index tile) {
  const Halves halves(p);
  constexpr Index kMostQuarter = 16 * 32;  // a block of input channels x two blocks of output channels, of the widest ISA
  std::array<float, 4 * kMostQuarter> quarters;
  float *const w11 = quarters.data(), *const w12 = w11 + kMostQuarter, *const w21 = w12 + kMostQuarter, *const w22 = w21 + kMostQuarter;
  const Index outs = halves.tile_blocks(tile) * p.lanes;
  const Index panel = halves.panel(tile);
  const ChannelRange first_outs = {2 * tile * p.lanes, outs}, second_outs = {(halves.outs + 2 * tile) * p.lanes, outs};
  const Index i = p.rows[0].kernel_first, j = p.columns[0].kernel_first;
  for (Index block = 0; block < halves.ins; ++block) {
    const ChannelRange first_ins = {block * p.lanes, p.lanes}, second_ins = {(halves.second_in + block) * p.lanes, p.lanes};
    copy_weights(p, weight, first_outs, first_ins, i, j, w11);
    copy_weights(p, weight, second_outs, first_ins, i, j, w12);
    copy_weights(p, weight, first_outs, second_ins, i, j, w21);
    copy_weights(p, weight, second_outs, second_ins, i, j, w22);
    if (halves.second_in + block < halves.ins) std::fill_n(w21, 2 * kMostQuarter, 0.0f);  // this block belongs to the first half
    float* to = prepared + halves.weights_before(tile) + block * p.lanes * outs;
    for (Index at = 0; at < p.lanes * outs; ++at, ++to) {
      const float t1 = w12[at] - w11[at], t2 = w22[at] - t1;
      to[0] = w11[at];
      to[panel] = w21[at];
      to[2 * panel] = t2;
      to[3 * panel] = w22[at] - w12[at];
      to[4 * panel] = w21[at] - t2;
      to[5 * panel] = t1;
      to[6 * panel] = w22[at];
    }
  }
  for (const ChannelRange& range : {first_outs, second_outs}) pad_bias(p, bias, range, prepared + halves.bias());
}

bool can_run(const ConvProblem& p) { return !p.backward && p.groups == 1 && p.is_pixelwise() && p.in_channels % p.lanes == 0; }

// Measured on one core of a Zen 4, in vector multiply-adds: kMoves is the time beside the products for each vector of the input (its sums)
// and of the output (sums that are kept between products). Weights come from the last-level cache, and are 7/4 of those of direct sums: a
// gain of less than 3 % is not worth their memory.
double cost(const ConvProblem& p) {
  constexpr double kMoves = 5;
  constexpr double kWeightsAVector = 0.4;
  constexpr double kWorth = 1.03;
  const Halves halves(p);
  const double pixels = static_cast<double>(p.N * p.out_h * p.out_w);
  const double half = static_cast<double>(p.N * ceil_div(p.out_h * p.out_w, 2));
  const double products = half * static_cast<double>(kProducts * halves.ins * p.lanes * halves.outs);
  const double weights = std::max(cost_of_weights(p, halves.elements()), kWeightsAVector * static_cast<double>(halves.elements()));
  const double moves = kMoves * pixels * static_cast<double>(p.in_blocks() + p.out_blocks());
  return kWorth * (std::max(products, weights) + moves) + cost_of_copy(p);
}

// What stays the same over the runs of a program.
struct BoundStrassen {
  ConvProblem problem;
  Halves halves;
  ConvOperands operands;
  bool gathered;  // the pixels of a strip are copied to scratch, through the prologue or because they are no neighbours in x
  Strips strips;  // of pixels
  std::vector<Index> pixels, residual_pixels;  // the offset of each pixel in a block of y, and of the residual
};

// The starts of the parts of the scratch of a worker, in floats.
struct Scratch {
  Index sums, kept, elements;
  explicit Scratch(const BoundStrassen& b) {
    const Index most = b.strips.most();
    const Index lanes = b.problem.lanes;
    const Index half = ceil_div(most, 2) * lanes;
    sums = b.gathered ? b.problem.in_blocks() * most * lanes : 0;
    kept = sums + 4 * b.halves.ins * half;
    elements = kept + 3 * 2 * half;
  }
};

// A strip and its sums fit into an L2 of 1 MB; smaller strips read the weights, which do not fit, more often. Strips of even size share no
// pixel; whole register tiles in each half would be uneven shares of a 14x14 image for two threads.
Strips strips_of(const ConvProblem& p) {
  constexpr Index kBytes = 400 << 10;
  constexpr Index kEnoughUnits = 8;
  constexpr Index kAlign = 2;
  return Strips(p.out_h * p.out_w, p.in_channels * bytes_of(DType::f32), p.N * Halves(p).tiles, kAlign, kBytes, kEnoughUnits);
}

std::vector<Index> pixel_offsets(const ImageStrides& s, Index rows, Index columns) {
  std::vector<Index> offsets;
  for (Index h = 0; h < rows; ++h)
    for (Index w = 0; w < columns; ++w) offsets.push_back(h * s.row + w * s.pixel);
  return offsets;
}

// A strip of an image, with its pixels as they are multiplied.
struct StripPixels {
  Index image, first, count;
  const float* input;  // the first pixel in the first block
  Index block_stride;
  Index half() const { return ceil_div(count, 2); }
  Index lower() const { return count - half(); }  // the first pixel of the lower half; the halves of an odd strip share a pixel
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

// A quarter of the output of one tile of channels: the lower or upper pixels, the second or first half of the channels.
StrassenOutput output_quarter(const BoundStrassen& b, const RunContext& run, const StripPixels& strip, Index tile, bool lower, bool second,
                              const float* plus) {
  const Index block = 2 * tile + (second ? b.halves.outs : 0);
  const std::size_t pixel = static_cast<std::size_t>(strip.first + (lower ? strip.lower() : 0));
  const ImageView &y = b.operands.y, &residual = b.operands.residual;
  StrassenOutput to{};
  to.output = y.block(run, strip.image, block);
  to.plus = plus;
  to.bias = b.operands.prepared.data(run) + b.halves.bias() + block * b.problem.lanes;
  to.blocks = static_cast<int>(std::min(b.halves.tile_blocks(tile), b.problem.out_blocks() - block));
  to.block_stride = y.strides.block;
  to.pixels = b.pixels.data() + pixel;
  if (residual.operand.given) {
    to.residual = residual.block(run, strip.image, block);
    to.residual_block_stride = residual.strides.block;
    to.residual_pixels = b.residual_pixels.data() + pixel;
  }
  return to;
}

// One tile of output channels of a strip.
void multiply(const Kernels& kernels, const BoundStrassen& b, const RunContext& run, const StripPixels& strip, Index tile,
              const float* sums, float* kept) {
  const Index lanes = b.problem.lanes;
  const Index half = strip.half();
  const Index panel = b.halves.panel(tile);
  const Index sum = b.halves.ins * half * lanes;
  const Index kept_size = 2 * half * lanes;
  const float *const x11 = strip.input, *const x12 = x11 + b.halves.second_in * strip.block_stride;
  float *const p1 = kept, *const u2 = p1 + kept_size, *const u3 = u2 + kept_size, *const u4 = p1;  // P1 is no longer needed then
  const StrassenOutput y11 = output_quarter(b, run, strip, tile, false, false, p1);
  const StrassenOutput y21 = output_quarter(b, run, strip, tile, true, false, u3);
  const StrassenOutput y22 = output_quarter(b, run, strip, tile, true, true, u3);
  const StrassenOutput y12 = output_quarter(b, run, strip, tile, false, true, u4);

  StrassenProduct unit{};
  unit.weights = b.operands.prepared.data(run) + b.halves.weights_before(tile);
  unit.next_weights = panel;
  unit.pixels = static_cast<int>(half);
  unit.input_blocks = static_cast<int>(b.halves.ins);
  unit.output_blocks = static_cast<int>(b.halves.tile_blocks(tile));
  unit.activation = b.operands.activation;
  const auto product = [&](const float* input, Index block_stride, float* keep, const float* keep_plus, const StrassenOutput* output) {
    unit.input = input;
    unit.input_block_stride = block_stride;
    unit.keep = keep;
    unit.keep_plus = keep_plus;
    unit.output = output;
    kernels.strassen_multiply(unit);
    unit.weights += panel;
  };
  // Block strides of the input itself, and of its sums.
  const Index in_place = strip.block_stride;
  const Index summed = half * lanes;
  product(x11, in_place, p1, nullptr, nullptr);
  product(x12, in_place, nullptr, nullptr, &y11);
  product(sums + sum, summed, u2, p1, nullptr);
  product(sums + 2 * sum, summed, u3, u2, nullptr);
  product(x12 + strip.lower() * lanes, in_place, nullptr, nullptr, &y21);
  product(sums, summed, u4, u2, &y22);
  product(sums + 3 * sum, summed, nullptr, nullptr, &y12);
}

// Calls body(first pixel, pixels) for each stretch of a strip whose pixels are neighbours in x.
template <class Body>
void for_stretches(const BoundStrassen& b, const StripPixels& strip, Body&& body) {
  const ImageStrides& xs = b.operands.x.strides;
  const bool flat = xs.row == b.problem.in_w * xs.pixel;
  const Index row = flat ? b.problem.in_h * b.problem.in_w : b.problem.in_w;
  const Index last = strip.first + strip.count;
  for (Index begin = strip.first, end; begin < last; begin = end) {
    end = std::min(last, (begin / row + 1) * row);
    body(begin, end - begin);
  }
}

// Copies the pixels of a strip to `to`, (blocks, pixels, lanes).
using Gather = std::function<void(const RunContext&, const StripPixels&, float* to)>;

// copy(run, part) copies a row of pixels of one block, like a Prologue.
template <class Copy>
Gather gather_with(const BoundStrassen& bound, Copy copy) {
  const ConvProblem& p = bound.problem;
  return [b = bound, places = pixel_offsets(bound.operands.x.strides, p.in_h, p.in_w), copy = std::move(copy)](
             const RunContext& run, const StripPixels& strip, float* to) {
    const Index lanes = b.problem.lanes;
    for (Index block = 0; block < b.problem.in_blocks(); ++block) {
      const float* from = b.operands.x.block(run, strip.image, block);
      float* pixels = to + block * strip.count * lanes;
      for_stretches(b, strip, [&](Index first, Index count) {
        copy(run,
             {strip.image, block, from + places[static_cast<std::size_t>(first)], pixels + (first - strip.first) * lanes, 1, count, 0, 0});
      });
    }
  };
}

Gather gather_of(const BoundStrassen& b, const BindScope& scope) {
  if (!b.gathered) return nullptr;
  if (b.problem.prologue) return gather_with(b, bind_prologue(scope));
  return gather_with(
      b, [lanes = b.problem.lanes](const RunContext&, const PrologueRows& part) { std::copy_n(part.from, part.pixels * lanes, part.to); });
}

// Strip `at` of an image. Gathered pixels are written to `to`.
StripPixels strip_pixels(const BoundStrassen& b, const Gather& gather, const RunContext& run, Index image, Index at, float* to) {
  StripPixels strip{image, b.strips.begin(at), b.strips.size(at), to, 0};
  if (gather) {
    strip.block_stride = strip.count * b.problem.lanes;
    gather(run, strip, to);
  } else {
    const ImageView& x = b.operands.x;
    strip.input = x.block(run, image, 0) + strip.first * x.strides.pixel;
    strip.block_stride = x.strides.block;
  }
  return strip;
}

Step bind(const ConvProblem& problem, const BindScope& scope) {
  BoundStrassen b{.problem = problem,
                  .halves = Halves(problem),
                  .operands = ConvOperands(scope),
                  .gathered = problem.prologue || scope.inputs[0].type.layout.ring != 0,
                  .strips = strips_of(problem),
                  .pixels = {},
                  .residual_pixels = {}};
  b.pixels = pixel_offsets(b.operands.y.strides, problem.out_h, problem.out_w);
  if (b.operands.residual.operand.given) b.residual_pixels = pixel_offsets(b.operands.residual.strides, problem.out_h, problem.out_w);
  const Scratch scratch(b);

  Step step;
  step.units = problem.N * b.strips.count * b.halves.tiles;
  step.flops = 2.0 * static_cast<double>(problem.macs());
  step.algorithm = "strassen";
  step.scratch_bytes = scratch.elements * bytes_of(DType::f32);
  const Gather gather = gather_of(b, scope);
  step.run = [b = std::move(b), gather, scratch, &kernels = scope.kernels](const RunContext& run, Index begin, Index end) {
    float* const floats = run.scratch_data();
    StripPixels strip{};
    for (Index unit = begin; unit < end; ++unit) {
      const auto [image, at, tile] = b.strips.unit(unit, b.halves.tiles);
      if (unit == begin || tile == 0) {
        strip = strip_pixels(b, gather, run, image, at, floats);
        make_sums(kernels, b, strip, floats + scratch.sums);
      }
      multiply(kernels, b, run, strip, tile, floats + scratch.sums, floats + scratch.kept);
    }
  };
  return step;
}

}  // namespace

const Conv2dAlgorithm k_strassen = {.name = "strassen",
                                    .input = Want::image,
                                    .error = 2e-6,
                                    .takes_prologue = true,
                                    .takes_over = false,  // the halves of an odd strip share a pixel, which is read and written twice
                                    .rows_at_once = 0,
                                    .can_run = can_run,
                                    .cost = cost,
                                    .prepared_elements = prepared_elements,
                                    .prepare_units = prepare_units,
                                    .prepare = prepare_each<prepare>,
                                    .bind = bind};

}  // namespace fastcnn
