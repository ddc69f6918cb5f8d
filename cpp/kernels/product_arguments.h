// Arguments of the kernels of convolutions by fewer products: Winograd, doubled images, Strassen. Lengths and strides count floats.
#pragma once

#include "kernels/arguments.h"

namespace fastcnn {

// Winograd convolution F(M x M, R x R), M = 2, 4, 5 or 6 for R = 3 and 2 for R = 5; N = M + R - 1. Tiles of M x M outputs are numbered row
// by row over an image; a unit is `count` of them from `first` on. Points are (N, N) planes, point_stride apart.

// points[p, t, k] = (B d B^T)[p] of tile t of one channel block.
struct WinogradInput {
  int outputs, taps;   // M, R
  const float* input;  // first pixel of the image's first tile
  int64_t row_stride;
  int64_t rows, columns;  // that may be read from there; beyond them is zero
  int64_t first, across;
  int count;
  float* output;  // (N, N) x (count, lanes)
  int64_t point_stride;
};

// output = act(A m A^T + bias + residual), of one block of output channels; where `pooled`, the maxima of two by two of these, for even M,
// an activation that is a clamp, and no residual.
struct WinogradOutput {
  int outputs, taps;      // M, R
  const float* products;  // (N, N) x (count, lanes)
  int64_t point_stride;
  const float* bias;      // lanes
  float* output;          // the image's first pixel
  const float* residual;  // likewise, or nullptr
  int64_t output_row_stride, residual_row_stride;
  int64_t rows, columns;  // of the image, before pooling
  int64_t first, across;
  int count;
  bool pooled;
  Activation activation;
};

// weights[p, i] = (G g_i G^T)[p], where filters is (R, R, count): filter g_i is column i. count is a multiple of the lanes.
struct WinogradWeights {
  int outputs, taps;  // M, R
  const float* filters;
  int64_t count;
  float* weights;  // (N, N) x (count)
  int64_t point_stride;
};

// At each point: output[c, t, o] = sum over input blocks b and channels k of input[b, t, k] weights[b, k, c, o].
struct WinogradMultiply {
  int points;
  const float* input;    // points x (input_blocks, tiles, lanes)
  const float* weights;  // points x (input channels, output_blocks, lanes)
  float* output;         // points x (output_blocks, tiles, lanes)
  int64_t input_point_stride, weights_point_stride, output_point_stride;
  int64_t next_weights;  // how far from the first point's lie those that are needed behind the last, 0: none
  int tiles, input_blocks, last_channels;
  int output_blocks;  // 1 or 2
  int64_t input_block_stride, output_block_stride;
  bool accumulate = false;  // adds to what is there: the input channels are not the first
};

// A convolution of an image that is doubled first, each pixel two by two of its like, with a kernel of 2x2 or 3x3
// (ops/convolution/upsampled_conv2d.cpp). A pixel of the image gives 2x2 outputs. Along an axis it has one neighbour (kernel 2) or two
// (kernel 3) that outputs depend on; points are (1 + neighbours)^2 planes, point_stride apart. A unit is `count` pixels, numbered row by
// row, from `first` on.

// points[a, b] of pixel t: the pixel itself for a = b = 0; along each axis the differences of its neighbours to it.
struct UpsampledInput {
  const float* input;  // the image's first pixel, of one channel block
  int64_t row_stride, columns;
  int64_t first;
  int count, neighbours;       // 1 or 2 along an axis
  int64_t down[2], across[2];  // where they lie from a pixel
  float* output;               // points x (count, lanes)
  int64_t point_stride;
};

// weights[a, b] = sums of the taps in rows[a] x columns[b], of each of `count` filters, a multiple of the lanes; filters: (taps, taps,
// count).
struct TapRange {
  int first, end;
};
struct UpsampledWeights {
  int taps, down, across;  // down x across points
  TapRange rows[3], columns[3];
  const float* filters;
  int64_t count;
  float* weights;  // points x (count)
  int64_t point_stride;
};

// output = act(sums of products + bias + residual), of one block of output channels. Of the two outputs along an axis one is the product of
// the pixel, the other that plus the neighbour's; with two neighbours each has its own.
struct UpsampledOutput {
  const float* products;  // points x (count, lanes)
  int64_t point_stride;
  const float* bias;      // lanes
  float* output;          // the doubled image's first pixel
  const float* residual;  // likewise, or nullptr
  int64_t output_row_stride, residual_row_stride, columns;
  int64_t first;
  int count, neighbours;
  int plain_row, plain_column;  // which of two outputs has no neighbour; 0 where both have
  Activation activation;
};

// A strip of pixels, its upper half of pixels and its lower, with the first half of their channels; the second half lies `second` behind
// it. The sums of these quarters that Strassen's method multiplies: sums[0] = lower first + lower second, sums[1] = sums[0] - upper first,
// sums[2] = upper first - lower first, sums[3] = upper second - sums[1].
struct StrassenSums {
  const float* upper;
  const float* lower;
  int64_t second, block_stride;
  float* sums;            // (4) x (blocks, count)
  int64_t sum_stride;     // from a sum to the next
  int64_t blocks, count;  // of channels in a half; floats in a block, a multiple of the lanes
};

// What becomes of a product: output[c, pixels[p]] = act(product + plus + bias + residual[c, residual_pixels[p]]), c < blocks.
struct StrassenOutput {
  float* output;
  const float* residual;  // or nullptr
  const float* plus;      // (output_blocks, pixels, lanes)
  const float* bias;
  int blocks;  // of the product's output_blocks: the others do not exist
  int64_t block_stride, residual_block_stride;
  const int64_t* pixels;  // where each lies
  const int64_t* residual_pixels;
};

// keep = input weights + keep_plus, and what `output` says, of the same product. Each may be left out.
struct StrassenProduct {
  const float* input;    // (input_blocks, pixels, lanes)
  const float* weights;  // (input_blocks * lanes, output_blocks, lanes)
  int64_t next_weights;  // how far from these lie those that are needed next, 0: none
  float* keep;           // (output_blocks, pixels, lanes)
  const float* keep_plus;
  const StrassenOutput* output;
  int pixels, input_blocks;
  int output_blocks;  // 1 or 2
  int64_t input_block_stride;
  Activation activation;
};

}  // namespace fastcnn
