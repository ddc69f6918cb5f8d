// The tiles that direct convolution cuts output channels into, and where the prepared weights of each lie. Other algorithms read weights
// that are packed for direct sums.
#pragma once

#include "kernels/arguments.h"
#include "ops/convolution/algorithms.h"

namespace fastcnn {

// One or two blocks of output channels, and the input channels that they need.
struct ChannelTile {
  Index out_block = 0, out_blocks = 0;
  int last_outputs = 0;      // lanes of the last block that must be summed
  bool pixel_pairs = false;  // the last block is half empty, and two pixels may share a vector of it
  Index in_block = 0, in_blocks = 0;
  int last_channels = 0;     // channels of the last input block
  Index weights_before = 0;  // prepared weights of one tap in the tiles before this one
};

// Sets the arguments of a kernel that say which channels it sums.
inline void set_channels(ConvDirect& kernel, const ChannelTile& tile, int lanes) {
  kernel.input_blocks = static_cast<int>(tile.in_blocks);
  kernel.block_channels = lanes;
  kernel.last_channels = tile.last_channels;
  kernel.output_blocks = static_cast<int>(tile.out_blocks);
  kernel.last_outputs = tile.last_outputs;
  kernel.pixel_pairs = tile.pixel_pairs;
}

std::vector<ChannelTile> direct_tiles(const ConvProblem& problem);

}  // namespace fastcnn
