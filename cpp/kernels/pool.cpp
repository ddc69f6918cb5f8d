// Pooling of one channel block. A lane is a channel, so a window is a loop over its pixels; windows are clipped, and the ring is never
// read.
#include "kernels/kernels.h"
#include "simd/vec.h"

namespace fastcnn::FASTCNN_ISA {

namespace {

// A NaN is the maximum of anything: max keeps the one that stands second, and the one that stands first is put back.
FASTCNN_INLINE Vec max_or_nan(Vec x, Vec most) { return select(x != x, x, max(x, most)); }

// Calls body(offset) for every pixel of a window, in row-major order.
template <class Body>
FASTCNN_INLINE void for_each_tap(const PoolWindow& rows, int64_t row_step, int64_t row_stride, const PoolWindow& columns,
                                 int64_t column_step, Body&& body) {
  for (int64_t r = rows.first; r < rows.last; r += row_step)
    for (int64_t c = columns.first; c < columns.last; c += column_step) body(r * row_stride + c * kLanes);
}

}  // namespace

void max_pool(const Pool& unit) {
  for (int64_t i = 0; i < unit.row_count; ++i) {
    float* y = unit.y + i * unit.y_row_stride;
    for (int64_t j = 0; j < unit.column_count; ++j) {
      Vec most = broadcast(-__builtin_inff());
      for_each_tap(unit.rows[i], unit.row_step, unit.x_row_stride, unit.columns[j], unit.column_step,
                   [&](int64_t at) { most = max_or_nan(load(unit.x + at), most); });
      store(y + j * kLanes, most);
    }
  }
}

// For every window: the number of its first maximum, lane by lane, then the gradient to that tap.
void max_pool_backward(const MaxPoolBackward& args) {
  const MaxPoolBackward unit = args;  // a copy that no store can change
  for (int64_t h = 0; h < unit.x_rows; ++h) memset(unit.dx + h * unit.dx_row_stride, 0, sizeof(float) * (size_t)(unit.x_columns * kLanes));
  for (int64_t i = 0; i < unit.row_count; ++i) {
    const PoolWindow rows = unit.rows[i];
    for (int64_t j = 0; j < unit.column_count; ++j) {
      const PoolWindow columns = unit.columns[j];
      Vec most = broadcast(-__builtin_inff());
      IntVec first{};
      int32_t tap = 0;
      for_each_tap(rows, unit.row_step, unit.x_row_stride, columns, unit.column_step, [&](int64_t at) {
        const Vec x = load(unit.x + at);
        const IntVec higher = (x > most) | ((x != x) & (most == most));
        most = select(higher, x, most);
        first = higher ? IntVec{} + tap : first;
        ++tap;
      });
      const Vec dy = load(unit.dy + i * unit.dy_row_stride + j * kLanes);
      tap = 0;
      for_each_tap(rows, unit.row_step, unit.dx_row_stride, columns, unit.column_step, [&](int64_t at) {
        store(unit.dx + at, load(unit.dx + at) + select(first == IntVec{} + tap, dy, zero()));
        ++tap;
      });
    }
  }
}

// Each row of a window is summed by itself first: shorter sums, and rows that do not wait for each other.
void avg_pool(const Pool& unit) {
  for (int64_t i = 0; i < unit.row_count; ++i) {
    const PoolWindow rows = unit.rows[i];
    float* y = unit.y + i * unit.y_row_stride;
    for (int64_t j = 0; j < unit.column_count; ++j) {
      const PoolWindow columns = unit.columns[j];
      Vec total = zero();
      for (int64_t r = rows.first; r < rows.last; ++r) {
        const float* x = unit.x + r * unit.x_row_stride;
        Vec sum = zero();
        for (int64_t c = columns.first; c < columns.last; ++c) sum += load(x + c * kLanes);
        total += sum;
      }
      store(y + j * kLanes, total * broadcast(rows.scale * columns.scale));
    }
  }
}

// The same walk from the other side: x is the gradient of the output, y that of the input, a window the outputs that saw an input.
void avg_pool_backward(const Pool& unit) {
  for (int64_t i = 0; i < unit.row_count; ++i) {
    const PoolWindow rows = unit.rows[i];
    float* y = unit.y + i * unit.y_row_stride;
    for (int64_t j = 0; j < unit.column_count; ++j) {
      const PoolWindow columns = unit.columns[j];
      Vec total = zero();
      for (int64_t r = rows.first; r < rows.last; ++r) {
        const float* x = unit.x + r * unit.x_row_stride;
        for (int64_t c = columns.first; c < columns.last; ++c)
          total = fma(load(x + c * kLanes), broadcast(unit.row_scales[r] * unit.column_scales[c]), total);
      }
      store(y + j * kLanes, total);
    }
  }
}

}  // namespace fastcnn::FASTCNN_ISA
