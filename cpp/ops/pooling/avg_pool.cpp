// avg_pool(x) -> y(N, C, OH, OW): the sum of each window of x(N, C, H, W), divided by `divisor`, or by the pixels of the window if that is
// 0. Padding counts as pixels if count_include_pad; the part of a window beyond the padding (ceil_mode) never does. avg_pool_backward(dy)
// -> dx: each pixel sums the gradients of the windows that it lies in, which are neighbours. All are images.
//
// Attributes of both: kernel, stride, padding (top, left, bottom, right), ceil_mode, count_include_pad, divisor; or adaptive, the size of
// the output. The backward has also input_shape.
#include <algorithm>

#include "ops/ops.h"
#include "ops/pooling/pool_windows.h"

namespace fastcnn {

namespace {

PoolGeometry geometry(std::string_view op, const Attributes& attributes, const Shape& input) {
  require(!attributes.has("dilation"), op, "windows must have no dilation", "the attribute dilation");
  const PoolGeometry g = pool_geometry(op, attributes, input);
  if (!g.rows.adaptive) {
    attributes.flag("count_include_pad");
    const Index divisor = attributes.integer("divisor");
    require(divisor >= 0, op, "divisor must be positive, or 0 for none", "divisor=", divisor);
  }
  return g;
}

// The clipped windows, each with the factor of its sum. The factor of an output is that of its row times that of its column.
PoolWindows average_windows(const PoolAxis& a, const Attributes& attributes, bool divisor_here) {
  PoolWindows found = clipped_windows(a);
  const Index divisor = a.adaptive ? 0 : attributes.integer("divisor");
  const bool padding_counts = !a.adaptive && attributes.flag("count_include_pad");
  for (std::size_t i = 0; i < found.windows.size(); ++i) {
    PoolWindow& window = found.windows[i];
    const Index start = static_cast<Index>(i) * a.stride - a.before;
    const Index pixels = padding_counts ? std::min(start + a.kernel, a.size + a.after) - start : window.last - window.first;
    window.scale = static_cast<float>(1.0 / static_cast<double>(divisor == 0 ? pixels : divisor_here ? divisor : 1));
  }
  return found;
}

// Rows and columns. A divisor is applied in the rows alone.
std::pair<PoolWindows, PoolWindows> windows_of(const PoolGeometry& g, const Attributes& attributes) {
  return {average_windows(g.rows, attributes, true), average_windows(g.columns, attributes, false)};
}

// For each input the outputs whose windows contain it. They are neighbours, because neither end of a window ever moves back.
PoolWindows transposed(const PoolWindows& forward, Index size) {
  PoolWindows found;
  const auto& windows = forward.windows;
  for (const PoolWindow& window : windows) found.tap_scales.push_back(window.scale);
  Index first = 0, last = 0;
  const Index outputs = static_cast<Index>(windows.size());
  for (Index i = 0; i < size; ++i) {
    while (first < outputs && windows[static_cast<std::size_t>(first)].last <= i) ++first;
    while (last < outputs && windows[static_cast<std::size_t>(last)].first <= i) ++last;
    found.windows.push_back({first, last, 1.0f});
  }
  return found;
}

std::vector<TensorType> infer(const NodeView& node) {
  return {{.shape = geometry("avg_pool", node.attributes, node.input(0).shape).output}};
}

std::optional<Band> band(const NodeView& node, RowRange made) {
  return pool_band(node, geometry("avg_pool", node.attributes, node.input(0).shape).rows, made);
}

Step bind(const BindScope& scope) {
  const PoolGeometry g = geometry("avg_pool", scope.attributes, scope.inputs[0].type.shape);
  const auto [rows, columns] = windows_of(g, scope.attributes);
  Step step = bind_pool(scope.inputs[0], scope.outputs[0], rows, columns, scope.kernels.avg_pool);
  step.flops = g.taps();
  return step;
}

void backward(GradientScope& scope) {
  Attributes attributes = scope.attributes;
  attributes.set("input_shape", scope.graph.type(scope.inputs[0]).shape.sizes());
  scope.give(0, "avg_pool_backward", {scope.output_gradients[0]}, attributes);
}

std::vector<TensorType> infer_backward(const NodeView& node) {
  const Shape &dy = node.input(0).shape, x(node.attributes.integers("input_shape"));
  const Shape y = geometry("avg_pool_backward", node.attributes, x).output;
  check_gradient("avg_pool_backward", dy, y, "output");
  return {{.shape = x}};
}

Step bind_backward(const BindScope& scope) {
  const PoolGeometry g = geometry("avg_pool_backward", scope.attributes, scope.outputs[0].type.shape);
  const auto [rows, columns] = windows_of(g, scope.attributes);
  Step step = bind_pool(scope.inputs[0], scope.outputs[0], transposed(rows, g.rows.size), transposed(columns, g.columns.size),
                        scope.kernels.avg_pool_backward);
  step.flops = 2 * g.taps();
  return step;
}

}  // namespace

const Op k_avg_pool = {
    .name = "avg_pool", .inputs = "x", .infer = infer, .layout = want_image, .bind = bind, .backward = backward, .band = band};
const Op k_avg_pool_backward = {
    .name = "avg_pool_backward", .inputs = "dy", .infer = infer_backward, .layout = want_image, .bind = bind_backward};

}  // namespace fastcnn
