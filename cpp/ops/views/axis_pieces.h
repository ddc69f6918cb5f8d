// AxisPieces: a value as lines along one axis, for ops that move or weight whole entries of the axis. An entry is a piece: neighbouring
// floats. The pieces of a line are `stride` floats apart. There is a line for each index of the axes before, in an image of other axes,
// too:
//
//   plain (2, 3, 4), axis 1     2 lines of 3 pieces of 4 floats
//   image, axis 0               a line for each channel block and row; a piece is a row of pixels of an image
//   image, axis 2               a line for each channel block of each image; a piece is a row of pixels
//   image, axis 3               a line for each row of each channel block; a piece is a pixel
//
// Views of two values that differ in this axis alone have the same lines and pieces, whatever their rings.
#pragma once

#include "ops/views/lines.h"

namespace fastcnn {

class AxisPieces {
 public:
  AxisPieces(const TensorType& type, int axis) {
    if (type.layout.plain()) {
      const Lines lines(type.shape, axis);
      lines_ = lines.outer;
      piece_ = lines.inner;
      stride_ = lines.inner;
      plain_line_ = lines.size * lines.inner;
      return;
    }
    image_ = type.strides();
    rows_ = axis == 2 ? 1 : type.H();
    lines_ = (axis == 0 ? 1 : type.N()) * image_.blocks * rows_;
    piece_ = (axis == 3 ? 1 : type.W()) * image_.pixel;
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
  Index plain_line_ = 0;  // floats of a line; 0: an image, or an empty value
  Index rows_ = 1;        // lines of a channel block
  ImageStrides image_;
};

// Entries first .. first + count - 1 of a line of y, and the line of x that it is computed from.
struct LinePart {
  const float* x;  // entry 0
  float* y;        // entry `first`
  Index first, count;
  Index piece;               // floats of an entry
  Index x_stride, y_stride;  // from an entry to the next
};

// Binds body(part) for all parts of y, whose shape differs from that of x in `axis` alone. A unit is about 16 KB of a line of y.
template <class Body>
Step bind_pieces(const Operand& x, const Operand& y, int axis, Body body) {
  const AxisPieces xs(x.type, axis), ys(y.type, axis);
  const Index entries = y.type.shape[axis];
  const Index most = std::max(Index{1}, 4096 / std::max(Index{1}, ys.piece()));  // entries of a unit
  const Index parts = ceil_div(entries, most);
  return bind_units(ys.piece() ? ys.lines() * parts : 0, [=](const RunContext& run, Index unit) {
    const Index line = unit / parts, first = unit % parts * most;
    body(LinePart{x.data(run) + xs.line(line), y.data(run) + ys.line(line) + first * ys.stride(), first, std::min(most, entries - first),
                  ys.piece(), xs.stride(), ys.stride()});
  });
}

// Images can be cut along every axis but that of their channels, which lie in blocks.
inline LayoutWish want_pieces(const NodeView& node, int axis) {
  return node.input(0).shape.rank() == 4 && axis != 1 ? want_same(node) : want_plain(node);
}

}  // namespace fastcnn
