// How the direct algorithm cuts output channels into tiles, and where it keeps what it has prepared for each. For ops that compute a part
// of a convolution as a part of theirs.
#pragma once

#include "kernels/arguments.h"
#include "ops/convolution/algorithms.h"

namespace fastcnn {

// Some output channels and the input channels that they need.
struct ChannelTile {
  Index out_block = 0, out_blocks = 0;  // 1 or 2
  int last_outputs = 0;                 // lanes of the last of them that must be summed
  bool pixel_pairs = false;             // they are half of it, and two pixels may share a vector there
  Index in_block = 0, in_blocks = 0;
  int last_channels = 0;     // of the last of them
  Index weights_before = 0;  // prepared weights of one tap in the tiles before this one
};

// The arguments of a kernel that say which channels it sums.
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
