// Arguments of the kernels for convolutions with fewer products: Winograd, upsampled images, Strassen. Lengths and strides count floats.
#pragma once

#include "kernels/arguments.h"

namespace fastcnn {

// Winograd convolution F(M x M, R x R), M = 2, 4, 5 or 6 for R = 3 and M = 2 for R = 5; N = M + R - 1. Tiles of M x M outputs are numbered
// row by row over an image; a unit is `count` of them from `first` on. Points are (N, N) planes, point_stride apart.

// points[p, t, k] = (B d B^T)[p] of tile t of one channel block.
struct WinogradInput {
  int outputs, taps;   // M, R
  const float* input;  // (rows, columns, lanes), from the first pixel of the image's first tile on
  int64_t row_stride;
  int64_t rows, columns;  // pixels that may be read; all others count as zero
  int64_t first, across;  // across: tiles in a row
  int count;
  float* output;  // (N, N) x (count, lanes)
  int64_t point_stride;
};

// output = act(A m A^T + bias + residual) of one block of output channels. Where `pooled`, the maxima of two by two of these outputs; M
// must then be even and the activation a clamp, without residual.
struct WinogradOutput {
  int outputs, taps;      // M, R
  const float* products;  // (N, N) x (count, lanes)
  int64_t point_stride;
  const float* bias;      // (lanes)
  float* output;          // (rows, columns, lanes), the image; or, where `pooled`, (rows / 2, columns / 2, lanes)
  const float* residual;  // (rows, columns, lanes), or nullptr
  int64_t output_row_stride, residual_row_stride;
  int64_t rows, columns;  // before pooling
  int64_t first, across;
  int count;
  bool pooled;
  Activation activation;
};

// weights[p, i] = (G g_i G^T)[p], where filter g_i is column i of `filters`.
struct WinogradWeights {
  int outputs, taps;     // M, R
  const float* filters;  // (R, R, count)
  int64_t count;         // a multiple of the lanes
  float* weights;        // (N, N) x (count)
  int64_t point_stride;
};

// At each point: output[c, t, o] = sum over input blocks b and channels k of input[b, t, k] weights[b, k, c, o].
struct WinogradMultiply {
  int points;
  const float* input;    // points x (input_blocks, tiles, lanes)
  const float* weights;  // points x (input channels, output_blocks, lanes)
  float* output;         // points x (output_blocks, tiles, lanes)
  int64_t input_point_stride, weights_point_stride, output_point_stride;
  int64_t next_weights;  // distance from the first point's weights to those that are needed after the last point; 0: none
  int tiles, input_blocks, last_channels;
  int output_blocks;  // 1 or 2
  int64_t input_block_stride, output_block_stride;
  bool accumulate = false;  // adds to the output: the input channels are not the first
};

// A convolution of an image that is upsampled first, each pixel repeated two by two, with a kernel of 2x2 or 3x3
// (ops/convolution/upsampled_conv2d.cpp). A pixel of the image gives 2x2 outputs. Along an axis the outputs depend on one neighbour (kernel
// 2) or two neighbours (kernel 3) of the pixel; points are (1 + neighbours)^2 planes, point_stride apart. A unit is `count` pixels,
// numbered row by row, from `first` on.

// points[a, b] of pixel t: the pixel itself for a = b = 0; along each axis the differences between its neighbours and the pixel.
struct UpsampledInput {
  const float* input;  // (image rows, columns, lanes), one channel block
  int64_t row_stride, columns;
  int64_t first;
  int count, neighbours;       // neighbours along an axis, 1 or 2
  int64_t down[2], across[2];  // offsets from a pixel to its neighbours
  float* output;               // points x (count, lanes)
  int64_t point_stride;
};

// weights[a, b] = the sums of the taps in rows[a] x columns[b] of each filter.
struct TapRange {
  int first, end;
};
struct UpsampledWeights {
  int taps, down, across;  // down x across points
  TapRange rows[3], columns[3];
  const float* filters;  // (taps, taps, count)
  int64_t count;         // number of filters, a multiple of the lanes
  float* weights;        // points x (count)
  int64_t point_stride;
};

// output = act(sums of products + bias + residual) of one block of output channels. With one neighbour along an axis, one of the two
// outputs is the product of the pixel, the other adds the neighbour's product; with two neighbours each output adds its own.
struct UpsampledOutput {
  const float* products;  // points x (count, lanes)
  int64_t point_stride;
  const float* bias;      // (lanes)
  float* output;          // (2 * image rows, 2 * columns, lanes)
  const float* residual;  // likewise, or nullptr
  int64_t output_row_stride, residual_row_stride, columns;
  int64_t first;
  int count, neighbours;
  int plain_row, plain_column;  // which of the two outputs adds no neighbour; 0 where both do
  Activation activation;
};

// The sums of an input's quarters that Strassen's method multiplies. The quarters are the upper and the lower half of the pixels, each with
// the first and the second half of the channels:
//   sums[0] = lower first + lower second      sums[1] = sums[0] - upper first
//   sums[2] = upper first - lower first       sums[3] = upper second - sums[1]
struct StrassenSums {
  const float* upper;  // (blocks, count), block_stride from a block to the next: the first half of the channels
  const float* lower;  // likewise
  int64_t second;      // distance from the first half of the channels to the second
  int64_t block_stride;
  float* sums;            // (4) x (blocks, count)
  int64_t sum_stride;     // from a sum to the next
  int64_t blocks, count;  // channel blocks in a half; floats of the pixels in a block, a multiple of the lanes
};

// How a product is finished: output[c, pixels[p]] = act(product + plus + bias + residual[c, residual_pixels[p]]) for c < blocks.
struct StrassenOutput {
  float* output;          // (blocks, .., lanes), its pixels at the offsets `pixels`
  const float* residual;  // (blocks, .., lanes), its pixels at the offsets `residual_pixels`; or nullptr
  const float* plus;      // (output_blocks, pixels, lanes)
  const float* bias;      // (blocks, lanes)
  int blocks;             // those of the product's output_blocks that exist
  int64_t block_stride, residual_block_stride;
  const int64_t* pixels;           // (pixels)
  const int64_t* residual_pixels;  // (pixels)
};

// keep = input weights + keep_plus, and `output` of the same product. Either may be nullptr.
struct StrassenProduct {
  const float* input;            // (input_blocks, pixels, lanes)
  const float* weights;          // (input_blocks * lanes, output_blocks, lanes)
  int64_t next_weights;          // distance from these weights to those that are needed next; 0: none
  float* keep;                   // (output_blocks, pixels, lanes), or nullptr
  const float* keep_plus;        // likewise
  const StrassenOutput* output;  // or nullptr
  int pixels, input_blocks;
  int output_blocks;  // 1 or 2
  int64_t input_block_stride;
  Activation activation;
};

}  // namespace fastcnn
