#include "ops/convolution/point_products.h"

#include <algorithm>
#include <array>

#include "kernels/kernels.h"

namespace fastcnn {

namespace {

constexpr Index kPanelChannels = 64;  // the run that the products are summed in (kernels/winograd_multiply.cpp)

// An odd number of cache lines: points then do not meet in the same sets of the cache.
Index odd_lines(Index floats) {
  constexpr Index kLine = 16;
  return round_up(floats, kLine) + (ceil_div(floats, kLine) % 2 == 0 ? kLine : 0);
}

Index weights_of_point(const ConvProblem& p) { return p.in_channels * p.out_blocks() * p.lanes; }

}  // namespace

Index point_weights(const ConvProblem& p, Index points) { return points * weights_of_point(p) + p.out_blocks() * p.lanes; }

// Some input channels at a time.
void prepare_points(const Kernels& kernels, const ConvProblem& p, Index points, const PanelWeights& panel_weights, const float* weight,
                    const float* bias, float* prepared, Index tile) {
  constexpr Index kInputs = 16, kMostTaps = 25, kMostOutputs = 32;  // two blocks of the widest ISA
  std::array<float, kMostTaps * kInputs * kMostOutputs> filters;
  const Index outs = std::min<Index>(2, p.out_blocks() - 2 * tile) * p.lanes, first_out = 2 * tile * p.lanes;
  for (Index first = 0; first < p.in_channels; first += kInputs) {
    const Index ins = std::min(kInputs, p.in_channels - first);
    copy_weights(kernels, p, p.rows[0], p.columns[0], weight, {first_out, outs}, {first, ins}, filters.data());
    panel_weights(kernels, filters.data(), ins * outs, prepared + first_out * p.in_channels + first * outs, weights_of_point(p));
  }
  float* padded = prepared + points * weights_of_point(p);
  for (Index o = first_out; o < first_out + outs; ++o) padded[o] = bias && o < p.out_channels ? bias[o] : 0.0f;
}

PointProducts::PointProducts(const ConvProblem& p, Index all_points, Index most, bool is_packed, PanelWeights make)
    : points(all_points),
      in_channels(p.in_channels),
      taps(p.kernel_h * p.kernel_w),
      lanes(p.lanes),
      packed(is_packed),
      panel_weights(std::move(make)),
      weights_point(weights_of_point(p)),
      input_point(odd_lines(p.in_blocks() * most * p.lanes)),
      product_point(odd_lines(2 * most * p.lanes)),
      panel_point(is_packed ? odd_lines(kPanelChannels * 2 * p.lanes) : 0),
      bias(is_packed ? k_direct.prepared_elements(p) - p.out_blocks() * p.lanes : all_points * weights_point) {
  if (packed) {
    channels = direct_tiles(p);
    return;
  }
  for (Index block = 0; block < p.out_blocks(); block += 2)
    channels.push_back({.out_block = block, .out_blocks = std::min<Index>(2, p.out_blocks() - block)});
}

PointProducts::Scratch PointProducts::scratch(const RunContext& run) const {
  float* const input = reinterpret_cast<float*>(run.scratch);
  float* const products = input + points * input_point;
  return {input, products, products + points * product_point};
}

// Of the blocks first .. first + blocks - 1 of the input channels, by weights of which a point's lie `stride` from the next's.
// next_weights: how far from these lie those that come next, 0: none.
void PointProducts::multiply_blocks(const Kernels& kernels, const ChannelTile& tile, Index first, Index blocks, const float* weights,
                                    Index stride, Index next_weights, Index pixels, const Scratch& to) const {
  const bool is_end = first + blocks == in_blocks();
  kernels.winograd_multiply({.points = static_cast<int>(points),
                             .input = to.input + first * pixels * lanes,
                             .weights = weights,
                             .output = to.products,
                             .input_point_stride = input_point,
                             .weights_point_stride = stride,
                             .output_point_stride = product_point,
                             .next_weights = next_weights,
                             .tiles = static_cast<int>(pixels),
                             .input_blocks = static_cast<int>(blocks),
                             .last_channels = is_end ? static_cast<int>(in_channels - (in_blocks() - 1) * lanes) : lanes,
                             .output_blocks = static_cast<int>(tile.out_blocks),
                             .input_block_stride = pixels * lanes,
                             .output_block_stride = pixels * lanes,
                             .accumulate = first > 0});
}

void PointProducts::make_panel(const Kernels& kernels, const float* prepared, const ChannelTile& tile, Index first, Index blocks,
                               float* panel) const {
  const Index outs = tile.out_blocks * lanes;
  const float* filters = prepared + (tile.weights_before + first * lanes * outs) * taps;
  for (Index block = first; block < first + blocks; ++block) {
    const Index count = std::min<Index>(lanes, in_channels - block * lanes) * outs;
    panel_weights(kernels, filters, count, panel, panel_point);
    filters += count * taps, panel += count;
  }
}

void PointProducts::multiply(const Kernels& kernels, const float* prepared, const ChannelTile& tile, bool last, Index pixels,
                             const Scratch& to) const {
  if (!packed) {
    const float* weights = prepared + tile.out_block * lanes * in_channels;
    const Index next = last ? 0 : 2 * lanes * in_channels;
    return multiply_blocks(kernels, tile, 0, in_blocks(), weights, weights_point, next, pixels, to);
  }
  for (Index first = 0; first < in_blocks(); first += kPanelChannels / lanes) {
    const Index blocks = std::min(in_blocks() - first, kPanelChannels / lanes);
    make_panel(kernels, prepared, tile, first, blocks, to.panel);
    multiply_blocks(kernels, tile, first, blocks, to.panel, panel_point, 0, pixels, to);
  }
}

}  // namespace fastcnn
