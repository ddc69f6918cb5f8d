// Section: some entries of one axis of a value, as rows of neighbouring floats. Two sections of equal shape have the same rows, so copying
// one to the other is a loop of memcpy, in either layout.
#pragma once

#include "core/tensor.h"

namespace fastcnn {

class Section {
 public:
  Section(const TensorType& whole, int axis, Index start, Index size) : plain_(whole.layout.plain()) {
    if (plain_) {
      Index inner = 1;
      rows_ = 1;
      for (int i = 0; i < axis; ++i) rows_ *= whole.shape[i];
      for (int i = axis + 1; i < whole.shape.rank(); ++i) inner *= whole.shape[i];
      stride_ = whole.shape[axis] * inner;
      first_ = start * inner;
      length_ = size * inner;
      return;
    }
    strides_ = whole.strides();
    const Index c = strides_.pixel;  // along the channels, a section is whole blocks
    Index sizes[4] = {whole.N(), strides_.blocks, whole.H(), whole.W()}, starts[4] = {};
    sizes[axis] = axis == 1 ? ceil_div(size, c) : size;
    starts[axis] = axis == 1 ? start / c : start;
    first_ = strides_.origin + starts[0] * strides_.batch + starts[1] * strides_.block + starts[2] * strides_.row + starts[3] * c;
    blocks_ = sizes[1];
    H_ = sizes[2];
    length_ = sizes[3] * c;
    rows_ = sizes[0] * blocks_ * H_;
  }

  Index rows() const { return rows_; }
  Index offset() const { return (first_ - (plain_ ? 0 : strides_.origin)) * bytes_of(DType::f32); }  // bytes from the start of the whole
  Index length() const { return length_; }
  Index row(Index i) const {
    if (plain_) return first_ + i * stride_;
    return first_ + i / H_ / blocks_ * strides_.batch + i / H_ % blocks_ * strides_.block + i % H_ * strides_.row;
  }

 private:
  bool plain_;
  Index rows_ = 0, first_ = 0, length_ = 0;
  Index stride_ = 0;          // plain
  Index blocks_ = 1, H_ = 1;  // image
  ImageStrides strides_;
};

}  // namespace fastcnn
