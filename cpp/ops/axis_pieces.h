// AxisPieces: a value seen along one axis, for ops that move or weigh its entries as wholes. A line is all entries of the axis at one place
// of the axes before it (and, in an image, of those around it); an entry is a piece of neighbouring floats, `stride` from the next one's.
//
//   plain (2, 3, 4), axis 1     2 lines of 3 pieces of 4 floats
//   image, axis 2 or 0          a line for each channel block (and row) of 3 rows of pixels; axis 3: a line for each row, of single pixels
//
// Two views of values that differ in that axis alone have the same lines and pieces, whatever the rings.
#pragma once

#include "ops/lines.h"

namespace fastcnn {

class AxisPieces {
 public:
  AxisPieces(const TensorType& type, int axis) {
    if (type.layout.plain()) {
      const Lines lines(type.shape, axis);
      lines_ = lines.outer, piece_ = lines.inner, stride_ = lines.inner, outer_ = lines.size * lines.inner;
      return;
    }
    const ImageStrides s = type.strides();
    const Index blocks = type.N() * s.blocks;
    origin_ = s.origin, piece_ = type.W() * s.pixel;
    switch (axis) {
      case 0: lines_ = s.blocks * type.H(), rows_ = type.H(), outer_ = s.block, inner_ = s.row, stride_ = s.batch; break;
      case 2: lines_ = blocks, outer_ = s.block, stride_ = s.row; break;
      default: lines_ = blocks * type.H(), rows_ = type.H(), outer_ = s.block, inner_ = s.row, stride_ = s.pixel, piece_ = s.pixel; break;
    }
  }

  Index lines() const { return lines_; }
  Index piece() const { return piece_; }
  Index stride() const { return stride_; }
  Index line(Index i) const { return origin_ + i / rows_ * outer_ + i % rows_ * inner_; }

 private:
  Index lines_ = 0, piece_ = 0, stride_ = 0;
  Index origin_ = 0, rows_ = 1, outer_ = 0, inner_ = 0;
};

// Work units: a line's entries of y in chunks of some 16 KB.
struct PieceUnits {
  Index entries, per_unit, chunks, units;

  PieceUnits(const AxisPieces& y, Index entries_)
      : entries(entries_),
        per_unit(std::max(Index{1}, 4096 / std::max(Index{1}, y.piece()))),
        chunks(ceil_div(entries, per_unit)),
        units(y.piece() ? y.lines() * chunks : 0) {}
  Index line(Index unit) const { return unit / chunks; }
  Index first(Index unit) const { return unit % chunks * per_unit; }
  Index count(Index unit) const { return std::min(per_unit, entries - first(unit)); }
};

// Images are cut along every axis but that of their channels, which lie in blocks.
inline LayoutWish want_pieces(const NodeView& node, int axis) {
  return node.input(0).shape.rank() == 4 && axis != 1 ? want_same(node) : want_plain(node);
}

}  // namespace fastcnn
