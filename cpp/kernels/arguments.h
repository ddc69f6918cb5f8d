// Arguments of the kernels, one struct for each that takes more than a few. Plain data; lengths and strides count floats.
#pragma once

#include <stdint.h>

namespace fastcnn {

// Element-wise functions. `a` and `b` are the parameters of those that have some.
enum class ActivationKind : int32_t {
  identity,
  relu,        // max(x, 0)
  clipped,     // min(max(x, a), b): ReLU6 is a = 0, b = 6
  leaky_relu,  // x >= 0 ? x : a x
  elu,         // x > 0 ? x : a (e^x - 1)
  sigmoid,
  tanh,
  silu,         // x sigmoid(x)
  gelu,         // x Phi(x), exact (erf)
  hardsigmoid,  // clip(x / 6 + 1/2, 0, 1)
  hardswish,    // x hardsigmoid(x)
  mish,         // x tanh(log(1 + e^x))
};

struct Activation {
  ActivationKind kind = ActivationKind::identity;
  float a = 0, b = 0;
};

// One unit of a direct convolution: some rows of one image, one or two blocks of output channels.
//   output[r, x, o] = act(bias[o] + sum over input blocks ib, kernel rows i, kernel columns j, channels k of
//                         input[ib, r row_step + i tap_row, x pixel_step + j tap_column, k] weights[ib, i, j, k, o] + residual[r, x, o])
struct ConvDirect {
  const float* input;     // tap (0, 0) of the unit's first output pixel, first input block
  const float* weights;   // (input blocks, kernel_h, kernel_w, channels of the block, output_blocks * lanes)
  const float* bias;      // output_blocks * lanes
  float* output;          // the unit's first output pixel
  const float* residual;  // added before the activation, strided like the output's rows, or nullptr
  int rows, columns;      // output pixels of the unit
  int kernel_h, kernel_w;
  int input_blocks, block_channels, last_channels;  // channels in each block but the last, and in the last
  int output_blocks;                                // 1 or 2
  int64_t input_block_stride, row_step, pixel_step, tap_row, tap_column;
  int64_t output_block_stride, output_row_stride, output_pixel_stride;
  int64_t residual_block_stride, residual_row_stride;
  Activation activation;
};

// The gradient of the weights between one block of input channels and one block of output channels at one kernel tap (or, with block 1, a
// row of taps): dweight[t, o] += sum over images n, rows r, columns x of input[n, r row_step, x pixel_step + t tap] doutput[n, r, x, o].
struct ConvWeightGradient {
  const float* input;
  const float* doutput;
  float* dweight;  // (taps, lanes), overwritten
  int images, rows, columns, taps;
  int64_t input_image_stride, input_row_stride, input_pixel_stride, tap_stride;
  int64_t doutput_image_stride, doutput_row_stride;
};

// Depthwise convolution of some rows of one channel block: each lane is a channel of its own. weights: (kernel_h, kernel_w, lanes).
struct ConvDepthwise {
  const float* input;
  const float* weights;
  const float* bias;
  float* output;
  const float* residual;
  int rows, columns;
  int kernel_h, kernel_w;
  int64_t row_step, pixel_step, tap_row, tap_column;
  int64_t output_row_stride, output_pixel_stride;
  int64_t residual_row_stride;
  Activation activation;
};

// One row of pixels, all channels, from one channel block to another. One of the blocks is 1, or both are equal.
struct ReorderRow {
  const float* from;
  float* to;
  int columns, channels;
  int from_block, to_block;
  int64_t from_block_stride, to_block_stride;
};

// y[r, o] = act(bias[o] + sum over i of x[r, i] weights[o, i]): plain row-major arrays, weights never packed.
struct LinearRows {
  const float* x;
  const float* weights;
  const float* bias;  // or nullptr
  float* y;
  int64_t rows, outputs, inputs;
  int64_t x_stride, weights_stride, y_stride;
  Activation activation;
};

// c[m, n] = sum over k of a[m a_row + k a_column] b[k, n], n contiguous. Overwrites c.
struct MultiplyRows {
  const float* a;
  const float* b;
  float* c;
  int64_t m, n, k;
  int64_t a_row, a_column, b_stride, c_stride;
};

}  // namespace fastcnn
