// Arguments of the kernels, one struct for each that takes more than a few. Plain data; lengths and strides count floats.
#pragma once

#include <stdint.h>

#include "simd/activation_kind.h"

namespace fastcnn {

// Element-wise functions of two numbers.
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

// An array of `count` floats, of which only the part that repeats is stored.
enum class Repeat : int32_t {
  none,     // count floats
  element,  // one float
  lanes,    // as many floats as the ISA has lanes
};
struct Repeated {
  const float* data;
  Repeat repeat;
};

// y[i] = kind(a[i], b[i]).
struct Binary {
  BinaryKind kind;
  float* y;  // (count); may be one of the operands
  Repeated a, b;
  int64_t count;
};

// y[i] = condition[i] != 0 ? a[i] : b[i]; NaN is true.
struct Where {
  float* y;  // (count)
  Repeated condition, a, b;
  int64_t count;
};

// One unit of a direct convolution: some rows of one image, one or two blocks of output channels.
//   output[r, x, o] = act(bias[o] + sum over input blocks ib, kernel rows i, kernel columns j, channels k of
//                         input[ib, r row_step + i tap_row, x pixel_step + j tap_column, k] weights[ib, i, j, k, o] + residual[r, x, o])
struct ConvDirect {
  const float* input;     // (input_blocks, image rows, image columns, block_channels), at tap (0, 0) of the first output pixel
  const float* weights;   // (input_blocks, kernel_h, kernel_w, channels of the block, output_blocks * lanes)
  const float* bias;      // (output_blocks, lanes)
  float* output;          // (output_blocks, rows, columns, lanes), strided
  const float* residual;  // likewise, added before the activation, its pixels side by side; or nullptr
  int rows, columns;      // output pixels of the unit
  int kernel_h, kernel_w;
  int input_blocks, block_channels, last_channels;  // number of channels in each block but the last, and in the last block
  int output_blocks, last_outputs;                  // 1 or 2; channels in the last block: weights and bias of its other lanes are zeros
  bool pixel_pairs;                                 // two blocks, the last half empty: two pixels may share a vector
  int64_t next_weights;                             // distance from these weights to those that are needed next; 0: none
  int64_t input_block_stride, row_step, pixel_step, tap_row, tap_column;
  int64_t output_block_stride, output_row_stride, output_pixel_stride;
  int64_t residual_block_stride, residual_row_stride;
  Activation activation;
};

// packed[t, i, o] = filters[o, i, t]; zeros for o >= outputs.
struct PackFilters {
  const float* filters;  // (outputs, inputs, taps), filter_stride from an output to the next
  int64_t filter_stride;
  int outputs;
  int64_t inputs, taps;
  float* packed;  // (taps, inputs, blocks * lanes)
  int blocks;
};

// Copies rows of an input of few channels with their padding.
//   lines[r, c, left + x] = input[c, first_row + r, x] for 0 <= x < columns, where that row exists; all other floats of a line are 0
struct PadLines {
  const float* input;  // (channels, height, columns), strided
  float* lines;        // (rows, channels, line)
  int64_t rows, channels, line;
  int64_t first_row, height;
  int64_t left, columns;
  int64_t channel_stride, row_stride;
};

constexpr int kFirstTile = 28;  // the most vectors that conv_first sums at once

// One unit of a convolution over few input channels, from such lines: some rows of one image, all output channels. l stands for the pair of
// a kernel row and a channel.
//   output[r, x, o] = act(bias[o] + residual[r, x, o]
//                         + sum over l, j of lines[r row_step + l, x pixel_step + j tap_column] weights[l, j, o])
// conv_first_winograd sums four output rows at once (conv_first_winograd.cpp).
//
// A tile of two output blocks, or of the one that is left, has its weights together: (kernel_h, channels, kernel_w, outputs of the tile);
// with Winograd (points, stride, channels, kernel_w, outputs of the tile).
struct ConvFirst {
  const float* lines;     // (lines, channels, line), from the unit's first output row on
  const float* weights;   // tile by tile, as above
  const float* bias;      // (output_blocks, lanes)
  float* output;          // (output_blocks, rows, columns, lanes), strided
  const float* residual;  // likewise, added before the activation; or nullptr
  float* scratch;         // Winograd only: (points, stride, channels, line), then kFirstTile vectors for each point
  int rows, columns;      // output pixels of the unit
  int kernel_h, channels, kernel_w;
  int output_blocks;
  int outputs;                                     // channels in all blocks: weights and bias of the other lanes are zeros
  int stride;                                      // Winograd only: from an output row to the next, in input rows
  int64_t line, row_step, tap_row;                 // floats in a line, from an output row to the next, from a kernel row to the next
  int64_t pixel_step, tap_column;                  // from an output pixel to the next, from a kernel column to the next
  int64_t output_block_stride, output_row_stride;  // pixels lie side by side
  int64_t residual_block_stride, residual_row_stride;
  Activation activation;
};

// The gradient of the weights between one block of input channels and one block of output channels at one kernel tap (or, with block 1, a
// row of taps):
//   dweight[t, o] = sum over images n, rows r, columns x of input[n, r row_step, x pixel_step + t tap] doutput[n, r, x, o]
struct ConvWeightGradient {
  const float* input;    // (images, image rows, image columns) of one channel, strided, at the first tap of the first output pixel
  const float* doutput;  // (images, rows, columns, lanes), strided
  float* dweight;        // (taps, lanes), overwritten
  int images, rows, columns, taps;
  int64_t input_image_stride, input_row_stride, input_pixel_stride, tap_stride;
  int64_t doutput_image_stride, doutput_row_stride;
};

// Depthwise convolution of some rows of one channel block: each lane is a channel of its own.
struct ConvDepthwise {
  const float* input;     // (image rows, image columns, lanes), strided, at tap (0, 0) of the first output pixel
  const float* weights;   // (kernel_h, kernel_w, lanes)
  const float* bias;      // (lanes)
  float* output;          // (rows, columns, lanes), strided
  const float* residual;  // likewise, added before the activation, its pixels side by side; or nullptr
  int rows, columns;      // output pixels of the unit
  int kernel_h, kernel_w;
  int64_t row_step, pixel_step, tap_row, tap_column;
  int64_t output_row_stride, output_pixel_stride;
  int64_t residual_row_stride;
  Activation activation;
};

// Copies one row of pixels, all channels, from channel blocks of one size to blocks of another. One of the sizes is 1, or both are equal.
struct ReorderRow {
  const float* from;  // (blocks, columns, from_block), from_block_stride from a block to the next
  float* to;          // (blocks, columns, to_block), to_block_stride from a block to the next
  int64_t columns, channels;
  int64_t from_block, to_block;
  int64_t from_block_stride, to_block_stride;
};

// y[r, o] = act(bias[o] + sum over i of x[r, i] weights[o, i]): row-major arrays; the weights are never packed.
struct LinearRows {
  const float* x;        // (rows, inputs)
  const float* weights;  // (outputs, inputs)
  const float* bias;     // (outputs), or nullptr
  float* y;              // (rows, outputs)
  int64_t rows, outputs, inputs;
  int64_t x_stride, weights_stride, y_stride;  // from a row to the next
  Activation activation;
};

// c[m, n] = sum over k of a[m a_row + k a_column] b[k, n].
struct MultiplyRows {
  const float* a;  // (m, k), strided along both axes
  const float* b;  // (k, n), contiguous rows
  float* c;        // (m, n), contiguous rows; overwritten
  int64_t m, n, k;
  int64_t a_row, a_column, b_stride, c_stride;
};

// y[i] = the sum of weights[j] x[indices[j]] for starts[i] <= j < starts[i + 1], where x and y have entries of `count` floats.
struct WeightedSums {
  const float* x;          // (entries, count)
  float* y;                // (outputs, count)
  const int64_t* starts;   // (outputs + 1)
  const int64_t* indices;  // (starts[outputs])
  const float* weights;    // (starts[outputs])
  int64_t outputs, count;
  int64_t x_stride, y_stride;  // from an entry to the next
};

// The taps of one output of a pooling along one axis: first, first + step, ... below last. All of them are pixels.
struct PoolWindow {
  int64_t first, last;
  float scale;  // an average's factor of this axis
};

// Some rows of a pooling of one channel block: y[i, j] from x[rows[i], columns[j]].
struct Pool {
  const float* x;              // (image rows, image columns, lanes), x_row_stride from a row to the next
  float* y;                    // (row_count, column_count, lanes), y_row_stride from a row to the next
  const PoolWindow* rows;      // (row_count)
  const PoolWindow* columns;   // (column_count)
  const float* row_scales;     // for the gradient of an average: a scale for each row of x
  const float* column_scales;  // and for each column of x
  int64_t row_count, column_count, row_step, column_step;
  int64_t x_row_stride, y_row_stride;
  int64_t x_slots;  // max_pool: row r of x lies where row r % x_slots would be; 0: every row in its own place
};

// All windows of a pooling.
struct PoolGrid {
  const PoolWindow* rows;     // (row_count)
  const PoolWindow* columns;  // (column_count)
  int64_t row_count, column_count, row_step, column_step;
};

// The place of each window's maximum, lane by lane: the number of the first maximum among the window's pixels, counted row by row.
struct MaxPoolPlaces {
  const float* x;  // (image rows, image columns, lanes)
  void* places;    // (rows, columns, lanes) of the windows: a byte each, or four where `wide`, for windows of more than 256 pixels
  PoolGrid windows;
  int64_t x_row_stride;
  bool wide;
};

// The gradient of a maximum pooling of one channel block.
struct MaxPoolBackward {
  const float* dy;     // (rows, columns, lanes) of the windows
  const void* places;  // likewise, as MaxPoolPlaces has them
  float* dx;           // (x_rows, x_columns, lanes), overwritten
  PoolGrid windows;
  int64_t x_rows, x_columns;
  int64_t dy_row_stride, dx_row_stride;
  bool wide;
};

// The pixels of one channel block in several images: (n, h, w) lies at n image + h row + w lanes.
struct BlockPixels {
  int64_t images, rows, columns;
  int channels;  // number of lanes that are channels
};
struct PixelStrides {
  int64_t image, row;
};

// y = (x - mean) / sqrt(var + eps) * weight + bias.
struct BatchNorm {
  const float* x;       // (images, rows, columns, lanes), strided
  float* y;             // likewise
  const float* weight;  // (channels), or nullptr: 1
  const float* bias;    // (channels), or nullptr: 0
  const float* mean;    // (channels)
  const float* var;     // (channels)
  float eps;
  BlockPixels pixels;
  PixelStrides x_strides, y_strides;
  Activation activation;
};

// The statistics of each channel.
struct BatchNormStatistics {
  const float* x;  // (images, rows, columns, lanes), strided
  float* mean;     // (channels)
  float* var;      // (channels): the biased variance
  float* inv_std;  // (channels): 1 / sqrt(var + eps)
  float eps;
  BlockPixels pixels;
  PixelStrides x_strides;
};

// The gradients of a batch normalization. batch_statistics: mean and inv_std were computed from x, so dx includes their gradients.
struct BatchNormBackward {
  const float* dy;       // (images, rows, columns, lanes), strided
  const float* x;        // likewise
  float* dx;             // likewise; may be dy or x
  const float* weight;   // (channels), or nullptr: 1
  const float* mean;     // (channels)
  const float* inv_std;  // (channels)
  float* dweight;        // (channels)
  float* dbias;          // (channels)
  bool batch_statistics;
  BlockPixels pixels;
  PixelStrides dy_strides, x_strides, dx_strides;
};

// y[c] = x[c] / (k + alpha sum of x[j]^2 for c - before <= j <= c + after)^beta at `count` neighbouring positions.
struct LocalResponseNorm {
  const float* x;   // (channels, count), channel_stride from a channel to the next
  const float* dy;  // likewise; backward only
  float* y;         // likewise; backward: dx, which may be dy
  float* scratch;   // (channels, count); backward only
  int64_t channels, count, channel_stride;
  int64_t first, last;  // forward: computes channels first .. last - 1
  int64_t before, after;
  float alpha, beta, k;
};

// y = x * scale, or 0 where the element's random number is too small. Lane l of vector v is element first + v vector_step + l lane_step.
struct Dropout {
  const float* x;  // (count)
  float* y;        // (count)
  int64_t count;
  uint32_t first, vector_step, lane_step;
  uint32_t key[2];
  int32_t limit;  // random numbers are uniform in [0, 2^31); an element is kept where its number is above the limit
  float scale;
};

// One optimizer step for weights w with gradient g: g is scaled, then weight_decay w is added to it; w is multiplied by keep_weights; the
// rest depends on the optimizer (optimizer.cpp).
struct WeightUpdate {
  float* weights;         // (count)
  const float* gradient;  // (count)
  float* first;           // (count): the first slot, which the optimizer keeps between steps, or nullptr
  float* second;          // (count): the second slot, or nullptr
  int64_t count;
  float gradient_scale, weight_decay, keep_weights;
  float rate, eps;
  float keep_first, keep_second;  // momentum or beta1; alpha or beta2
  float add_first, add_second;    // 1 - the factor of a moving average, computed in double: a difference of floats would lose digits
  float root_correction;          // Adam: 1 / sqrt(1 - beta2^t)
  bool nesterov;
};

}  // namespace fastcnn
