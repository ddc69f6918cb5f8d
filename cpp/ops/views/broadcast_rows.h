// BroadcastRows: the output of NumPy's broadcasting as rows of floats, and for each row the matching floats of every operand. An
// element-wise op on operands of different shapes is then one loop over rows, in either layout:
//
//   plain   axes that all operands walk as one are merged; the last merged axis is the row, cut into chunks of 4096 floats. (N, C, H, W)
//           with (C, 1, 1) has rows of H * W floats, and one element of the second operand matches a whole row
//   image   a row of pixels of one channel block, or a whole small block where no ring lies between its rows. An operand (N, C, 1, 1) is
//           one vector, repeated for every pixel. An operand that cannot be an image (its channels vary in another way, or its rank is
//           lower) stays plain, and its row is gathered into scratch:
//
//             one row of y      abcd abcd abcd abcd     the channels of each of W pixels
//             (N, C, H, W)      abcd abcd abcd abcd     Repeat::none: the floats as they are
//             (N, C, 1, 1)      abcd                    Repeat::lanes
//             (1, 1, 1, W)      aaaa bbbb cccc dddd     gathered: each element in all lanes of its pixel
#pragma once

#include <array>
#include <vector>

#include "kernels/arguments.h"
#include "ops/op.h"

namespace fastcnn {

// Wants images for an output of rank 4 and for its operands of rank 4 with the same number of channels, plain values for the others.
LayoutWish broadcast_layout(const NodeView& node);

class BroadcastRows {
 public:
  // An operand that is not given stands for zeros.
  BroadcastRows(const Operand& y, const std::vector<Operand>& operands, int lanes);

  Index count() const { return count_; }
  Index scratch_bytes() const { return scratch_ * 4; }

  struct Row {
    std::array<Index, Shape::kMaxRank + 1> at;
    float* y;
    Index length;
  };
  Row row(Index i, const RunContext& run) const;
  // The floats of an operand that match the row. A gathered row is valid until the next call for this operand.
  Repeated input(std::size_t operand, const Row& row, const RunContext& run) const;

 private:
  // How an operand is walked: where row `at` starts, and how it fills the row.
  struct Way {
    Operand operand;
    Index origin = 0;
    std::vector<Index> strides;  // of each axis of the grid of rows
    Repeat repeat = Repeat::none;
    bool gathered = false;
    Index pixels = 1, channel_stride = 0, pixel_stride = 0;  // of a gathered row
    Index scratch = 0;                                       // where the gathered row lies in scratch, in floats
  };

  void walk_plain();
  void walk_image();
  void walk_in_image(Way& way, bool whole_blocks);
  bool can_merge_rows() const;
  Index offset(const Way& way, const Row& row) const;
  const float* gather(const Way& way, const Row& row, const RunContext& run) const;

  Way y_;
  std::vector<Way> ways_;
  std::vector<Index> sizes_;      // of the grid of rows
  Index count_ = 0;               // rows
  Index scratch_ = 0;             // floats
  Index length_ = 0, chunk_ = 0;  // floats of a row before it is cut, and of a chunk
  Index lanes_;
};

// Binds body(row, input) for each row of y, where input(i) returns the matching floats of operand i. A unit is a row.
template <class Body>
Step bind_broadcast_rows(const Operand& y, const std::vector<Operand>& operands, int lanes, Body body) {
  const BroadcastRows rows(y, operands, lanes);
  Step step = bind_units(rows.count(), [=](const RunContext& run, Index i) {
    const BroadcastRows::Row row = rows.row(i, run);
    body(row, [&](std::size_t operand) { return rows.input(operand, row, run); });
  });
  step.scratch_bytes = rows.scratch_bytes();
  step.flops = elements_of(y);
  return step;
}

}  // namespace fastcnn
