// The algorithms that a convolution, or its gradient for the input, can choose from: rows of a table.
#pragma once

#include <functional>
#include <optional>
#include <string_view>
#include <vector>

#include "core/dispatch.h"
#include "ops/convolution/geometry.h"
#include "ops/pooling/pool_windows.h"

namespace fastcnn {

constexpr double kDirectError = 1e-6;  // of direct summation, up to a few times that for thousands of terms
constexpr double kMostError = 1e-5;    // of a layer; errors of layers hardly add up: whole networks were measured to stay below it

struct ChannelRange {
  Index first, count;
  Index end() const { return first + count; }
};

// What is to be computed, with forward and backward brought to one form: outputs are walks over inputs (convolution/geometry.h). Backward,
// the "input" is the gradient of the convolution's output, and input and output channels change places.
struct ConvProblem {
  Index N, in_channels, in_h, in_w, out_channels, out_h, out_w;
  Index kernel_h, kernel_w, groups;
  std::vector<AxisWalk> rows, columns;
  bool backward;
  bool plain_input;  // the input is no image yet
  int lanes;
  bool prologue = false;           // something is done to the input first (convolution/prologue.h)
  double most_error = kMostError;  // of the algorithms that may be chosen
  bool cold = false;               // the weights of the network are more than a cache holds
  bool packed = false;             // weights are kept as direct sums read them, whatever the algorithm
  // A maximum pooling of the convolution, out_h x out_w; then the output that is written is pool->output.
  std::optional<PoolGeometry> pool = {};
  bool clamped = true;  // the activation is a clamp, or none: it keeps the order of numbers

  // Whether multiply-adds are twice as fast, beside caches and memory, as on most processors: 512 bits at once.
  bool fast_products() const { return lanes == 16 && !takes_two_turns(lanes); }
  Index in_blocks() const { return ceil_div(in_channels, lanes); }
  Index out_blocks() const { return ceil_div(out_channels, lanes); }
  Index out_pairs() const { return ceil_div(out_blocks(), 2); }
  ChannelRange out_pair(Index pair) const;   // the channels of two blocks of the output, or of the one that is left; unused lanes count
  std::vector<WalkPair> walk_pairs() const;  // each walk down the rows with each along the columns; a forward convolution has one pair
  bool is_pixelwise() const;                 // 1x1, and an output pixel is computed from the input pixel at its own place
  int ring() const;                          // that the input needs
  Index macs() const;                        // of the convolution itself, not of unused lanes
};

ConvProblem forward_problem(const Conv2dGeometry& g, int lanes, bool plain_input);
ConvProblem forward_problem(const Conv2dGeometry& g, const ChoiceScope& scope, std::size_t input);  // as the cost model is asked for it
ConvProblem backward_problem(const Conv2dGeometry& g, int lanes);

// Packs one unit of the weights. bias may be nullptr.
using PrepareUnit = std::function<void(const Kernels&, const float* weight, const float* bias, float* prepared, Index unit)>;

struct Conv2dAlgorithm {
  const char* name;
  Want input;                   // layout it reads
  double error;                 // max |difference| / max |y| of what it computes, about; bench/errors.py measures it
  bool takes_prologue = false;  // does what comes first, where the problem has a prologue
  bool takes_over = true;       // the output may lie where the residual does, each number of which is read just before the one write
  bool takes_packed = false;    // can make its weights from those of direct sums while it runs
  Index rows_at_once = 1;       // a band of rows that starts at a multiple of these has the bits of the whole; 0: it cannot run in bands
  // Whether it pools what it computes as the problem's `pool` says; nullptr: never. Asked only where it can run.
  bool (*takes_pool)(const ConvProblem&) = nullptr;
  bool (*can_run)(const ConvProblem&);
  double (*cost)(const ConvProblem&);  // vector multiply-adds, and vector moves of what must be copied first
  // Prepared weights with the padded bias behind them: their number, the number of units that can be prepared independently, and what
  // prepares a unit: whatever the problem says about all of them is found out once.
  Index (*prepared_elements)(const ConvProblem&);
  Index (*prepare_units)(const ConvProblem&);
  PrepareUnit (*prepare)(const ConvProblem&);
  // Inputs: x, prepared, -, residual. Output: y.
  Step (*bind)(const ConvProblem&, const BindScope&);
};

// For algorithms that need no more than the problem itself: Prepare(kernels, problem, weight, bias, prepared, unit).
template <auto Prepare>
PrepareUnit prepare_each(const ConvProblem& problem) {
  return [problem](const Kernels& kernels, const float* weight, const float* bias, float* prepared, Index unit) {
    Prepare(kernels, problem, weight, bias, prepared, unit);
  };
}

const std::vector<Conv2dAlgorithm>& conv2d_algorithms();
const Conv2dAlgorithm& find_conv2d_algorithm(std::string_view name);
bool can_compute(const Conv2dAlgorithm& algorithm, const ConvProblem& problem);  // with the prologue and pooling that the problem may have
const Conv2dAlgorithm& cheapest_conv2d_algorithm(const ConvProblem& problem);
// The one that `choices` names for this text, or for all, if it may run; else the cheapest.
const Conv2dAlgorithm& chosen_conv2d_algorithm(const ConvProblem& problem, const Choices& choices, const std::string& text);

// Whether `conv`, whose algorithm is chosen, can take over the max_pool with these attributes that reads it (graph/passes/fuse_pools.cpp).
bool conv2d_takes_pool(const NodeView& conv, const Attributes& pool, int lanes);

// Adds the conv2d_prepare that packs weight and bias for `algorithm`: its output takes the weight's place. Only what packing depends on is
// among its attributes, so that convolutions that differ in their epilogue share packed weights. input: shape of the convolution's.
ValueId add_prepared(ChoiceScope& scope, const Conv2dAlgorithm& algorithm, const Shape& input, const Shape& kernel, bool backward);

// The rules of a convolution's node: input 2 is the bias, input 3 the residual, if they are given.
void check_bias(std::string_view op, const NodeView& node, Index out_channels);
void check_residual(std::string_view op, const NodeView& node, const Shape& y);

// The attribute "lanes" of a node whose weights are prepared for an ISA; and that the kernels which run it are of that ISA.
int checked_lanes(std::string_view op, const Attributes& attributes);
void check_lanes(std::string_view op, int lanes, const Kernels& kernels);

// Of a node's input 1: (O, C / groups, KH, KW) before add_prepared and behind it.
Shape conv_weight_shape(const NodeView& node);

// Copies weight(out, in, i, j) of these channels, in the problem's own terms, to `to`, (in, out): 0 where the two channels are of different
// groups or beyond the last.
void copy_weights(const ConvProblem& problem, const float* weight, ChannelRange outs, ChannelRange ins, Index i, Index j, float* to);

// The same for all taps of two walks: `to` is (taps, in, out).
void copy_weights(const Kernels& kernels, const ConvProblem& problem, const AxisWalk& row, const AxisWalk& column, const float* weight,
                  ChannelRange outs, ChannelRange ins, float* to);

// Writes the bias of these output channels to padded[outs.first] .. padded[outs.end() - 1]: 0 where bias is nullptr, and beyond the last
// channel.
void pad_bias(const ConvProblem& problem, const float* bias, ChannelRange outs, float* padded);

// What it costs, in vector multiply-adds, to bring a plain input to channel blocks, one float at a time; 0 where it is an image already.
double cost_of_copy(const ConvProblem& problem);

// What it costs, in vector multiply-adds, to read so many prepared weights from memory; 0 where they stay in a cache.
double cost_of_weights(const ConvProblem& problem, Index elements);

// Rows of an image cut into strips, one for each work unit: small enough to keep a unit's input in a part of a typical L2 cache, and many
// enough, together with `other_units` (images, tiles of channels), for a few threads. As even as `align` allows: threads get equal numbers
// of units.
struct Strips {
  static constexpr Index kBytes = 160 << 10;  // with weights and output, well inside an L2 of 512 KB or more
  static constexpr Index kEnoughUnits = 16;
  Index rows, count, align;

  Strips(Index rows, Index bytes_per_row, Index other_units, Index align = 1, Index most_bytes = kBytes, Index enough_units = kEnoughUnits);
  Index begin(Index strip) const { return strip == count ? rows : (rows * strip / count + align / 2) / align * align; }
  Index size(Index strip) const { return begin(strip + 1) - begin(strip); }
  Index most() const;  // rows of the largest strip

  // Units are (images, strips, tiles of channels): the tile changes first, so that a thread meets the input of one strip for all tiles
  // while it is in its cache.
  struct Unit {
    Index image, strip, tile;
  };
  Unit unit(Index number, Index tiles) const { return {number / tiles / count, number / tiles % count, number % tiles}; }
};

// Conv2dAlgorithm rows, each in the file of its name.
extern const Conv2dAlgorithm k_direct, k_depthwise, k_first, k_first_winograd, k_winograd_f2, k_winograd_f4, k_winograd_f5, k_winograd_f6,
    k_winograd_f2_5x5, k_strassen;

}  // namespace fastcnn
