#include "ops/convolution/point_products.h"

#include <algorithm>
#include <array>

#include "kernels/kernels.h"

namespace fastcnn {

namespace {

constexpr Index kPanelChannels = 64;  // products are summed in runs of this length (kernels/winograd_multiply.cpp)

// Rounds up to an odd number of cache lines, so that points do not share sets of the cache.
Index odd_lines(Index floats) {
  constexpr Index kLine = 16;
  return round_up(floats, kLine) + (ceil_div(floats, kLine) % 2 == 0 ? kLine : 0);
}

Index weights_of_point(const ConvProblem& p) { return p.in_channels * p.out_blocks() * p.lanes; }

}  // namespace

Index point_weights(const ConvProblem& p, Index points) { return points * weights_of_point(p) + p.out_blocks() * p.lanes; }

// Weights are copied and transformed for 16 input channels at a time.
void prepare_points(const Kernels& kernels, const ConvProblem& p, Index points, const PanelWeights& panel_weights, const float* weight,
                    const float* bias, float* prepared, Index tile) {
  constexpr Index kInputs = 16, kMostTaps = 25, kMostOutputs = 32;  // outputs: two blocks of the widest ISA
  std::array<float, kMostTaps * kInputs * kMostOutputs> filters;
  const ChannelRange outs = p.out_pair(tile);
  for (Index first = 0; first < p.in_channels; first += kInputs) {
    const Index ins = std::min(kInputs, p.in_channels - first);
    copy_weights(kernels, p, p.rows[0], p.columns[0], weight, outs, {first, ins}, filters.data());
    panel_weights(kernels, filters.data(), ins * outs.count, prepared + outs.first * p.in_channels + first * outs.count,
                  weights_of_point(p));
  }
  pad_bias(p, bias, outs, prepared + points * weights_of_point(p));
}

PointProducts::PointProducts(const ConvProblem& p, Index points, const PointGrid& grid, bool packed, PanelWeights panel_weights)
    : grid_(grid),
      points_(points),
      in_channels_(p.in_channels),
      taps_(p.kernel_h * p.kernel_w),
      lanes_(p.lanes),
      packed_(packed),
      panel_weights_(std::move(panel_weights)),
      weights_point_(weights_of_point(p)),
      input_point_(odd_lines(p.in_blocks() * grid.most() * p.lanes)),
      product_point_(odd_lines(2 * grid.most() * p.lanes)),
      panel_point_(packed ? odd_lines(kPanelChannels * 2 * p.lanes) : 0),
      bias_(packed ? k_direct.prepared_elements(p) - p.out_blocks() * p.lanes : points * weights_point_) {
  if (packed) {
    channels_ = direct_tiles(p);
    return;
  }
  for (Index block = 0; block < p.out_blocks(); block += 2)
    channels_.push_back({.out_block = block, .out_blocks = std::min<Index>(2, p.out_blocks() - block)});
}

PointProducts::Scratch PointProducts::scratch_of(const RunContext& run) const {
  float* const input = run.scratch_data();
  float* const products = input + points_ * input_point_;
  return {input, products, products + points_ * product_point_};
}

// Sums over blocks first .. first + blocks - 1 of the input channels.
void PointProducts::multiply_blocks(const Kernels& kernels, const ChannelTile& tile, Index first, Index blocks, const Weights& weights,
                                    Index pieces, const Scratch& to) const {
  const bool is_end = first + blocks == in_blocks();
  kernels.winograd_multiply({.points = static_cast<int>(points_),
                             .input = to.input + first * pieces * lanes_,
                             .weights = weights.data,
                             .output = to.products,
                             .input_point_stride = input_point_,
                             .weights_point_stride = weights.point_stride,
                             .output_point_stride = product_point_,
                             .next_weights = weights.next,
                             .tiles = static_cast<int>(pieces),
                             .input_blocks = static_cast<int>(blocks),
                             .last_channels = is_end ? static_cast<int>(in_channels_ - (in_blocks() - 1) * lanes_) : lanes_,
                             .output_blocks = static_cast<int>(tile.out_blocks),
                             .input_block_stride = pieces * lanes_,
                             .output_block_stride = pieces * lanes_,
                             .accumulate = first > 0});
}

void PointProducts::make_panel(const Kernels& kernels, const float* prepared, const ChannelTile& tile, Index first, Index blocks,
                               float* panel) const {
  const Index outs = tile.out_blocks * lanes_;
  const float* filters = prepared + (tile.weights_before + first * lanes_ * outs) * taps_;
  for (Index block = first; block < first + blocks; ++block) {
    const Index count = std::min<Index>(lanes_, in_channels_ - block * lanes_) * outs;
    panel_weights_(kernels, filters, count, panel, panel_point_);
    filters += count * taps_;
    panel += count;
  }
}

void PointProducts::multiply(const Kernels& kernels, const float* prepared, const ChannelTile& tile, bool last, Index pieces,
                             const Scratch& to) const {
  if (!packed_) {
    const float* weights = prepared + tile.out_block * lanes_ * in_channels_;
    const Index next = last ? 0 : 2 * lanes_ * in_channels_;
    return multiply_blocks(kernels, tile, 0, in_blocks(), {weights, weights_point_, next}, pieces, to);
  }
  for (Index first = 0; first < in_blocks(); first += kPanelChannels / lanes_) {
    const Index blocks = std::min(in_blocks() - first, kPanelChannels / lanes_);
    make_panel(kernels, prepared, tile, first, blocks, to.panel);
    multiply_blocks(kernels, tile, first, blocks, {to.panel, panel_point_, 0}, pieces, to);
  }
}

}  // namespace fastcnn
