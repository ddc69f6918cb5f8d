// A convolution of the image that nearest upsampling makes of another: what upsampled_conv2d and the packing of its weights share.
#pragma once

#include "kernels/kernels.h"
#include "ops/conv2d_algorithms.h"

namespace fastcnn {

// One axis: which neighbours of a pixel meet a tap of their own. The kernel has one more tap.
struct UpsampledAxis {
  bool before, behind;
  int neighbours() const { return before + behind; }
};

struct Upsampled {
  Index N, C, H, W, O;  // H x W: of the image before
  Index taps;
  UpsampledAxis rows, columns;
  int lanes;

  int points() const { return (1 + rows.neighbours()) * (1 + columns.neighbours()); }
  Index in_blocks() const { return ceil_div(C, lanes); }
  Index out_blocks() const { return ceil_div(O, lanes); }
  Index weights_of_point() const { return C * out_blocks() * lanes; }
  Index bias_at() const { return points() * weights_of_point(); }

  ConvProblem problem() const;  // the convolution of the doubled image
};

// Checks both shapes and the attribute "padding".
Upsampled upsampled(std::string_view op, const Attributes& attributes, const Shape& x, const Shape& weight, int lanes);

// What makes the weights of all points of `count` filters, of which the taps lie `count` apart.
UpsampledWeights upsampled_weights(const Upsampled& u, const float* filters, Index count, float* weights, Index point_stride);

}  // namespace fastcnn
