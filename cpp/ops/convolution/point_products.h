// Products at points: the common part of Winograd convolutions and of convolutions of upsampled images. The image is cut into pieces (tiles
// for Winograd, pixels for an upsampled image), and a transform computes one number for each piece, channel and point. At each point the
// transformed pieces, (pieces, in_channels), are multiplied by the weights of that point, (in_channels, out_channels). A second transform
// computes the outputs of each piece from its products at all points.
//
// Packed weights are kept in the order of direct sums. A worker transforms them in the run, a panel at a time: 64 input channels by a tile
// of output channels, at all points. It multiplies by the panel while that is in L2. Kernels sum in runs of 64 channels, so panels change
// no bit.
#pragma once

#include <functional>

#include "ops/convolution/direct.h"
#include "ops/views/image_pieces.h"

namespace fastcnn {

// The number of floats of prepared weights: for each point, for each tile of one or two blocks of output channels: (in_channels, blocks of
// the tile * lanes); then the bias, padded to whole blocks.
Index point_weights(const ConvProblem& problem, Index points);

// Writes the weights of `count` filters at all points, `point_stride` floats apart. filters: (taps, count).
using PanelWeights = std::function<void(const Kernels&, const float* filters, Index count, float* weights, Index point_stride)>;

// Prepares the weights of a tile of output channels. bias may be nullptr.
void prepare_points(const Kernels& kernels, const ConvProblem& problem, Index points, const PanelWeights& panel_weights,
                    const float* weight, const float* bias, float* prepared, Index tile);

// The cut of a convolution into work units: the pieces of all images are cut into groups, the tiles of output channels into chunks, and a
// unit is a group x a chunk.
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

  // Computes units begin .. end - 1. A worker transforms the input of a group once for all of its chunks. Transforms has
  //   input(kernels, run, pieces of a block of input channels, to)           writes (count, lanes) at to + point * input_point()
  //   output(kernels, run, pieces of a block of output channels, products)   reads (count, lanes) at products + point * product_point()
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
  // The parts of the scratch of a worker.
  struct Scratch {
    float *input, *products, *panel;
  };
  Scratch scratch_of(const RunContext& run) const;

  Index in_blocks() const { return ceil_div(in_channels_, lanes_); }
  Index first_tile(Index chunk) const { return static_cast<Index>(channels_.size()) * chunk / grid_.chunks; }

  // Calls body(pieces, offset) for each image with pieces in the group and each of the blocks. offset: where they lie in the numbers of the
  // group at a point, (blocks, pieces, lanes).
  template <class Body>
  void for_pieces(Index group, Index first_block, Index blocks, const Body& body) const {
    const Index size = grid_.size(group);
    for_images(grid_.an_image, grid_.first(group), grid_.first(group + 1), [&](Index image, Index first, Index count, Index at) {
      for (Index block = 0; block < blocks; ++block) body(Pieces{image, first_block + block, first, count}, (block * size + at) * lanes_);
    });
  }

  // Computes all products of one tile of output channels with `pieces` pieces. last: it is the last tile of the unit.
  void multiply(const Kernels& kernels, const float* prepared, const ChannelTile& tile, bool last, Index pieces, const Scratch& to) const;

  // Weights of some input channels, `point_stride` floats from a point to the next. next: the distance to the weights that are needed next,
  // 0 if there are none.
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

// The step of a convolution by products at points. Bound has `operands` (ConvOperands), `products`, and the transforms that
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
