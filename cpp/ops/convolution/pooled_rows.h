// PooledRows: rows of a convolution that are pooled right after they are computed, in the scratch of a worker. The image of these rows
// never exists as a whole. A unit is a strip of pooled rows; it computes the rows in their windows. Rows that the next strip needs, too,
// are kept for it, so only the first strip of a worker recomputes rows of another worker.
//
//   windows 3, stride 2       strip 0                 strip 1
//   rows                 0  1  2  3  4          [4] 5  6  7  8           [r]: kept from the strip before
//   pooled rows             0     1                 2     3
//   in slot              0  1  2  3  4           4  5  6  7  0           row r lies in slot r % slots
//
// Rows are computed in whole groups that begin at multiples of their size, so the bits of a row do not depend on the worker.
#pragma once

#include <algorithm>

#include "kernels/kernels.h"
#include "ops/convolution/algorithms.h"
#include "ops/views/image_view.h"

namespace fastcnn {

class PooledRows {
 public:
  // problem: a convolution with a pool. group: rows that its algorithm computes at once.
  PooledRows(const ConvProblem& problem, Index group);

  bool fits_cache() const;  // if not, it is faster to write the rows as an image
  Index units() const { return images_ * strips_.count; }
  Index most_rows() const { return slots_; }  // upper bound of the rows that are computed at once
  Index scratch_elements() const { return blocks_ * block_stride(); }
  Index row_stride() const { return row_; }  // of the rows in the scratch
  Index block_stride() const { return slots_ * row_; }

  // Computes units begin .. end - 1. compute(image, first row, rows, to) writes rows of all channel blocks.
  template <class Compute>
  void run(const Kernels& kernels, const ImageView& y, const RunContext& run, float* scratch, Index begin, Index end,
           const Compute& compute) const {
    Index have = 0;  // the end of the rows of this image that are computed
    for (Index unit = begin; unit < end; ++unit) {
      const Index image = unit / strips_.count, strip = unit % strips_.count;
      const Rows rows = rows_of(strip);
      if (unit == begin || strip == 0 || have < rows.first) have = rows.first;
      while (have < rows.last) {
        const Index slot = have % slots_;
        const Index count = std::min(rows.last - have, slots_ - slot);
        compute(image, have, count, scratch + slot * row_);
        have += count;
      }
      pool(kernels, y, run, scratch, image, strip);
    }
  }

 private:
  // The rows in the windows of a strip, in whole groups.
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
