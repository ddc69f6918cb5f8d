// Element-wise functions of two operands and the choice between two, over arrays of any length. A shorter operand is repeated: one element,
// or one vector, which has the channels of every pixel of a row.
#include "kernels/kernels.h"
#include "simd/wide.h"

namespace fastcnn::FASTCNN_ISA {

namespace {

// An operand as a sequence of vectors: one after another, or always the same.
class Source {
 public:
  explicit Source(const Repeated& operand) : data_(operand.data), mask_(operand.repeat == Repeat::none ? -1 : 0) {
    if (operand.repeat != Repeat::element) return;
    store(lanes_, broadcast(*operand.data));
    data_ = lanes_;
  }
  Source(const Source&) = delete;

  Vec at(int64_t i) const { return load(data_ + (i & mask_)); }
  Vec first_at(int64_t i, int n) const { return load_first(data_ + (i & mask_), n); }

 private:
  const float* data_;
  int64_t mask_;  // all bits, or none: the same vector for every i
  float lanes_[kLanes];
};

// y[i] = function(sources[i]...) for i < count.
template <class Function, class... Sources>
FASTCNN_INLINE void map_sources(float* y, int64_t count, Function&& function, const Sources&... sources) {
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) store(y + i, function(sources.at(i)...));
  if (const int rest = (int)(count - i)) store_first(y + i, function(sources.first_at(i, rest)...), rest);
}

FASTCNN_INLINE Vec one_where(IntVec mask) { return select(mask, broadcast(1.0f), zero()); }

FASTCNN_INLINE Vec minimum(Vec a, Vec b) { return select(a == a, min(a, b), a); }
FASTCNN_INLINE Vec maximum(Vec a, Vec b) { return select(a == a, max(a, b), a); }

FASTCNN_INLINE Vec minimum_slope(Vec a, Vec b) { return select(a == b, broadcast(0.5f), one_where(a < b)); }
FASTCNN_INLINE Vec power_slope(Vec a, Vec b) { return select(b == zero(), zero(), b * power(a, b - 1.0f)); }
FASTCNN_INLINE Vec exponent_slope(Vec a, Vec b) { return select((a == zero()) & (b >= zero()), zero(), power(a, b) * log(a)); }

}  // namespace

void binary(const Binary& run) {
  using K = BinaryKind;
  const Source a(run.a), b(run.b);
  const auto all = [&](auto&& function) { map_sources(run.y, run.count, function, a, b); };
  switch (run.kind) {
    case K::add: return all([](Vec u, Vec v) { return u + v; });
    case K::subtract: return all([](Vec u, Vec v) { return u - v; });
    case K::multiply: return all([](Vec u, Vec v) { return u * v; });
    case K::divide: return all([](Vec u, Vec v) { return u / v; });
    case K::minimum: return all([](Vec u, Vec v) { return minimum(u, v); });
    case K::maximum: return all([](Vec u, Vec v) { return maximum(u, v); });
    case K::power: return all([](Vec u, Vec v) { return power(u, v); });
    case K::equal: return all([](Vec u, Vec v) { return one_where(u == v); });
    case K::less: return all([](Vec u, Vec v) { return one_where(u < v); });
    case K::less_equal: return all([](Vec u, Vec v) { return one_where(u <= v); });
    case K::minimum_slope: return all([](Vec u, Vec v) { return minimum_slope(u, v); });
    case K::power_slope: return all([](Vec u, Vec v) { return power_slope(u, v); });
    case K::exponent_slope: return all([](Vec u, Vec v) { return exponent_slope(u, v); });
  }
}

void where(const Where& run) {
  const Source condition(run.condition);
  const Source a(run.a);
  const Source b(run.b);
  map_sources(run.y, run.count, [](Vec c, Vec u, Vec v) { return select(c != zero(), u, v); }, condition, a, b);
}

}  // namespace fastcnn::FASTCNN_ISA
