// The slope of an activation with two slopes, as one bit for each element. The backward pass needs nothing more of it.
//   slope_mask(y) -> mask                    y: the output of a ReLU, leaky ReLU or clamp, which determines the slope
//   slope_mask_backward(dy, mask) -> dx      dy, or dy times the other slope: the bits of activation_backward(dy, y)
// Attributes: those of the activation. The pass masks_as_bits.cpp adds both ops.
//
// mask: (words,), plain, words of 32 bits in memory counted as floats. Each row of y (ops/views/rows.h) begins at a new word. Values of
// rank 4 are images in both ops, so both see the same rows.
#include "kernels/kernels.h"
#include "ops/activation_kind.h"
#include "ops/ops.h"
#include "ops/views/rows.h"

namespace fastcnn {

namespace {

Activation checked(const char* op, const Attributes& attributes) {
  const Activation activation = activation_of(attributes);
  const ActivationKind kind = activation.kind;
  require(kind == ActivationKind::relu || kind == ActivationKind::leaky_relu || kind == ActivationKind::clipped, op,
          "the activation must be relu, leaky_relu or clipped", attributes.text("kind"));
  return activation;
}

// Words enough for any ISA: the number of unused bits of a row depends on the lanes.
Index words_of(const Shape& y) {
  if (y.rank() != 4) return ceil_div(y.elements(), 32);
  Index most = 0;
  for (Index lanes : {4, 8, 16}) most = std::max(most, y[0] * ceil_div(y[1], lanes) * y[2] * ceil_div(y[3] * lanes, 32));
  return most;
}

std::vector<TensorType> infer(const NodeView& node) {
  checked("slope_mask", node.attributes);
  return {{.shape = {words_of(node.input(0).shape)}}};
}

std::vector<TensorType> infer_backward(const NodeView& node) {
  checked("slope_mask_backward", node.attributes);
  const Shape &dy = node.input(0).shape, &mask = node.input(1).shape;
  require(mask == Shape{words_of(dy)}, "slope_mask_backward", "the mask must be that of the gradient's shape", "gradient ", dy, ", mask ",
          mask);
  return {{.shape = dy}};
}

Want want(const NodeView& node) { return node.input(0).shape.rank() == 4 ? Want::image : Want::plain; }
LayoutWish layout(const NodeView& node) { return {{want(node)}, {Want::plain}}; }
LayoutWish layout_backward(const NodeView& node) { return {{want(node), Want::plain}, {want(node)}}; }

// The words of a row. All rows but the last have the length of the first.
std::uint32_t* words_of_row(const Operand& mask, const RunContext& run, const OperandRows& rows, Index row) {
  return mask.data<std::uint32_t>(run) + row * ceil_div(rows.length(0), 32);
}

Step bind(const BindScope& scope) {
  const OperandRows y(scope.inputs[0]);
  const Operand mask = scope.outputs[0];
  const Activation activation = activation_of(scope.attributes);
  Step step = bind_units(y.count(), [=, kernel = scope.kernels.slope_mask](const RunContext& run, Index i) {
    kernel(words_of_row(mask, run, y, i), y.data(run, i), y.length(i), activation);
  });
  step.flops = elements_of(scope.inputs[0]);
  return step;
}

Step bind_backward(const BindScope& scope) {
  const OperandRows dy(scope.inputs[0]), dx(scope.outputs[0]);
  const Operand mask = scope.inputs[1];
  const Activation activation = activation_of(scope.attributes);
  const float other = activation.kind == ActivationKind::leaky_relu ? activation.a : 0.0f;
  Step step = bind_units(dx.count(), [=, kernel = scope.kernels.slope_mask_backward](const RunContext& run, Index i) {
    kernel(dx.data(run, i), dy.data(run, i), words_of_row(mask, run, dx, i), dx.length(i), other);
  });
  step.flops = 2 * elements_of(scope.outputs[0]);
  return step;
}

}  // namespace

const Op k_slope_mask = {.name = "slope_mask", .inputs = "y", .infer = infer, .layout = layout, .bind = bind};
const Op k_slope_mask_backward = {.name = "slope_mask_backward",
                                  .inputs = "dy mask",
                                  .infer = infer_backward,
                                  .layout = layout_backward,
                                  .bind = bind_backward,
                                  .in_place = {0}};

}  // namespace fastcnn
