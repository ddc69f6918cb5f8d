// Rows of a convolution that are pooled right after they were computed, in the worker's scratch: the image that they belong to never
// exists as a whole. A unit is a strip of pooled rows; it computes the rows that their windows see. Rows that the next strip sees, too,
// stay for it, so only the first strip of each worker computes rows that another worker has computed as well.
//
//   windows 3, stride 2       strip 0                 strip 1
//   rows                 0  1  2  3  4          [4] 5  6  7  8           [r]: there from the strip before
//   pooled rows             0     1                 2     3
//   in slot              0  1  2  3  4           4  5  6  7  0           row r lies in slot r % slots
//
// Rows are computed in whole groups that lie at multiples of their size: so a row's bits do not depend on the worker.
#pragma once

#include <algorithm>

#include "kernels/kernels.h"
#include "ops/convolution/algorithms.h"
#include "ops/views/image_view.h"

namespace fastcnn {

class PooledRows {
 public:
  // Of the convolution `problem`, with its pool. group: rows that the algorithm computes at once.
  PooledRows(const ConvProblem& problem, Index group);

  bool fits_cache() const;  // if it does not, rows are better written as an image
  Index units() const { return images_ * strips_.count; }
  Index most_rows() const { return slots_; }  // that are computed at once
  Index scratch_elements() const { return blocks_ * block_stride(); }
  Index row_stride() const { return row_; }  // of the rows in the scratch
  Index block_stride() const { return slots_ * row_; }

  // The work of units begin .. end - 1. compute(image, first row, rows, to) writes rows of all channel blocks.
  template <class Compute>
  void run(const Kernels& kernels, const ImageView& y, const RunContext& run, float* scratch, Index begin, Index end,
           const Compute& compute) const {
    Index have = 0;  // rows of this image so far
    for (Index unit = begin; unit < end; ++unit) {
      const Index image = unit / strips_.count, strip = unit % strips_.count;
      const Rows rows = rows_of(strip);
      if (unit == begin || strip == 0 || have < rows.first) have = rows.first;
      while (have < rows.last) {
        const Index slot = have % slots_, count = std::min(rows.last - have, slots_ - slot);
        compute(image, have, count, scratch + slot * row_);
        have += count;
      }
      pool(kernels, y, run, scratch, image, strip);
    }
  }

 private:
  // What the windows of a strip see, in whole groups.
  struct Rows {
    Index first, last;
  };
  Rows rows_of(Index strip) const;
  void pool(const Kernels& kernels, const ImageView& y, const RunContext& run, const float* scratch, Index image, Index strip) const;

  Index images_, blocks_, out_h_, group_, row_, slots_;
  Strips strips_;
  PoolWindows rows_, columns_;
};

}  // namespace fastcnn
