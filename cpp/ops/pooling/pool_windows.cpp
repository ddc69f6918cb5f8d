#include "ops/pooling/pool_windows.h"

#include <algorithm>

#include "ops/views/image_pieces.h"
#include "ops/views/image_view.h"
#include "ops/views/row_bands.h"

namespace fastcnn {

namespace {

// Outputs along one axis. With ceil_mode there may be a last window that ends beyond the padding, if it starts in the input or in the
// padding before it.
Index pooled_size(const PoolAxis& a, bool ceil_mode) {
  const Index steps = a.size + a.before + a.after - a.span();  // from the first window to the last possible one
  if (!ceil_mode) return steps / a.stride + 1;
  const Index outputs = ceil_div(steps, a.stride) + 1;
  return (outputs - 1) * a.stride < a.size + a.before ? outputs : outputs - 1;
}

// Windows are kept in tables, which must not fill the memory.
void check_outputs(std::string_view op, const PoolAxis& a) {
  constexpr Index kMostOutputs = Index{1} << 24;
  require(a.outputs <= kMostOutputs, op, join("an axis must have at most ", kMostOutputs, " outputs"), a.outputs);
}

PoolAxis adaptive_axis(std::string_view op, Index size, Index outputs) {
  const PoolAxis axis{.size = size, .outputs = outputs, .adaptive = true};
  check_outputs(op, axis);
  return axis;
}

}  // namespace

double PoolGeometry::taps() const {
  const auto most = [](const PoolAxis& a) { return a.adaptive ? ceil_div(a.size, a.outputs) : std::min(a.kernel, a.size); };
  return static_cast<double>(output.elements()) * static_cast<double>(most(rows) * most(columns));
}

PoolGeometry pool_geometry(std::string_view op, const Attributes& attributes, const Shape& input) {
  require(input.rank() == 4, op, "input must be (N, C, H, W)", input);
  require(input[1] >= 1 && input[2] >= 1 && input[3] >= 1, op, "input sizes must be at least 1", input);
  if (attributes.has("adaptive")) {
    const auto& sizes = attributes.integers("adaptive", 2, 1, op);
    return {adaptive_axis(op, input[2], sizes[0]), adaptive_axis(op, input[3], sizes[1]), {input[0], input[1], sizes[0], sizes[1]}};
  }
  const auto& kernel = attributes.integers("kernel", 2, 1, op);
  const auto& stride = attributes.integers("stride", 2, 1, op);
  const auto& padding = attributes.integers("padding", 4, 0, op);
  const auto dilation = attributes.has("dilation") ? attributes.integers("dilation", 2, 1, op) : std::vector<Index>{1, 1};
  const bool ceil_mode = attributes.flag("ceil_mode");
  const auto axis = [&](std::size_t i) {
    PoolAxis a{.size = input[static_cast<int>(i) + 2],
               .outputs = 0,
               .kernel = kernel[i],
               .stride = stride[i],
               .before = padding[i],
               .after = padding[i + 2],
               .dilation = dilation[i],
               .adaptive = false};
    require(std::max(a.before, a.after) <= a.kernel / 2, op, "padding must be at most half the kernel",
            "padding=", std::max(a.before, a.after), ", kernel=", a.kernel);
    const Index padded = a.size + a.before + a.after;
    require(a.span() <= padded, op, CodedRule{"kernel_larger_than_input", "the kernel must not be larger than the padded input"}, "kernel ",
            a.span(), ", padded input ", padded, i == 0 ? " rows" : " columns");
    a.outputs = pooled_size(a, ceil_mode);
    check_outputs(op, a);
    return a;
  };
  const PoolAxis rows = axis(0), columns = axis(1);
  return {rows, columns, {input[0], input[1], rows.outputs, columns.outputs}};
}

bool is_dilated(const Attributes& pool) { return pool.has("dilation") && pool.integers("dilation") != std::vector<Index>{1, 1}; }

PoolWindows clipped_windows(const PoolAxis& a) {
  PoolWindows found{.windows = {}, .step = a.dilation};
  for (Index i = 0; i < a.outputs; ++i) {
    if (a.adaptive) {
      found.windows.push_back({i * a.size / a.outputs, ceil_div((i + 1) * a.size, a.outputs), 1.0f});
      continue;
    }
    const Index start = i * a.stride - a.before;
    const Index first = start < 0 ? start + round_up(-start, a.dilation) : start;  // the first tap that is a pixel
    found.windows.push_back({first, std::min(a.size, start + a.span()), 1.0f});
  }
  return found;
}

std::optional<Band> pool_band(const NodeView& node, const PoolAxis& a, RowRange made) {
  if (a.adaptive) return {};
  return padded_band(node, {a.size, a.outputs, a.stride, a.span(), a.before, a.after}, made);
}

Step bind_pool(const Operand& from, const Operand& to, PoolWindows rows, PoolWindows columns, PoolKernel kernel) {
  const ImageView x(from), y(to);
  const Index H = to.type.H(), W = to.type.W();
  Step step;
  step.units = y.all_blocks() * H;
  step.run = [=, rows = std::move(rows), columns = std::move(columns)](const RunContext& run, Index begin, Index end) {
    Pool args{};
    args.columns = columns.windows.data();
    args.column_count = W;
    args.column_step = columns.step;
    args.row_step = rows.step;
    args.row_scales = rows.tap_scales.data();
    args.column_scales = columns.tap_scales.data();
    args.x_row_stride = x.strides.row;
    args.y_row_stride = y.strides.row;
    for_images(H, begin, end, [&](Index block, Index row, Index count, Index) {
      args.rows = rows.windows.data() + row;
      args.row_count = count;
      args.x = x.block(run, block);
      args.y = y.block(run, block) + row * y.strides.row;
      kernel(args);
    });
  };
  return step;
}

}  // namespace fastcnn
