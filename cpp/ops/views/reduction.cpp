#include "ops/views/reduction.h"

namespace fastcnn {

void Walk::add(Index size, Index stride) {
  if (size == 1) return;
  if (!sizes.empty() && strides.back() == stride * size) {
    sizes.back() *= size;
    strides.back() = stride;
  } else {
    sizes.push_back(size);
    strides.push_back(stride);
  }
}

Index Walk::count() const {
  Index product = 1;
  for (Index size : sizes) product *= size;
  return product;
}

Index Walk::offset(Index i) const {
  Index offset = 0;
  for (std::size_t axis = sizes.size(); axis-- > 0; i /= sizes[axis]) offset += i % sizes[axis] * strides[axis];
  return offset;
}

Runs::Runs(const Walk& walk) {
  std::vector<Index> sizes = walk.sizes;
  strides = walk.strides;
  if (!sizes.empty()) {
    length = sizes.back();
    stride = strides.back();
    sizes.pop_back();
    strides.pop_back();
  }
  outer = Shape(sizes);
}

Reduction::Reduction(const Shape& x, const std::vector<bool>& is_reduced) {
  std::vector<Index> strides(static_cast<std::size_t>(x.rank()));
  Index stride = 1;
  for (int i = x.rank(); i-- > 0; stride *= x[i]) strides[static_cast<std::size_t>(i)] = stride;
  for (int i = 0; i < x.rank(); ++i) {
    const auto axis = static_cast<std::size_t>(i);
    (is_reduced[axis] ? reduced : kept).add(x[i], strides[axis]);
  }
}

}  // namespace fastcnn
