// The table of algorithms for convolutions and their gradients for the input: what a problem is, what each algorithm can do and costs, and
// the parts of packing and of cutting work that algorithms have in common.
#pragma once

#include <functional>
#include <optional>
#include <string_view>
#include <vector>

#include "core/dispatch.h"
#include "ops/convolution/geometry.h"
#include "ops/pooling/pool_windows.h"

namespace fastcnn {

constexpr double kDirectError = 1e-6;  // the error of direct summation; up to a few times that for thousands of terms
constexpr double kMostError = 1e-5;  // the bound for a layer; errors of layers hardly add up: whole networks were measured to stay below it

struct ChannelRange {
  Index first, count;
  Index end() const { return first + count; }
};

// A convolution to compute, forward or backward in one form: outputs are walks over inputs (convolution/geometry.h). In a backward problem
// the "input" is the gradient of the output of the convolution, and input and output channels are exchanged.
struct ConvProblem {
  Index N, in_channels, in_h, in_w, out_channels, out_h, out_w;
  Index kernel_h, kernel_w, groups;
  std::vector<AxisWalk> rows, columns;
  bool backward;
  bool plain_input;  // the input is not an image yet
  int lanes;
  bool prologue = false;           // the input is normalized or scaled first (convolution/prologue.h)
  double most_error = kMostError;  // the largest error of an algorithm that may be chosen
  bool cold = false;               // the weights of the network do not fit in a cache
  bool packed = false;             // weights are kept packed for direct sums, whatever the algorithm
  // A maximum pooling of the result, out_h x out_w. The output that is written is then pool->output.
  std::optional<PoolGeometry> pool = {};
  bool clamped = true;  // the activation is a clamp or the identity, so it keeps the order of numbers

  // Whether the processor multiplies 512 bits at once: its multiply-adds are twice as fast, relative to caches and memory, as on most.
  bool fast_products() const { return lanes == 16 && !takes_two_turns(lanes); }
  Index in_blocks() const { return ceil_div(in_channels, lanes); }
  Index out_blocks() const { return ceil_div(out_channels, lanes); }
  Index out_pairs() const { return ceil_div(out_blocks(), 2); }
  ChannelRange out_pair(Index pair) const;   // the channels of two output blocks, or of the one that is left, with unused lanes
  std::vector<WalkPair> walk_pairs() const;  // each walk down the rows with each along the columns; a forward convolution has one pair
  bool is_pixelwise() const;                 // 1x1, and each output pixel is computed from the input pixel at the same place
  int ring() const;                          // the ring that the input needs
  Index macs() const;                        // multiply-adds of the convolution itself, without unused lanes
};

ConvProblem forward_problem(const Conv2dGeometry& g, int lanes, bool plain_input);
ConvProblem forward_problem(const Conv2dGeometry& g, const ChoiceScope& scope, std::size_t input);  // for the cost model
ConvProblem backward_problem(const Conv2dGeometry& g, int lanes);

// Packs one unit of the weights. bias may be nullptr.
using PrepareUnit = std::function<void(const Kernels&, const float* weight, const float* bias, float* prepared, Index unit)>;

struct Conv2dAlgorithm {
  const char* name;
  Want input;                   // the layout that it reads
  double error;                 // about the largest |difference| / max |y| of its outputs; bench/errors.py measures it
  bool takes_prologue = false;  // it can compute the prologue of a problem
  bool takes_over = true;       // y may alias the residual: each element is read just before the only write to it
  bool takes_packed = false;    // it can transform weights that are packed for direct sums, in the run
  Index rows_at_once = 1;       // a band of rows that begins at a multiple of this has the bits of the whole; 0: no bands
  // Whether it can compute the pooling of a problem that it can run; nullptr: never.
  bool (*takes_pool)(const ConvProblem&) = nullptr;
  bool (*can_run)(const ConvProblem&);
  double (*cost)(const ConvProblem&);  // in vector multiply-adds, with the vector moves of copies and transforms
  // Prepared weights, with the padded bias behind them: their number of floats, the number of units that can be prepared independently, and
  // the function that prepares a unit. What all units have in common is computed once, when that function is made.
  Index (*prepared_elements)(const ConvProblem&);
  Index (*prepare_units)(const ConvProblem&);
  PrepareUnit (*prepare)(const ConvProblem&);
  // Inputs and outputs of the scope: those of ConvOperands (convolution/operands.h).
  Step (*bind)(const ConvProblem&, const BindScope&);
};

// The `prepare` of an algorithm that needs nothing but the problem: Prepare(kernels, problem, weight, bias, prepared, unit).
template <auto Prepare>
PrepareUnit prepare_each(const ConvProblem& problem) {
  return [problem](const Kernels& kernels, const float* weight, const float* bias, float* prepared, Index unit) {
    Prepare(kernels, problem, weight, bias, prepared, unit);
  };
}

const std::vector<Conv2dAlgorithm>& conv2d_algorithms();
const Conv2dAlgorithm& find_conv2d_algorithm(std::string_view name);
bool can_compute(const Conv2dAlgorithm& algorithm, const ConvProblem& problem);  // with the prologue and pooling of the problem
const Conv2dAlgorithm& cheapest_conv2d_algorithm(const ConvProblem& problem);
// The algorithm that `choices` names for this text, or for all, if it may run; else the cheapest.
const Conv2dAlgorithm& chosen_conv2d_algorithm(const ConvProblem& problem, const Choices& choices, const std::string& text);

// Whether `conv`, whose algorithm is chosen, can compute the max_pool with these attributes that reads it (graph/passes/fuse_pools.cpp).
bool conv2d_takes_pool(const NodeView& conv, const Attributes& pool, int lanes);

// Adds the conv2d_prepare that packs weight and bias for `algorithm`; its output replaces the weight. Its attributes are only those that
// packing depends on, so convolutions that differ in their epilogue share packed weights. input: the shape of the input image.
ValueId add_prepared(ChoiceScope& scope, const Conv2dAlgorithm& algorithm, const Shape& input, const Shape& kernel, bool backward);

// Check inputs 2 (bias) and 3 (residual) of the node of a convolution, if they are given.
void check_bias(std::string_view op, const NodeView& node, Index out_channels);
void check_residual(std::string_view op, const NodeView& node, const Shape& y);

// The attribute "lanes" of a node whose weights are prepared for an ISA. check_lanes: the kernels that run the node must have as many.
int checked_lanes(std::string_view op, const Attributes& attributes);
void check_lanes(std::string_view op, int lanes, const Kernels& kernels);

// The shape of the weight, (O, C / groups, KH, KW), also once add_prepared has replaced it.
Shape conv_weight_shape(const NodeView& node);

// Copies weight(out, in, i, j) of these channels to `to`, (in, out), where in and out are those of the problem. 0 where two channels belong
// to different groups, and beyond the last channel.
void copy_weights(const ConvProblem& problem, const float* weight, ChannelRange outs, ChannelRange ins, Index i, Index j, float* to);

// The same for all taps of two walks; `to` is (taps, in, out).
void copy_weights(const Kernels& kernels, const ConvProblem& problem, const AxisWalk& row, const AxisWalk& column, const float* weight,
                  ChannelRange outs, ChannelRange ins, float* to);

// Writes the bias of these output channels to padded[outs.first] .. padded[outs.end() - 1]: 0 if bias is nullptr, and beyond the last
// channel.
void pad_bias(const ConvProblem& problem, const float* bias, ChannelRange outs, float* padded);

// The cost, in vector multiply-adds, of copying a plain input to channel blocks, one float at a time; 0 for an image.
double cost_of_copy(const ConvProblem& problem);

// The cost, in vector multiply-adds, of reading so many prepared weights from memory; 0 where they stay in a cache.
double cost_of_weights(const ConvProblem& problem, Index elements);

// The rows of an image, cut into strips for work units. Strips are small enough that the input of a unit stays in a part of a typical L2
// cache, and with `other_units` (images, tiles of channels) there are enough units for a few threads. They are as even as `align` allows,
// because threads get equal numbers of units.
struct Strips {
  static constexpr Index kBytes = 160 << 10;  // with weights and output, well inside an L2 of 512 KB or more
  static constexpr Index kEnoughUnits = 16;
  Index rows, count, align;

  Strips(Index rows, Index bytes_per_row, Index other_units, Index align = 1, Index most_bytes = kBytes, Index enough_units = kEnoughUnits);
  Index begin(Index strip) const { return strip == count ? rows : (rows * strip / count + align / 2) / align * align; }
  Index size(Index strip) const { return begin(strip + 1) - begin(strip); }
  Index most() const;  // rows of the largest strip

  // Units are (images, strips, tiles of channels). The tile changes first, so a thread computes all tiles of a strip while the input of the
  // strip is in its cache.
  struct Unit {
    Index image, strip, tile;
  };
  Unit unit(Index number, Index tiles) const { return {number / tiles / count, number / tiles % count, number % tiles}; }
};

// The rows of the table, each in the file of its method.
extern const Conv2dAlgorithm k_direct, k_depthwise, k_first, k_first_winograd, k_winograd_f2, k_winograd_f4, k_winograd_f5, k_winograd_f6,
    k_winograd_f2_5x5, k_strassen;

}  // namespace fastcnn
