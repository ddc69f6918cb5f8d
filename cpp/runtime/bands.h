// Row bands: chains of nodes that run depth-first. A group of neighbouring nodes makes its outputs in bands of rows, one band through all
// of its nodes before the next. An image that only the group reads is in memory as a window: the rows that are still to be read.
//
//   conv 3x3 -> conv 3x3 -> pool, a band of two rows of the last        rows of the first image
//                                                                        band 0     0 1 2 3 4 5
//   In the next band, rows 4 and 5 are still there: they are moved       band 1             4 5 6 7 8 9
//   to the top of the window, and no row is computed twice.
//
// All workers share the windows and work together on each band, so the memory of a run does not depend on their number.
#pragma once

#include "graph/graph.h"

namespace fastcnn {

struct BandGroup {
  // Band b reads and writes the rows low[b] .. high[b] - 1 of an image; the first row of its ring is row -ring. The window holds these rows
  // from its top on. Rows below high[b - 1] are there from the band before.
  struct Window {
    ValueId value;
    Index rows;
    std::vector<Index> low, high;  // by band
  };
  Index bands = 0;
  std::vector<std::size_t> nodes;           // in their order; between them stand only nodes that are computed ahead of the runs
  std::vector<std::vector<RowRange>> made;  // by node and band: rows of its output
  std::vector<Window> windows;

  std::size_t first() const { return nodes.front(); }
  std::size_t last() const { return nodes.back(); }
  const Window* window_of(ValueId value) const;
};

// Chooses groups one after the other. Each lowers the peak, which is the largest sum of bytes alive, more than any other group would. Stops
// when the gain is too small. Sets the windows in the layouts of their values. ahead[i]: node i is not part of a run.
std::vector<BandGroup> choose_bands(Graph& graph, const std::vector<bool>& ahead);

// How the op of a node is bound to make only the rows `made` of its output. Nothing if the op cannot do that.
std::optional<Band> band_of(const Graph& graph, const Node& node, RowRange made);

}  // namespace fastcnn
