// max_pool: y(N, C, OH, OW) = the maximum of each window of x(N, C, H, W); a NaN in a window is its maximum.
// max_pool_backward(dy, x) -> dx: each window's gradient goes to its first maximum, in row-major order.
//
// Attributes of both: kernel, stride, padding (top, left, bottom, right), dilation, ceil_mode; or adaptive, the size of the output.
#include "ops/ops.h"
#include "ops/pool_windows.h"

namespace fastcnn {

namespace {

std::vector<TensorType> infer(const NodeView& node) {
  return {{.shape = pool_geometry("max_pool", node.attributes, node.input(0).shape).output}};
}

std::optional<Band> band(const NodeView& node, RowRange made) {
  return pool_band(node, pool_geometry("max_pool", node.attributes, node.input(0).shape).rows, made);
}

Step bind(const BindScope& scope) {
  const PoolGeometry g = pool_geometry("max_pool", scope.attributes, scope.inputs[0].type.shape);
  Step step = bind_pool(scope.inputs[0], scope.outputs[0], clipped_windows(g.rows), clipped_windows(g.columns), scope.kernels.max_pool);
  step.flops = g.taps();
  return step;
}

void backward(GradientScope& scope) {
  if (scope.wanted[0])
    scope.input_gradients[0] = scope.graph.add_one("max_pool_backward", {scope.output_gradients[0], scope.inputs[0]}, scope.attributes);
}

std::vector<TensorType> infer_backward(const NodeView& node) {
  const Shape &dy = node.input(0).shape, &x = node.input(1).shape;
  const Shape y = pool_geometry("max_pool_backward", node.attributes, x).output;
  require(dy == y, "max_pool_backward", "the gradient must have the shape of the output", "gradient ", dy, ", output ", y);
  return {{.shape = x}};
}

// Windows overlap, so a unit owns all of dx in one channel block of one image.
Step bind_backward(const BindScope& scope) {
  const Operand dy = scope.inputs[0], x = scope.inputs[1], dx = scope.outputs[0];
  const PoolGeometry g = pool_geometry("max_pool_backward", scope.attributes, x.type.shape);
  const ImageStrides dys = dy.type.strides(), xs = x.type.strides(), dxs = dx.type.strides();
  Step step;
  step.units = x.type.N() * xs.blocks;
  step.flops = 2 * g.taps();
  step.run = [=, rows = clipped_windows(g.rows), columns = clipped_windows(g.columns), kernel = scope.kernels.max_pool_backward](
                 const RunContext& run, Index begin, Index end) {
    MaxPoolBackward args{};
    args.rows = rows.windows.data(), args.row_count = g.rows.outputs, args.row_step = rows.step;
    args.columns = columns.windows.data(), args.column_count = g.columns.outputs, args.column_step = columns.step;
    args.x_rows = g.rows.size, args.x_columns = g.columns.size;
    args.dy_row_stride = dys.row, args.x_row_stride = xs.row, args.dx_row_stride = dxs.row;
    for (Index unit = begin; unit < end; ++unit) {
      args.dy = dy.data(run) + dys.origin + dys.image(unit);
      args.x = x.data(run) + xs.origin + xs.image(unit);
      args.dx = dx.data(run) + dxs.origin + dxs.image(unit);
      kernel(args);
    }
  };
  return step;
}

}  // namespace

const Op k_max_pool = {
    .name = "max_pool", .inputs = "x", .infer = infer, .layout = want_image, .bind = bind, .backward = backward, .band = band};
const Op k_max_pool_backward = {
    .name = "max_pool_backward", .inputs = "dy x", .infer = infer_backward, .layout = want_image, .bind = bind_backward};

}  // namespace fastcnn
