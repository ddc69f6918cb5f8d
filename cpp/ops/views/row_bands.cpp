#include "ops/views/row_bands.h"

#include <algorithm>

namespace fastcnn {

namespace {

struct WindowBand {
  RowRange rows;
  Index before, after;
};

// No value where the windows see padding alone.
std::optional<WindowBand> window_band(const RowWindows& w, RowRange made) {
  const Index first = made.begin * w.stride - w.before, end = (made.end - 1) * w.stride - w.before + w.span;
  WindowBand band{
      {std::max(Index{0}, first), std::min(w.size, end + w.more)}, std::max(Index{0}, -first), std::max(Index{0}, end - w.size)};
  // The last band keeps the rows that no window sees, and all of the padding: windows hang over the end as in the whole image.
  if (made.end == w.outputs) {
    band.rows.end = w.size;
    band.after = w.after;
  }
  if (made.empty() || band.rows.empty()) return {};
  return band;
}

}  // namespace

std::optional<Band> padded_band(const NodeView& node, const RowWindows& windows, RowRange made) {
  const std::optional<WindowBand> cut = window_band(windows, made);
  if (!cut) return {};
  Band band{node.attributes, std::vector<std::optional<Band::Input>>(node.inputs.size())};
  std::vector<Index> padding = node.attributes.integers("padding");
  padding[0] = cut->before;
  padding[2] = cut->after;
  band.attributes.set("padding", std::move(padding));
  band.inputs[0] = {cut->rows};
  return band;
}

std::optional<Band> band_elementwise(const NodeView& node, RowRange made) {
  const TensorType& y = node.output(0);
  if (y.shape.rank() != 4 || y.layout.plain()) return {};
  Band band{node.attributes, std::vector<std::optional<Band::Input>>(node.inputs.size())};
  for (std::size_t i = 0; i < node.inputs.size(); ++i) {
    if (!node.has_input(i)) continue;
    const TensorType& x = node.input(i);
    if (x.shape.rank() < 2 || x.shape[-2] == 1) continue;  // the same for all rows
    if (x.shape.rank() != 4 || x.layout.block != y.layout.block) return {};
    band.inputs[i] = {made};
  }
  return band;
}

}  // namespace fastcnn
