// Shape: the logical sizes of a value, at most eight axes, row-major. Images are (N, C, H, W).
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <ostream>
#include <string>
#include <vector>

#include "core/error.h"

namespace fastcnn {

using Index = std::int64_t;

class Shape;
std::ostream& operator<<(std::ostream& out, const Shape& shape);

class Shape {
 public:
  static constexpr int kMaxRank = 8;

  Shape() = default;
  Shape(std::initializer_list<Index> sizes) : Shape(std::vector<Index>(sizes)) {}
  explicit Shape(const std::vector<Index>& sizes) {
    require(sizes.size() <= kMaxRank, "shape", "a shape has at most 8 axes", sizes.size(), " axes");
    for (Index size : sizes) sizes_[static_cast<std::size_t>(rank_++)] = size;
    elements();  // throws for negative sizes and overflow
  }

  int rank() const { return rank_; }
  Index operator[](int axis) const { return sizes_[static_cast<std::size_t>(axis < 0 ? axis + rank_ : axis)]; }
  std::vector<Index> sizes() const { return {sizes_.begin(), sizes_.begin() + rank_}; }
  bool operator==(const Shape& other) const { return rank_ == other.rank_ && sizes_ == other.sizes_; }

  // The most elements of a value. The strides of values with an axis of size 0 stay below it, too.
  static constexpr Index kMostElements = Index{1} << 40;

  // Product of all sizes; 1 for a scalar.
  Index elements() const {
    Index product = 1;
    Index without_zeros = 1;
    for (int axis = 0; axis < rank_; ++axis) {
      const Index size = (*this)[axis];
      require(size >= 0, "shape", "sizes must not be negative", *this);
      require(size <= kMostElements / without_zeros, "shape", "a value has at most 2^40 elements", *this);
      product *= size;
      without_zeros *= size > 0 ? size : 1;
    }
    return product;
  }

  // "(1, 3, 224, 224)"
  std::string str() const {
    std::string out = "(";
    for (int axis = 0; axis < rank_; ++axis) out += (axis ? ", " : "") + std::to_string((*this)[axis]);
    return out + (rank_ == 1 ? ",)" : ")");
  }

 private:
  std::array<Index, kMaxRank> sizes_{};  // unused axes stay 0, so == can compare whole arrays
  int rank_ = 0;
};

inline std::ostream& operator<<(std::ostream& out, const Shape& shape) { return out << shape.str(); }

inline Index ceil_div(Index a, Index b) { return (a + b - 1) / b; }
inline Index round_up(Index a, Index b) { return ceil_div(a, b) * b; }

}  // namespace fastcnn
