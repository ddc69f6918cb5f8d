// AxisPieces: a value seen along one axis, for ops that move or weigh its entries as wholes. A line is all entries of the axis at one place
// of the axes before it (and, in an image, of those around it); an entry is a piece of neighbouring floats, `stride` from the next one's.
//
//   plain (2, 3, 4), axis 1     2 lines of 3 pieces of 4 floats
//   image, axis 2 or 0          a line for each channel block (and row) of 3 rows of pixels; axis 3: a line for each row, of single pixels
//
// Two views of values that differ in that axis alone have the same lines and pieces, whatever the rings.
#pragma once

#include "ops/views/lines.h"

namespace fastcnn {

class AxisPieces {
 public:
  AxisPieces(const TensorType& type, int axis) {
    if (type.layout.plain()) {
      const Lines lines(type.shape, axis);
      lines_ = lines.outer, piece_ = lines.inner, stride_ = lines.inner, plain_line_ = lines.size * lines.inner;
      return;
    }
    image_ = type.strides();
    const Index rows = axis == 2 ? 1 : type.H(), pixels = axis == 3 ? 1 : type.W();
    lines_ = (axis == 0 ? 1 : type.N()) * image_.blocks * rows, rows_ = rows, piece_ = pixels * image_.pixel;
    stride_ = axis == 0 ? image_.batch : axis == 2 ? image_.row : image_.pixel;
  }

  Index lines() const { return lines_; }
  Index piece() const { return piece_; }
  Index stride() const { return stride_; }
  Index line(Index i) const {
    if (plain_line_ > 0) return i * plain_line_;
    return image_.origin + image_.image(i / rows_) + i % rows_ * image_.row;
  }

 private:
  Index lines_ = 0, piece_ = 0, stride_ = 0;
  Index plain_line_ = 0;  // 0: an image, or nothing
  Index rows_ = 1;        // of a channel block: lines
  ImageStrides image_;
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
