#include "ops/convolution/algorithms.h"

#include <algorithm>

#include "kernels/kernels.h"

namespace fastcnn {

int ConvProblem::ring() const {
  Index reach = 0;
  for (const AxisWalk& walk : rows) reach = std::max(reach, reach_outside(walk, in_h));
  for (const AxisWalk& walk : columns) reach = std::max(reach, reach_outside(walk, in_w));
  constexpr Index kMostRing = 1 << 20;  // an image with a wider ring would exceed the largest value (core/tensor.h)
  require(reach <= kMostRing, "conv2d", join("at most ", kMostRing, " pixels outside of the image may be read"), reach);
  return static_cast<int>(reach);
}

ChannelRange ConvProblem::out_pair(Index pair) const {
  const Index block = 2 * pair;
  return {block * lanes, std::min<Index>(2, out_blocks() - block) * lanes};
}

std::vector<WalkPair> ConvProblem::walk_pairs() const {
  std::vector<WalkPair> pairs;
  for (const AxisWalk& row : rows)
    for (const AxisWalk& column : columns) pairs.push_back({row, column});
  return pairs;
}

bool ConvProblem::is_pixelwise() const {
  const auto stays = [](const std::vector<AxisWalk>& walks, Index in, Index out) {
    if (walks.size() != 1 || in != out) return false;
    const AxisWalk& w = walks[0];
    return w.taps == 1 && w.in_step == 1 && w.out_step == 1 && w.in_first == 0;
  };
  return stays(rows, in_h, out_h) && stays(columns, in_w, out_w);
}

Index ConvProblem::macs() const {
  Index positions = 0;
  for (const auto& [row, column] : walk_pairs()) positions += row.count * row.taps * column.count * column.taps;
  return N * positions * out_channels * (in_channels / groups);
}

ConvProblem forward_problem(const Conv2dGeometry& g, int lanes, bool plain_input) {
  return {.N = g.N,
          .in_channels = g.C,
          .in_h = g.H,
          .in_w = g.W,
          .out_channels = g.O,
          .out_h = g.OH,
          .out_w = g.OW,
          .kernel_h = g.KH,
          .kernel_w = g.KW,
          .groups = g.groups,
          .rows = {forward_walk(g.OH, g.KH, g.stride_h, g.dilation_h, g.top)},
          .columns = {forward_walk(g.OW, g.KW, g.stride_w, g.dilation_w, g.left)},
          .backward = false,
          .plain_input = plain_input,
          .lanes = lanes};
}

ConvProblem forward_problem(const Conv2dGeometry& g, const ChoiceScope& scope, std::size_t input) {
  ConvProblem problem = forward_problem(g, scope.lanes, scope.plain[input]);
  problem.most_error = scope.options.strict ? kDirectError : kMostError;
  problem.cold = scope.cold;
  problem.packed = scope.options.small;
  return problem;
}

ConvProblem backward_problem(const Conv2dGeometry& g, int lanes) {
  ConvProblem problem = forward_problem(g, lanes, false);
  std::swap(problem.in_channels, problem.out_channels);
  std::swap(problem.in_h, problem.out_h);
  std::swap(problem.in_w, problem.out_w);
  problem.rows = backward_walks(g.H, g.KH, g.stride_h, g.dilation_h, g.top);
  problem.columns = backward_walks(g.W, g.KW, g.stride_w, g.dilation_w, g.left);
  problem.backward = true;
  return problem;
}

const std::vector<Conv2dAlgorithm>& conv2d_algorithms() {
  static const std::vector<Conv2dAlgorithm> algorithms = {k_depthwise,   k_first_winograd, k_first,       k_direct,          k_winograd_f2,
                                                          k_winograd_f4, k_winograd_f5,    k_winograd_f6, k_winograd_f2_5x5, k_strassen};
  return algorithms;
}

const Conv2dAlgorithm& find_conv2d_algorithm(std::string_view name) {
  for (const Conv2dAlgorithm& algorithm : conv2d_algorithms())
    if (name == algorithm.name) return algorithm;
  throw Error(ErrorKind::value, "conv2d", "there is no algorithm of this name", name);
}

bool can_compute(const Conv2dAlgorithm& algorithm, const ConvProblem& problem) {
  if (!algorithm.can_run(problem) || (problem.prologue && !algorithm.takes_prologue)) return false;
  return !problem.pool || (algorithm.takes_pool && algorithm.takes_pool(problem));
}

namespace {

// Whether its prepared weights need about as little memory as those of direct sums.
bool keeps_packed(const Conv2dAlgorithm& algorithm, const ConvProblem& problem) {
  constexpr double kHardlyMore = 1.05;
  constexpr Index kFew = 16 << 10;
  const Index elements = algorithm.prepared_elements(problem);
  return elements <= kFew || static_cast<double>(elements) <= kHardlyMore * static_cast<double>(k_direct.prepared_elements(problem));
}

bool is_allowed(const Conv2dAlgorithm& algorithm, const ConvProblem& problem) {
  if (problem.packed && algorithm.can_run(problem) && !algorithm.takes_packed && !keeps_packed(algorithm, problem)) return false;
  return algorithm.error <= problem.most_error && can_compute(algorithm, problem);
}

}  // namespace

const Conv2dAlgorithm& cheapest_conv2d_algorithm(const ConvProblem& problem) {
  const Conv2dAlgorithm* best = nullptr;
  for (const Conv2dAlgorithm& algorithm : conv2d_algorithms())
    if (is_allowed(algorithm, problem) && (!best || algorithm.cost(problem) < best->cost(problem))) best = &algorithm;
  if (!best) throw Error(ErrorKind::unsupported, "conv2d", "no algorithm pools this convolution");  // direct can run everything else
  return *best;
}

const Conv2dAlgorithm& chosen_conv2d_algorithm(const ConvProblem& problem, const Choices& choices, const std::string& text) {
  for (const char* name : {text.c_str(), "*"}) {
    const auto found = choices.find(name);
    if (found == choices.end()) continue;
    for (const Conv2dAlgorithm& algorithm : conv2d_algorithms())  // a name of another version is no error
      if (algorithm.name == found->second && is_allowed(algorithm, problem)) return algorithm;
  }
  return cheapest_conv2d_algorithm(problem);
}

ValueId add_prepared(ChoiceScope& scope, const Conv2dAlgorithm& algorithm, const Shape& input, const Shape& kernel, bool backward) {
  Attributes attributes{{"algorithm", std::string(algorithm.name)},
                        {"lanes", Index{scope.lanes}},
                        {"backward", backward},
                        {"input", input.sizes()},
                        {"kernel", kernel.sizes()}};
  for (const char* name : {"stride", "dilation", "padding"}) attributes.set(name, scope.attributes.integers(name));
  attributes.set("groups", scope.attributes.integer("groups"));
  const ValueId bias = scope.inputs.size() > 2 ? scope.inputs[2] : kNoValue;
  return scope.graph.add_one("conv2d_prepare", {scope.inputs[1], bias}, attributes);
}

void check_bias(std::string_view op, const NodeView& node, Index out_channels) {
  if (node.has_input(2))
    require(node.input(2).shape == Shape{out_channels}, op, "bias must be (out_channels,)", "bias ", node.input(2).shape,
            ", out_channels=", out_channels);
}

void check_residual(std::string_view op, const NodeView& node, const Shape& y) {
  if (node.has_input(3))
    require(node.input(3).shape == y, op, "residual must have the shape of the output", "residual ", node.input(3).shape, ", output ", y);
}

int checked_lanes(std::string_view op, const Attributes& attributes) {
  const Index lanes = attributes.integer("lanes");
  require(lanes == 4 || lanes == 8 || lanes == 16, op, "lanes must be 4, 8 or 16", "lanes=", lanes);
  return static_cast<int>(lanes);
}

void check_lanes(std::string_view op, int lanes, const Kernels& kernels) {
  require(lanes == kernels.lanes, op, "lanes must be those of the kernels", "lanes=", lanes, ", kernels of ", kernels.lanes);
}

Shape conv_weight_shape(const NodeView& node) {
  const Shape& weight = node.input(1).shape;
  return weight.rank() == 1 && node.attributes.has("kernel") ? Shape(node.attributes.integers("kernel")) : weight;
}

void copy_weights(const ConvProblem& p, const float* weight, ChannelRange outs, ChannelRange ins, Index i, Index j, float* to) {
  const Index plane = p.kernel_h * p.kernel_w;
  const Index channels = (p.backward ? p.out_channels : p.in_channels) / p.groups;  // second axis of the weight
  const Index out_stride = p.backward ? plane : channels * plane, in_stride = p.backward ? channels * plane : plane;
  const Index out_group = p.out_channels / p.groups, in_group = p.in_channels / p.groups;
  const bool all_there = p.groups == 1 && outs.end() <= p.out_channels && ins.end() <= p.in_channels;
  if (!all_there) std::fill_n(to, outs.count * ins.count, 0.0f);
  for (Index group = ins.first / in_group; group < p.groups && group * in_group < ins.end(); ++group) {
    // The second axis of the weight counts channels within the group.
    const float* filters = weight + i * p.kernel_w + j - group * channels * (p.backward ? out_stride : in_stride);
    const Index first_in = std::max(ins.first, group * in_group), end_in = std::min(ins.end(), (group + 1) * in_group);
    const Index first_out = std::max(outs.first, group * out_group), end_out = std::min(outs.end(), (group + 1) * out_group);
    for (Index out = first_out; out < end_out; ++out)
      for (Index in = first_in; in < end_in; ++in)
        to[(in - ins.first) * outs.count + out - outs.first] = filters[out * out_stride + in * in_stride];
  }
}

void copy_weights(const Kernels& kernels, const ConvProblem& p, const AxisWalk& row, const AxisWalk& column, const float* weight,
                  ChannelRange outs, ChannelRange ins, float* to) {
  if (!p.backward && p.groups == 1 && ins.end() <= p.in_channels) {  // the one pair of walks visits all taps in order
    const Index taps = p.kernel_h * p.kernel_w;
    return kernels.pack_filters({.filters = weight + (outs.first * p.in_channels + ins.first) * taps,
                                 .filter_stride = p.in_channels * taps,
                                 .outputs = static_cast<int>(std::min(outs.count, p.out_channels - outs.first)),
                                 .inputs = ins.count,
                                 .taps = taps,
                                 .packed = to,
                                 .blocks = static_cast<int>(outs.count / p.lanes)});
  }
  for (Index i = 0; i < row.taps; ++i) {
    for (Index j = 0; j < column.taps; ++j, to += ins.count * outs.count)
      copy_weights(p, weight, outs, ins, row.kernel_first + i * row.kernel_step, column.kernel_first + j * column.kernel_step, to);
  }
}

void pad_bias(const ConvProblem& p, const float* bias, ChannelRange outs, float* padded) {
  for (Index o = outs.first; o < outs.end(); ++o) padded[o] = bias && o < p.out_channels ? bias[o] : 0.0f;
}

double cost_of_copy(const ConvProblem& p) {
  return p.plain_input ? static_cast<double>(p.N * p.in_h * p.in_w * p.in_blocks() * p.lanes) : 0;
}

double cost_of_weights(const ConvProblem& p, Index elements) {
  // One core, per second: 59 G multiply-adds and 25 GB (Zen 4), 135 G multiply-adds and 28 GB (Zen 5).
  const double multiply_adds_a_byte = p.fast_products() ? 4.8 : 2.4;
  return p.cold ? multiply_adds_a_byte / p.lanes * 4 * static_cast<double>(elements) : 0;
}

Strips::Strips(Index all_rows, Index bytes_per_row, Index other_units, Index aligned, Index most_bytes, Index enough_units)
    : rows(all_rows), count(1), align(aligned) {
  if (rows == 0 || other_units == 0) return;
  const Index by_cache = ceil_div(rows, std::max(Index{1}, most_bytes / std::max(Index{1}, bytes_per_row)));
  const Index most = ceil_div(rows, align);
  count = std::min(most, std::max(by_cache, ceil_div(enough_units, other_units)));
  if (count * other_units % 2 != 0 && count < most) ++count;  // two threads are the commonest team
}

Index Strips::most() const {
  Index most = 0;
  for (Index strip = 0; strip < count; ++strip) most = std::max(most, size(strip));
  return most;
}

}  // namespace fastcnn
