// BroadcastRows: an output of NumPy's broadcasting as rows of floats, and its operands as what lies opposite each row. An element-wise op
// on operands of different shapes is then one loop over rows, in either layout:
//
//   plain   axes that all operands walk in one piece are merged, and the last of them is the row, cut into chunks of 4096 floats:
//           (N, C, H, W) with (C, 1, 1) has rows of H * W, opposite each of which one element is repeated
//   image   a row of pixels of one channel block, or a whole small block where no ring lies between its rows. An operand (N, C, 1, 1) is
//           one vector, repeated for every pixel. What is no image (channels vary in another way, or lower rank) stays plain; its row is
//           gathered into scratch.
//
//             one row of y      abcd abcd abcd abcd     a pixel's channels, W pixels
//             (N, C, H, W)      abcd abcd abcd abcd     none: the run itself
//             (N, C, 1, 1)      abcd                    lanes: repeated
//             (1, 1, 1, W)      aaaa bbbb cccc dddd     gathered: each element in all lanes of its pixel
#pragma once

#include <array>
#include <vector>

#include "kernels/arguments.h"
#include "ops/op.h"

namespace fastcnn {

// Images where the output can be one: operands of rank 4 with all of its channels. inputs: nullptr for those left out.
LayoutWish broadcast_layout(const NodeView& node);

class BroadcastRows {
 public:
  // An operand that is not given counts as a zero.
  BroadcastRows(const Operand& y, const std::vector<Operand>& operands, int lanes);

  Index count() const { return count_; }
  Index scratch_bytes() const { return scratch_ * 4; }

  // Row i of the output, and what lies opposite it. Good until the next row.
  struct Row {
    std::array<Index, Shape::kMaxRank + 1> at;
    float* y;
    Index length;
  };
  Row row(Index i, const RunContext& run) const;
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
    Index scratch = 0;                                       // where its row lies there, in floats
  };

  void walk_plain();
  void walk_image();
  void walk_in_image(Way& way, bool whole_blocks);
  bool can_merge_rows() const;
  Index offset(const Way& way, const Row& row) const;
  const float* gather(const Way& way, const Row& row, const RunContext& run) const;

  Way y_;
  std::vector<Way> ways_;
  std::vector<Index> sizes_;  // of the grid of rows
  Index count_ = 0, scratch_ = 0;
  Index length_ = 0, chunk_ = 0;  // floats of a row before it is cut; of a chunk
  Index lanes_;
};

// An element-wise step: body(row, input), where input(i) is what lies opposite the row in operand i. A unit is a row.
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
