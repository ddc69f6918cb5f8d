#include "ops/views/broadcast_rows.h"

#include <algorithm>

#include "ops/views/broadcast.h"
#include "ops/views/rows.h"

namespace fastcnn {

namespace {

constexpr float kZero = 0.0f;

Shape shape_of(const Operand& operand) { return operand.given ? operand.type.shape : Shape{}; }

bool fits_image(const Shape& operand, const Shape& y) { return operand.rank() == 4 && operand[1] == y[1]; }

}  // namespace

LayoutWish broadcast_layout(const NodeView& node) {
  const Shape& y = node.output(0).shape;
  LayoutWish wish = want_all(node, y.rank() == 4 ? Want::same : Want::plain);
  for (std::size_t i = 0; i < node.inputs.size(); ++i)
    if (node.has_input(i) && !fits_image(node.input(i).shape, y)) wish.inputs[i] = Want::plain;
  return wish;
}

BroadcastRows::BroadcastRows(const Operand& y, const std::vector<Operand>& operands, int lanes) : lanes_(lanes) {
  y_.operand = y;
  for (const Operand& operand : operands) {
    ways_.emplace_back();
    ways_.back().operand = operand;
  }
  if (y.type.layout.plain())
    walk_plain();
  else
    walk_image();
  count_ = length_ ? 1 : 0;
  for (Index size : sizes_) count_ *= size;
}

// Walks the axes from the last to the first. An axis joins those behind it where a step along it leads every operand to the place behind
// their end.
void BroadcastRows::walk_plain() {
  const Shape& shape = y_.operand.type.shape;
  std::vector<Way*> all = {&y_};
  for (Way& way : ways_) all.push_back(&way);
  std::vector<std::vector<Index>> strides;
  for (Way* way : all) strides.push_back(broadcast_strides(shape_of(way->operand), shape));

  std::vector<Index> sizes;                            // of the merged axes, the last axis first
  std::vector<std::vector<Index>> merged(all.size());  // their strides, by operand
  for (int axis = shape.rank() - 1; axis >= 0; --axis) {
    if (shape[axis] == 1) continue;
    bool joins = !sizes.empty();
    for (std::size_t k = 0; joins && k < all.size(); ++k)
      joins = strides[k][static_cast<std::size_t>(axis)] == merged[k].back() * sizes.back();
    if (joins) {
      sizes.back() *= shape[axis];
      continue;
    }
    sizes.push_back(shape[axis]);
    for (std::size_t k = 0; k < all.size(); ++k) merged[k].push_back(strides[k][static_cast<std::size_t>(axis)]);
  }
  length_ = sizes.empty() ? 1 : sizes[0];
  chunk_ = RowView::kChunk;
  sizes_.assign(sizes.rbegin(), sizes.empty() ? sizes.rend() : sizes.rend() - 1);
  sizes_.push_back(ceil_div(length_, chunk_));
  for (std::size_t k = 0; k < all.size(); ++k) {
    const Index along = sizes.empty() ? 0 : merged[k][0];  // 1, or 0 where one element is repeated
    all[k]->strides.assign(merged[k].rbegin(), sizes.empty() ? merged[k].rend() : merged[k].rend() - 1);
    all[k]->strides.push_back(along * chunk_);
    all[k]->repeat = along ? Repeat::none : Repeat::element;
  }
}

// Whether the rows of a channel block can be one row: nothing lies between them, each operand has all of them or repeats one pixel, and
// they are short. Large blocks are cut into rows, for threads.
bool BroadcastRows::can_merge_rows() const {
  const TensorType& y = y_.operand.type;
  if (y.layout.ring || y.H() * y.W() * lanes_ > RowView::kChunk) return false;
  return std::all_of(ways_.begin(), ways_.end(), [&](const Way& way) {
    const Shape shape = shape_of(way.operand);
    const Index H = shape.rank() > 1 ? shape[-2] : 1, W = shape.rank() > 0 ? shape[-1] : 1;
    if (H == 1 && W == 1) return true;
    return !way.operand.type.layout.plain() && way.operand.type.layout.ring == 0 && H == y.H() && W == y.W();
  });
}

void BroadcastRows::walk_image() {
  const TensorType& y = y_.operand.type;
  const ImageStrides s = y.strides();
  const bool whole_blocks = can_merge_rows();
  sizes_ = {y.N(), s.blocks, whole_blocks ? std::min<Index>(1, y.H()) : y.H()};
  length_ = chunk_ = (whole_blocks ? y.H() : 1) * y.W() * s.pixel;
  y_.origin = s.origin;
  y_.strides = {s.batch, s.block, s.row};
  for (Way& way : ways_) walk_in_image(way, whole_blocks);
}

void BroadcastRows::walk_in_image(Way& way, bool whole_blocks) {
  const TensorType &y = y_.operand.type, &type = way.operand.type;
  const Shape shape = shape_of(way.operand);
  if (shape.elements() == 1) {
    way.strides = {0, 0, 0};
    way.repeat = Repeat::element;
    way.origin = way.operand.given && !type.layout.plain() ? type.strides().origin : 0;
  } else if (!type.layout.plain()) {
    const ImageStrides s = type.strides();
    way.origin = s.origin;
    way.strides = {type.N() == 1 ? 0 : s.batch, s.block, type.H() == 1 ? 0 : s.row};
    const bool one_pixel = whole_blocks ? type.H() * type.W() == 1 : type.W() == 1;  // for the whole row
    way.repeat = one_pixel ? Repeat::lanes : Repeat::none;
  } else {
    const std::vector<Index> s = broadcast_strides(shape, y.shape);
    way.gathered = true;
    way.strides = {s[0], s[1] * lanes_, s[2]};
    way.channel_stride = s[1];
    way.pixel_stride = s[3];
    way.pixels = s[3] ? y.W() : 1;
    way.repeat = s[3] ? Repeat::none : Repeat::lanes;
    way.scratch = scratch_;
    scratch_ += way.pixels * lanes_;
  }
}

BroadcastRows::Row BroadcastRows::row(Index i, const RunContext& run) const {
  Row row{};
  for (std::size_t axis = sizes_.size(); axis-- > 0; i /= sizes_[axis]) row.at[axis] = i % sizes_[axis];
  row.y = y_.operand.data(run) + offset(y_, row);
  row.length = std::min(chunk_, length_ - (y_.operand.type.layout.plain() ? row.at[sizes_.size() - 1] * chunk_ : 0));
  return row;
}

Index BroadcastRows::offset(const Way& way, const Row& row) const {
  Index at = way.origin;
  for (std::size_t axis = 0; axis < sizes_.size(); ++axis) at += row.at[axis] * way.strides[axis];
  return at;
}

Repeated BroadcastRows::input(std::size_t operand, const Row& row, const RunContext& run) const {
  const Way& way = ways_[operand];
  if (!way.operand.given) return {&kZero, Repeat::element};
  if (way.gathered) return {gather(way, row, run), way.repeat};
  return {way.operand.data(run) + offset(way, row), way.repeat};
}

const float* BroadcastRows::gather(const Way& way, const Row& row, const RunContext& run) const {
  const float* from = way.operand.data(run) + offset(way, row);
  float* to = run.scratch_data() + way.scratch;
  const Index channels = std::min(lanes_, y_.operand.type.C() - row.at[1] * lanes_);
  for (Index pixel = 0; pixel < way.pixels; ++pixel)
    for (Index lane = 0; lane < lanes_; ++lane)
      to[pixel * lanes_ + lane] = lane < channels ? from[pixel * way.pixel_stride + lane * way.channel_stride] : 0.0f;
  return to;
}

}  // namespace fastcnn
