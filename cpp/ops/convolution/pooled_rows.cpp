#include "ops/convolution/pooled_rows.h"

#include <numeric>

namespace fastcnn {

namespace {

// Floats in a row: an odd number of vectors, so that neighbouring rows do not share sets of the cache.
Index row_elements(const ConvProblem& p) { return (p.out_w | 1) * p.lanes; }

// Strips whose rows, of all channels, stay in the cache. They begin at pooled rows that begin a group of rows.
Strips strips_of(const ConvProblem& p, Index group) {
  const Index stride = p.pool->rows.stride;
  const Index bytes = p.out_blocks() * row_elements(p) * stride * bytes_of(DType::f32);
  return {p.pool->rows.outputs, bytes, p.N, group / std::gcd(group, stride)};
}

}  // namespace

PooledRows::PooledRows(const ConvProblem& p, Index group)
    : images_(p.N),
      blocks_(p.out_blocks()),
      out_h_(p.out_h),
      group_(group),
      row_(row_elements(p)),
      slots_(0),
      strips_(strips_of(p, group)),
      rows_(clipped_windows(p.pool->rows)),
      columns_(clipped_windows(p.pool->columns)) {
  Index step = group;  // rows from a strip to the next; the slots are a multiple of it, so that the rows of most strips are neighbours
  for (Index strip = 0; strip < strips_.count; ++strip) {
    slots_ = std::max(slots_, rows_of(strip).last - rows_of(strip).first);
    step = std::max(step, round_up(strips_.size(strip) * p.pool->rows.stride, group));
  }
  slots_ = round_up(slots_, step);
}

bool PooledRows::fits_cache() const {
  constexpr Index kMostBytes = 512 << 10;  // half of a typical L2
  return scratch_elements() * bytes_of(DType::f32) <= kMostBytes;
}

PooledRows::Rows PooledRows::rows_of(Index strip) const {
  const Index begin = strips_.begin(strip), end = strips_.begin(strip + 1);
  if (begin == end) return {0, 0};
  const PoolWindow &first = rows_.windows[static_cast<std::size_t>(begin)], &last = rows_.windows[static_cast<std::size_t>(end - 1)];
  return {first.first / group_ * group_, std::min(out_h_, round_up(last.last, group_))};
}

void PooledRows::pool(const Kernels& kernels, const ImageView& y, const RunContext& run, const float* scratch, Index image,
                      Index strip) const {
  const Index first = strips_.begin(strip);
  Pool args{};
  args.rows = rows_.windows.data() + first;
  args.row_count = strips_.size(strip);
  args.row_step = rows_.step;
  args.columns = columns_.windows.data();
  args.column_count = y.operand.type.W();
  args.column_step = columns_.step;
  args.x_row_stride = row_;
  args.x_slots = slots_;
  args.y_row_stride = y.strides.row;
  for (Index block = 0; block < blocks_; ++block) {
    args.x = scratch + block * block_stride();
    args.y = y.block(run, image, block) + first * y.strides.row;
    kernels.max_pool(args);
  }
}

}  // namespace fastcnn
