// The operands of a convolution algorithm of the table, and the arguments of kernels that they determine.
#pragma once

#include "ops/activation_kind.h"
#include "ops/convolution/algorithms.h"
#include "ops/views/image_view.h"

namespace fastcnn {

// Inputs 0, 1 and 3, and output 0 of the scope. x: (N, in_channels, in_h, in_w), an image, or plain where the algorithm reads planes.
// residual, y: (N, out_channels, out_h, out_w), images; with a pooling y has the shape of the pooled image.
struct ConvOperands {
  ImageView x;
  Operand prepared;    // the weights in the order of the algorithm, then the padded bias
  ImageView residual;  // may be left out
  ImageView y;
  Activation activation;

  explicit ConvOperands(const BindScope& scope)
      : x(scope.inputs[0]),
        prepared(scope.inputs[1]),
        residual(scope.inputs.size() > 3 ? scope.inputs[3] : Operand{}),
        y(scope.outputs[0]),
        activation(fused_activation(scope.attributes)) {}
};

// Output rows first_row .. first_row + rows - 1 of a walk, in one image.
struct WalkedRows {
  Index image, in_block, out_block;
  Index first_row, rows;
};

// Sets the arguments that say how a kernel steps along a pair of walks, where rows and pixels of input and output are these distances
// apart. Kernel is ConvDirect or ConvDepthwise.
template <class Kernel>
void set_steps(Kernel& kernel, const WalkPair& walks, Index in_row, Index in_pixel, Index out_row, Index out_pixel) {
  const AxisWalk &r = walks.row, &c = walks.column;
  kernel.kernel_h = static_cast<int>(r.taps);
  kernel.kernel_w = static_cast<int>(c.taps);
  kernel.row_step = r.in_step * in_row;
  kernel.pixel_step = c.in_step * in_pixel;
  kernel.tap_row = r.tap_step * in_row;
  kernel.tap_column = c.tap_step * in_pixel;
  kernel.output_row_stride = r.out_step * out_row;
  kernel.output_pixel_stride = c.out_step * out_pixel;
}

// The arguments of a kernel for such rows, without weights and bias, and for ConvDirect without the number and the strides of blocks.
template <class Kernel>
Kernel walk_arguments(const ConvOperands& operands, const RunContext& run, const WalkPair& walks, const WalkedRows& part) {
  const AxisWalk &r = walks.row, &c = walks.column;
  const ImageStrides &xs = operands.x.strides, &ys = operands.y.strides, &rs = operands.residual.strides;
  Kernel kernel{};
  kernel.input =
      operands.x.block(run, part.image, part.in_block) + (r.in_first + part.first_row * r.in_step) * xs.row + c.in_first * xs.pixel;
  kernel.output =
      operands.y.block(run, part.image, part.out_block) + (r.out_first + part.first_row * r.out_step) * ys.row + c.out_first * ys.pixel;
  if (operands.residual.operand.given) kernel.residual = operands.residual.block(run, part.image, part.out_block) + part.first_row * rs.row;
  kernel.residual_row_stride = rs.row;
  kernel.rows = static_cast<int>(part.rows);
  kernel.columns = static_cast<int>(c.count);
  set_steps(kernel, walks, xs.row, xs.pixel, ys.row, ys.pixel);
  kernel.activation = operands.activation;
  return kernel;
}

}  // namespace fastcnn
