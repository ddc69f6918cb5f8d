// Row bands: chains of nodes that run depth-first. A group of neighbouring nodes makes its outputs in bands of rows, one band through all
// of its nodes before the next. Of an image that only the group reads, just a window is in memory: the rows that are still to be read.
//
//   conv 3x3 -> conv 3x3 -> pool, a band of two rows of the last        rows of the first image
//                                                                        band 0     0 1 2 3 4 5
//   In the next band, rows 4 and 5 are still there: they are moved       band 1             4 5 6 7 8 9
//   to the top of the window, and no row is computed twice.
//
// All workers share the windows and work together on each band, so what a run takes does not depend on their number.
#pragma once

#include "graph/graph.h"

namespace fastcnn {

struct BandGroup {
  // Of an image: band b reads and writes rows within low[b] .. high[b] - 1, those of the ring counted from -ring on. They are what the
  // window holds from its top; rows below high[b - 1] are there from the band before.
  struct Window {
    ValueId value;
    Index rows;
    std::vector<Index> low, high;
  };
  Index bands = 0;
  std::vector<std::size_t> nodes;           // in their order; between them stand only nodes whose output is prepared ahead
  std::vector<std::vector<RowRange>> made;  // by node and band: of its output
  std::vector<Window> windows;

  std::size_t first() const { return nodes.front(); }
  std::size_t last() const { return nodes.back(); }
  const Window* window_of(ValueId value) const;
};

// The groups that lower the largest sum of living bytes the most, one after the other, while that is worth it; windows are set in the
// layouts of their values. ahead[i]: node i is no part of a run.
std::vector<BandGroup> choose_bands(Graph& graph, const std::vector<bool>& ahead);

// The node that makes these rows of its output, as its op is to be bound. Nothing if the op cannot do that.
std::optional<Band> band_of(const Graph& graph, const Node& node, RowRange made);

}  // namespace fastcnn
