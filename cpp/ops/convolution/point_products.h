// Products at points: the part that Winograd convolutions and convolutions of upsampled images have in common. An image is cut into small
// pieces, each transformed to a number at each of some points: tiles for Winograd, pixels for an upsampled image. At each point the
// transformed pieces (pieces, in_channels) are multiplied by the weights of that point (in_channels, out_channels); a second transform
// makes outputs of the products.
//
// Packed weights are kept in the order of direct sums. A worker then transforms a panel of them for itself: 64 input channels of a tile of
// outputs at all points, multiplied while the panel is in L2. Kernels sum in runs of 64 channels, so panels change no bit.
#pragma once

#include <functional>

#include "ops/convolution/direct.h"
#include "ops/views/image_pieces.h"

namespace fastcnn {

// Prepared weights: for each point, for each tile of one or two blocks of output channels: (in_channels, tile's blocks * lanes); then the
// bias, padded to whole blocks. The number of floats, with the bias.
Index point_weights(const ConvProblem& problem, Index points);

// The weights of `count` filters at all points. filters: (taps, count).
using PanelWeights = std::function<void(const Kernels&, const float* filters, Index count, float* weights, Index point_stride)>;

// Prepares a tile of output channels; bias may be nullptr.
void prepare_points(const Kernels& kernels, const ConvProblem& problem, Index points, const PanelWeights& panel_weights,
                    const float* weight, const float* bias, float* prepared, Index tile);

// How the pieces of all images are cut into groups, and the tiles of output channels into chunks. A unit is a group x a chunk.
struct PointGrid {
  Index an_image;  // pieces of an image
  Index pieces;    // of all images
  Index groups;    // of pieces; 0 where there are none
  Index chunks;    // of tiles of output channels

  Index units() const { return groups * chunks; }
  Index first(Index group) const { return pieces * group / groups; }
  Index size(Index group) const { return first(group + 1) - first(group); }
  Index most() const { return groups ? ceil_div(pieces, groups) : 0; }  // pieces of the largest group
};

// Pieces first .. first + count - 1 of one channel block of one image.
struct Pieces {
  Index image, block, first, count;
};

class PointProducts {
 public:
  PointProducts(const ConvProblem& problem, Index points, const PointGrid& grid, bool packed, PanelWeights panel_weights);

  Index input_point() const { return input_point_; }      // floats from a point to the next: of transformed pieces
  Index product_point() const { return product_point_; }  // and of products
  Index bias() const { return bias_; }                    // where the bias starts among the prepared weights
  Index units() const { return grid_.units(); }
  Index scratch_bytes() const { return points_ * (input_point_ + product_point_ + panel_point_) * bytes_of(DType::f32); }

  // The work of units begin .. end - 1. Transforms has
  //   input(kernels, run, pieces of a block of input channels, to)            to[point * input_point()] is (count, lanes)
  //   output(kernels, run, pieces of a block of output channels, products)    products[point * product_point()] is (count, lanes)
  template <class Transforms>
  void run(const Kernels& kernels, const Transforms& transforms, const float* prepared, const RunContext& run, Index begin,
           Index end) const {
    const Scratch scratch = scratch_of(run);
    for (Index unit = begin; unit < end; ++unit) {
      const Index group = unit / grid_.chunks, chunk = unit % grid_.chunks;
      if (unit == begin || chunk == 0)
        for_pieces(group, 0, in_blocks(),
                   [&](const Pieces& pieces, Index at) { transforms.input(kernels, run, pieces, scratch.input + at); });
      const Index end_tile = first_tile(chunk + 1);
      for (Index tile = first_tile(chunk); tile < end_tile; ++tile) {
        const ChannelTile& channels = channels_[static_cast<std::size_t>(tile)];
        multiply(kernels, prepared, channels, tile + 1 == end_tile, grid_.size(group), scratch);
        for_pieces(group, channels.out_block, channels.out_blocks,
                   [&](const Pieces& pieces, Index at) { transforms.output(kernels, run, pieces, scratch.products + at); });
      }
    }
  }

 private:
  // The parts of a worker's scratch.
  struct Scratch {
    float *input, *products, *panel;
  };
  Scratch scratch_of(const RunContext& run) const;

  Index in_blocks() const { return ceil_div(in_channels_, lanes_); }
  Index first_tile(Index chunk) const { return static_cast<Index>(channels_.size()) * chunk / grid_.chunks; }

  // Calls body(pieces, offset of them among the group's, (blocks, pieces, lanes)) for each image that a group has pieces of, and each
  // block.
  template <class Body>
  void for_pieces(Index group, Index first_block, Index blocks, const Body& body) const {
    const Index size = grid_.size(group);
    for_images(grid_.an_image, grid_.first(group), grid_.first(group + 1), [&](Index image, Index first, Index count, Index at) {
      for (Index block = 0; block < blocks; ++block) body(Pieces{image, first_block + block, first, count}, (block * size + at) * lanes_);
    });
  }

  // All products of one tile of output channels with `pieces` pieces. last: no other tile of this unit follows.
  void multiply(const Kernels& kernels, const float* prepared, const ChannelTile& tile, bool last, Index pieces, const Scratch& to) const;

  // Where weights of input channels lie: `point_stride` floats from a point to the next. next: how far behind them lie the weights that are
  // needed next, 0 for none.
  struct Weights {
    const float* data;
    Index point_stride, next;
  };
  void multiply_blocks(const Kernels& kernels, const ChannelTile& tile, Index first, Index blocks, const Weights& weights, Index pieces,
                       const Scratch& to) const;
  void make_panel(const Kernels& kernels, const float* prepared, const ChannelTile& tile, Index first, Index blocks, float* panel) const;

  PointGrid grid_;
  Index points_, in_channels_, taps_;
  int lanes_;
  bool packed_;
  PanelWeights panel_weights_;
  std::vector<ChannelTile> channels_;                // tiles of output channels
  Index weights_point_;                              // floats from a point to the next: of prepared weights,
  Index input_point_, product_point_, panel_point_;  // and in scratch; panel_point_ is 0 where there are no panels
  Index bias_;
};

// The step of a convolution by products at points. Bound has the operands (ConvOperands), the products, and the transforms that
// PointProducts::run calls.
template <class Bound>
Step bind_points(Bound bound, const Kernels& kernels) {
  Step step;
  step.units = bound.products.units();
  step.scratch_bytes = bound.products.scratch_bytes();
  step.run = [b = std::move(bound), &kernels](const RunContext& run, Index begin, Index end) {
    b.products.run(kernels, b, b.operands.prepared.data(run), run, begin, end);
  };
  return step;
}

}  // namespace fastcnn
