// Arguments of the kernels, one struct for each that takes more than a few. Plain data; lengths and strides count floats.
#pragma once

#include <stdint.h>

#include "simd/activation_kind.h"

namespace fastcnn {

// Functions of two numbers.
enum class BinaryKind : int32_t {
  add,
  subtract,
  multiply,
  divide,
  minimum,  // NaN where either is
  maximum,
  power,  // a^b
  equal,  // comparisons: 1 or 0
  less,
  less_equal,
  minimum_slope,   // d min(a, b) / da: 1/2 where they are equal
  power_slope,     // d a^b / da
  exponent_slope,  // d a^b / db
};

// A run of floats that may be shorter than what it stands for.
enum class Repeat : int32_t {
  none,
  element,  // one float, over and over
  lanes,    // as many floats as the ISA has lanes, over and over
};
struct Repeated {
  const float* data;
  Repeat repeat;
};

// y[i] = kind(a[i], b[i]). y may be one of the operands.
struct Binary {
  BinaryKind kind;
  float* y;
  Repeated a, b;
  int64_t count;
};

// y[i] = condition[i] != 0 ? a[i] : b[i]; NaN is true.
struct Where {
  float* y;
  Repeated condition, a, b;
  int64_t count;
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
  int output_blocks, last_outputs;                  // 1 or 2; channels in the last of them: its other lanes' weights and bias are zeros
  bool pixel_pairs;                                 // of two blocks, the last half empty: two pixels may share a vector
  int64_t next_weights;                             // how far from these weights lie those that are needed next, 0: none
  int64_t input_block_stride, row_step, pixel_step, tap_row, tap_column;
  int64_t output_block_stride, output_row_stride, output_pixel_stride;
  int64_t residual_block_stride, residual_row_stride;
  Activation activation;
};

// packed[t, i, o] = filters[o, i, t]; zeros for o from `outputs` on.
struct PackFilters {
  const float* filters;  // (outputs, inputs, taps)
  int64_t filter_stride;
  int outputs;
  int64_t inputs, taps;
  float* packed;  // (taps, inputs, blocks * lanes)
  int blocks;
};

// Rows of an input of few channels, copied with their padding: all channels of a row one after the other.
//   lines[r, c, left + x] = input[c, first_row + r, x] for 0 <= x < columns, where that row exists; everything else in a line is 0
struct PadLines {
  const float* input;  // row 0 of the first channel
  float* lines;        // (rows, channels, line)
  int64_t rows, channels, line;
  int64_t first_row, height;  // height: rows that the input has
  int64_t left, columns;
  int64_t channel_stride, row_stride;
};

constexpr int kFirstTile = 28;  // at most so many vectors are summed at once

// One unit of a convolution over few input channels, from such lines: some rows of one image, all output channels. l stands for the pair of
// a kernel row and a channel.
//   output[r, x, o] = act(bias[o] + sum over l, j of lines[r row_step + l, x pixel_step + j tap_column] weights[l, j, o] + residual[r, x,
//   o])
// conv_first_winograd sums four output rows at once (conv_first_winograd.cpp): then `points` of the transformed rows take the place of
// kernel rows in the weights.
struct ConvFirst {
  const float* lines;     // of the unit's first output row
  const float* weights;   // for each tile, two blocks of output channels or the one that is left: (kernel_h, channels, kernel_w, outputs),
                          // Winograd: (points, stride, channels, kernel_w, outputs)
  const float* bias;      // output_blocks * lanes
  float* output;          // the unit's first output pixel
  const float* residual;  // added before the activation, strided like the output, or nullptr
  float* scratch;         // Winograd only: (points, stride, channels, line), and kFirstTile vectors for each point
  int rows, columns;      // output pixels of the unit
  int kernel_h, channels, kernel_w;
  int output_blocks;
  int outputs;                                     // channels of them all: weights and bias of other lanes are zeros
  int stride;                                      // Winograd only: from an output row to the next, in input rows
  int64_t line, row_step, tap_row;                 // floats in a line, from an output row to the next, from a kernel row to the next
  int64_t pixel_step, tap_column;                  // from an output pixel to the next, from a kernel column to the next
  int64_t output_block_stride, output_row_stride;  // pixels lie side by side
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
  int64_t columns, channels;
  int64_t from_block, to_block;
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

// Entries of an axis, each `count` floats side by side: y[i] = the sum of weights[j] x[indices[j]] for starts[i] <= j < starts[i + 1].
struct WeightedSums {
  const float* x;  // entry 0
  float* y;
  const int64_t* starts;  // outputs + 1
  const int64_t* indices;
  const float* weights;
  int64_t outputs, count;
  int64_t x_stride, y_stride;  // from an entry to the next
};

// The taps that one output of a pooling sees along one axis: first, first + step, ... below last. All are pixels.
struct PoolWindow {
  int64_t first, last;
  float scale;  // of an average
};

// Some rows of a pooling of one channel block: y[i, j] from x[rows[i], columns[j]].
struct Pool {
  const float* x;  // pixel (0, 0)
  float* y;        // the first pixel of the first row
  const PoolWindow* rows;
  const PoolWindow* columns;
  const float* row_scales;  // of each row and column of x, for the gradient of an average
  const float* column_scales;
  int64_t row_count, column_count, row_step, column_step;
  int64_t x_row_stride, y_row_stride;
  int64_t x_slots;  // max_pool: row r of x lies where row r % x_slots would; 0: every row in its own place
};

// All windows of a pooling.
struct PoolGrid {
  const PoolWindow* rows;
  const PoolWindow* columns;
  int64_t row_count, column_count, row_step, column_step;
};

// Where the maximum of each window lies: the number of its first maximum among the window's pixels, row by row, lane by lane. A byte each,
// one output behind the other; four where `wide`, for windows of more than 256 pixels.
struct MaxPoolPlaces {
  const float* x;
  void* places;
  PoolGrid windows;
  int64_t x_row_stride;
  bool wide;
};

// The gradient of a maximum pooling, all of one channel block: dx is overwritten.
struct MaxPoolBackward {
  const float* dy;
  const void* places;
  float* dx;
  PoolGrid windows;
  int64_t x_rows, x_columns;
  int64_t dy_row_stride, dx_row_stride;
  bool wide;
};

// Pixels of one channel block in several images: (n, h, w) lies at n image + h row + w lanes. channels: those of the block that exist.
struct BlockPixels {
  int64_t images, rows, columns;
  int channels;
};
struct PixelStrides {
  int64_t image, row;
};

// y = (x - mean) / sqrt(var + eps) * weight + bias. All four have one value a channel; weight and bias may be nullptr.
struct BatchNorm {
  const float* x;
  float* y;
  const float* weight;
  const float* bias;
  const float* mean;
  const float* var;
  float eps;
  BlockPixels pixels;
  PixelStrides x_strides, y_strides;
  Activation activation;
};

// The statistics of each channel: mean, biased variance, 1 / sqrt(variance + eps).
struct BatchNormStatistics {
  const float* x;
  float* mean;
  float* var;
  float* inv_std;
  float eps;
  BlockPixels pixels;
  PixelStrides x_strides;
};

// The gradients of a batch normalization. batch_statistics: mean and inv_std were made from x, so dx goes through them too.
struct BatchNormBackward {
  const float* dy;
  const float* x;
  float* dx;  // may be dy or x
  const float* weight;
  const float* mean;
  const float* inv_std;
  float* dweight;
  float* dbias;
  bool batch_statistics;
  BlockPixels pixels;
  PixelStrides dy_strides, x_strides, dx_strides;
};

// y[c] = x[c] / (k + alpha sum of x[j]^2 for c - before <= j <= c + after)^beta at `count` positions that lie side by side.
struct LocalResponseNorm {
  const float* x;   // channel 0
  const float* dy;  // backward
  float* y;         // forward: channel 0 of y; backward: of dx, which may be dy
  float* scratch;   // backward: channels * count
  int64_t channels, count, channel_stride;
  int64_t first, last;  // forward: channels first .. last - 1 are made
  int64_t before, after;
  float alpha, beta, k;
};

// y = x * scale or, where the random number of the element is too small, 0. Lane l of vector v is element first + v vector_step + l
// lane_step.
struct Dropout {
  const float* x;
  float* y;
  int64_t count;
  uint32_t first, vector_step, lane_step;
  uint32_t key[2];
  int32_t limit;  // random numbers are uniform in [0, 2^31); those above the limit keep their element
  float scale;
};

// One optimizer step for some weights w with gradient g: g is scaled, then weight_decay w is added to it; w is multiplied by keep_weights;
// the rest is each optimizer's own (kernels/optimizer.cpp).
struct WeightUpdate {
  float* weights;
  const float* gradient;
  float* first;  // slots: what each optimizer remembers of the steps before, or nullptr
  float* second;
  int64_t count;
  float gradient_scale, weight_decay, keep_weights;
  float rate, eps;
  float keep_first, keep_second;  // momentum or beta1; alpha or beta2
  float add_first, add_second;    // 1 less those of the moving averages, from double: the difference of floats has few digits left
  float root_correction;          // Adam: 1 / sqrt(1 - beta2^t)
  bool nesterov;
};

}  // namespace fastcnn
