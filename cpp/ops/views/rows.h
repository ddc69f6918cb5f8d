// RowView: a value as rows of neighbouring floats, so that an element-wise op is one loop over rows in either layout.
//
//   image   rows of pixels of one channel block: N * blocks * H rows of W * block floats; the ring is skipped
//   plain   the elements in order, cut into chunks of 4096 floats (16 KB: two operands stay in L1)
//
// Row i of one operand matches row i of another of the same shape and block, whatever their rings.
#pragma once

#include <algorithm>

#include "ops/step.h"

namespace fastcnn {

class RowView {
 public:
  static constexpr Index kChunk = 4096;

  explicit RowView(const TensorType& type) : plain_(type.layout.plain()) {
    if (plain_) {
      elements_ = type.shape.elements();
      count_ = ceil_div(elements_, kChunk);
    } else {
      strides_ = type.strides();
      H_ = type.H();
      width_ = type.W() * strides_.pixel;
      count_ = width_ > 0 ? type.N() * strides_.blocks * H_ : 0;
    }
  }

  Index count() const { return count_; }

  // Where row i starts, in elements from the start of the value.
  Index row(Index i) const { return plain_ ? i * kChunk : strides_.origin + strides_.image(i / H_) + i % H_ * strides_.row; }

  // Floats in row i, with the lanes beyond the last channel.
  Index length(Index i) const { return plain_ ? std::min(kChunk, elements_ - i * kChunk) : width_; }

 private:
  bool plain_;
  Index count_ = 0;
  Index elements_ = 0;       // plain
  Index H_ = 1, width_ = 0;  // image
  ImageStrides strides_;
};

// The rows of an operand.
class OperandRows : public RowView {
 public:
  explicit OperandRows(const Operand& operand) : RowView(operand.type), operand_(operand) {}

  template <class T = float>
  T* data(const RunContext& run, Index i) const {
    return operand_.data<T>(run) + row(i);
  }

 private:
  Operand operand_;
};

}  // namespace fastcnn
