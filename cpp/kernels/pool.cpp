// Pooling of one channel block. A lane is a channel, so a window is a loop over its pixels. Windows are clipped; the ring is never read.
#include "kernels/kernels.h"
#include "simd/vec.h"

namespace fastcnn::FASTCNN_ISA {

namespace {

// The maximum, or NaN where either is NaN: max keeps a NaN of its second argument, and select adds that of the first.
FASTCNN_INLINE Vec max_or_nan(Vec x, Vec most) { return select(x != x, x, max(x, most)); }

// Calls body(offset) for every pixel of a window, in row-major order.
template <class Body>
FASTCNN_INLINE void for_each_tap(const PoolWindow& rows, int64_t row_step, int64_t row_stride, const PoolWindow& columns,
                                 int64_t column_step, Body&& body) {
  for (int64_t r = rows.first; r < rows.last; r += row_step)
    for (int64_t c = columns.first; c < columns.last; c += column_step) body(r * row_stride + c * kLanes);
}

FASTCNN_INLINE const float* row_of(const Pool& unit, int64_t row) {
  return unit.x + (unit.x_slots ? row % unit.x_slots : row) * unit.x_row_stride;
}

// The maxima of the windows `from` to `to` - 1 of a row. y: (column_count, lanes), the whole row.
void max_of_windows(const Pool& unit, const PoolWindow& rows, float* y, int64_t from, int64_t to) {
  for (int64_t j = from; j < to; ++j) {
    Vec most = broadcast(-__builtin_inff());
    for (int64_t r = rows.first; r < rows.last; r += unit.row_step) {
      const float* const row = row_of(unit, r);
      for (int64_t c = unit.columns[j].first; c < unit.columns[j].last; c += unit.column_step)
        most = max_or_nan(load(row + c * kLanes), most);
    }
    store(y + j * kLanes, most);
  }
}

// `count` windows of K x K pixels, S columns apart: the maximum of a column is found once for all windows that contain it. At the border,
// copies of other rows take the place of rows that a window lacks. Returns the sum of all pixels: if it is finite, none of them is NaN.
// rows: K rows of (columns, lanes), from the first window's first column on; y: (count, lanes).
//
//   K 3, S 2:   | kept |  new   new  |          the third column of a window is the first of the next
template <int K, int S>
Vec max_of_squares(const float* const (&rows)[K], float* y, int64_t count) {
  Vec total = zero();
  int64_t next = 0;  // the next column to read, in floats
  const auto column = [&]() FASTCNN_INLINE_LAMBDA {
    Vec most = load(rows[0] + next);
    Vec sum = most;
    unroll<K - 1>([&](auto r) FASTCNN_INLINE_LAMBDA {
      const Vec x = load(rows[r + 1] + next);
      most = max(x, most);
      sum += x;
    });
    next += kLanes;
    total += sum;
    return most;
  };
  Vec maxima[K];
  unroll<K - S>([&](auto c) { maxima[c] = column(); });
  for (int64_t j = 0; j < count; ++j, y += kLanes) {
    unroll<S>([&](auto c) { maxima[K - S + c] = column(); });
    Vec most = maxima[0];
    unroll<K - 1>([&](auto c) { most = max(maxima[c + 1], most); });
    store(y, most);
    unroll<K - S>([&](auto c) { maxima[c] = maxima[c + S]; });
  }
  return total;
}

// The outputs of a row whose windows are K columns wide and S columns apart: all but those at the borders. None if they are not contiguous.
struct Inner {
  int64_t first, last;
};
template <int K, int S>
FASTCNN_INLINE Inner inner_outputs(const Pool& unit) {
  const auto is_whole = [&](int64_t j) { return unit.columns[j].last - unit.columns[j].first == K; };
  Inner inner = {0, unit.column_count};
  while (inner.first < inner.last && !is_whole(inner.first)) ++inner.first;
  while (inner.last > inner.first && !is_whole(inner.last - 1)) --inner.last;
  for (int64_t j = inner.first + 1; j < inner.last; ++j)
    if (!is_whole(j) || unit.columns[j].first - unit.columns[j - 1].first != S) return {0, 0};
  return inner;
}

// Returns false, and does nothing, where the windows are of another kind.
template <int K, int S>
bool max_pool_squares(const Pool& unit) {
  if (unit.row_step != 1 || unit.column_step != 1) return false;
  for (int64_t i = 0; i < unit.row_count; ++i)
    if (unit.rows[i].last - unit.rows[i].first > K) return false;
  const Inner inner = inner_outputs<K, S>(unit);
  if (inner.first == inner.last) return false;
  const int64_t left = unit.columns[inner.first].first * kLanes;
  for (int64_t i = 0; i < unit.row_count; ++i) {
    const PoolWindow window = unit.rows[i];
    float* const y = unit.y + i * unit.y_row_stride;
    const float* rows[K];
    for (int r = 0; r < K; ++r) rows[r] = row_of(unit, window.first + r < window.last ? window.first + r : window.last - 1) + left;
    const Vec total = max_of_squares<K, S>(rows, y + inner.first * kLanes, inner.last - inner.first);
    const bool finite = sum(total - total) == 0;
    max_of_windows(unit, window, y, 0, finite ? inner.first : unit.column_count);
    if (finite) max_of_windows(unit, window, y, inner.last, unit.column_count);
  }
  return true;
}

}  // namespace

void max_pool(const Pool& unit) {
  if (max_pool_squares<3, 2>(unit) || max_pool_squares<2, 2>(unit) || max_pool_squares<3, 1>(unit)) return;
  for (int64_t i = 0; i < unit.row_count; ++i) max_of_windows(unit, unit.rows[i], unit.y + i * unit.y_row_stride, 0, unit.column_count);
}

namespace {

using Bytes = unsigned char __attribute__((vector_size(kLanes)));

FASTCNN_INLINE void store_place(unsigned char* to, IntVec place) {
  const Bytes bytes = __builtin_convertvector(place, Bytes);
  memcpy(to, &bytes, sizeof bytes);
}
FASTCNN_INLINE void store_place(int32_t* to, IntVec place) { memcpy(to, &place, sizeof place); }

FASTCNN_INLINE IntVec load_place(const unsigned char* from) {
  Bytes bytes;
  memcpy(&bytes, from, sizeof bytes);
  return __builtin_convertvector(bytes, IntVec);
}
FASTCNN_INLINE IntVec load_place(const int32_t* from) {
  IntVec place;
  memcpy(&place, from, sizeof place);
  return place;
}

// Place: the type of an element of `places`.
template <class Place>
void find_places(const MaxPoolPlaces& unit) {
  const PoolGrid& windows = unit.windows;
  Place* to = static_cast<Place*>(unit.places);
  for (int64_t i = 0; i < windows.row_count; ++i)
    for (int64_t j = 0; j < windows.column_count; ++j, to += kLanes) {
      Vec most = broadcast(-__builtin_inff());
      IntVec first{};
      int32_t tap = 0;
      for_each_tap(windows.rows[i], windows.row_step, unit.x_row_stride, windows.columns[j], windows.column_step, [&](int64_t at) {
        const Vec x = load(unit.x + at);
        const IntVec higher = (x > most) | ((x != x) & (most == most));
        most = select(higher, x, most);
        first = higher ? IntVec{} + tap : first;
        ++tap;
      });
      store_place(to, first);
    }
}

template <class Place>
void add_to_places(const MaxPoolBackward& unit) {
  const PoolGrid& windows = unit.windows;
  const Place* from = static_cast<const Place*>(unit.places);
  for (int64_t i = 0; i < windows.row_count; ++i)
    for (int64_t j = 0; j < windows.column_count; ++j, from += kLanes) {
      const IntVec place = load_place(from);
      const Vec dy = load(unit.dy + i * unit.dy_row_stride + j * kLanes);
      int32_t tap = 0;
      for_each_tap(windows.rows[i], windows.row_step, unit.dx_row_stride, windows.columns[j], windows.column_step, [&](int64_t at) {
        store(unit.dx + at, load(unit.dx + at) + select(place == IntVec{} + tap, dy, zero()));
        ++tap;
      });
    }
}

}  // namespace

void max_pool_places(const MaxPoolPlaces& args) {
  const MaxPoolPlaces unit = args;  // a copy that no store can change
  if (unit.wide)
    find_places<int32_t>(unit);
  else
    find_places<unsigned char>(unit);
}

void max_pool_backward(const MaxPoolBackward& args) {
  const MaxPoolBackward unit = args;
  for (int64_t h = 0; h < unit.x_rows; ++h) memset(unit.dx + h * unit.dx_row_stride, 0, sizeof(float) * (size_t)(unit.x_columns * kLanes));
  if (unit.wide)
    add_to_places<int32_t>(unit);
  else
    add_to_places<unsigned char>(unit);
}

namespace {

// y[i, j] = value(rows, columns) for the windows of each output.
template <class Value>
FASTCNN_INLINE void for_each_window(const Pool& unit, Value&& value) {
  for (int64_t i = 0; i < unit.row_count; ++i) {
    const PoolWindow rows = unit.rows[i];
    float* y = unit.y + i * unit.y_row_stride;
    for (int64_t j = 0; j < unit.column_count; ++j) store(y + j * kLanes, value(rows, unit.columns[j]));
  }
}

}  // namespace

// Each row of a window is summed by itself first: the sums are shorter, and rows do not wait for each other.
void avg_pool(const Pool& unit) {
  for_each_window(unit, [&](PoolWindow rows, PoolWindow columns) FASTCNN_INLINE_LAMBDA {
    Vec total = zero();
    for (int64_t r = rows.first; r < rows.last; ++r) {
      const float* x = unit.x + r * unit.x_row_stride;
      Vec sum = zero();
      for (int64_t c = columns.first; c < columns.last; ++c) sum += load(x + c * kLanes);
      total += sum;
    }
    return total * broadcast(rows.scale * columns.scale);
  });
}

// x is the gradient of the output, y that of the input; a window has the outputs that an input is part of.
void avg_pool_backward(const Pool& unit) {
  for_each_window(unit, [&](PoolWindow rows, PoolWindow columns) FASTCNN_INLINE_LAMBDA {
    Vec total = zero();
    for (int64_t r = rows.first; r < rows.last; ++r) {
      const float* x = unit.x + r * unit.x_row_stride;
      for (int64_t c = columns.first; c < columns.last; ++c)
        total = fma(load(x + c * kLanes), broadcast(unit.row_scales[r] * unit.column_scales[c]), total);
    }
    return total;
  });
}

}  // namespace fastcnn::FASTCNN_ISA
