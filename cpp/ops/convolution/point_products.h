// What Winograd's filtering and convolutions of doubled images have in common: at each of some points, the transformed pixels of a group,
// tiles x input channels, are multiplied with the weights of that point, a tile of output channels after the other.
//
// Where the weights are packed, they are kept as direct sums read them, and a worker makes a panel of those of all points for itself:
// 64 input channels by a tile of outputs, which it multiplies while it is in L2. Kernels sum runs of 64 channels, so that panels change no
// bit.
#pragma once

#include <functional>

#include "ops/convolution/direct.h"

namespace fastcnn {

// Prepared weights: for each point, for each tile of one or two blocks of output channels: (in channels, tile's blocks * lanes); then the
// bias, padded to whole blocks.
Index point_weights(const ConvProblem& problem, Index points);  // floats, with the bias

// The weights of `count` filters at all points; `filters` has their taps, each `count` floats.
using PanelWeights = std::function<void(const Kernels&, const float* filters, Index count, float* weights, Index point_stride)>;

// Prepares a tile of output channels; bias may be nullptr.
void prepare_points(const Kernels& kernels, const ConvProblem& problem, Index points, const PanelWeights& panel_weights,
                    const float* weight, const float* bias, float* prepared, Index tile);

struct PointProducts {
  // most: pixels in the largest group.
  PointProducts(const ConvProblem& problem, Index points, Index most, bool packed, PanelWeights panel_weights);

  Index points, in_channels, taps;
  int lanes;
  bool packed;
  PanelWeights panel_weights;
  std::vector<ChannelTile> channels;              // of the output
  Index weights_point;                            // floats from a point to the next: of prepared weights,
  Index input_point, product_point, panel_point;  // and in scratch; panel_point is 0 where there are no panels
  Index bias;                                     // where it lies behind the prepared weights

  // The parts of a worker's scratch.
  struct Scratch {
    float *input, *products, *panel;
  };
  Scratch scratch(const RunContext& run) const;
  Index scratch_bytes() const { return points * (input_point + product_point + panel_point) * bytes_of(DType::f32); }

  // All products of one tile of output channels with `pixels` pixels. last: the next one of this unit does not follow.
  void multiply(const Kernels& kernels, const float* prepared, const ChannelTile& tile, bool last, Index pixels, const Scratch& to) const;

 private:
  Index in_blocks() const { return ceil_div(in_channels, lanes); }
  void multiply_blocks(const Kernels& kernels, const ChannelTile& tile, Index first, Index blocks, const float* weights, Index stride,
                       Index next_weights, Index pixels, const Scratch& to) const;
  void make_panel(const Kernels& kernels, const float* prepared, const ChannelTile& tile, Index first, Index blocks, float* panel) const;
};

}  // namespace fastcnn
