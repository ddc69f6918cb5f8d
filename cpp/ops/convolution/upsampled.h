// Convolutions of nearest-upsampled images: the geometry that upsampled_conv2d and upsampled_conv2d_prepare have in common.
#pragma once

#include "ops/convolution/point_products.h"

namespace fastcnn {

// One axis: which neighbours of a pixel have a tap of their own. The kernel has one more tap.
struct UpsampledAxis {
  bool before, behind;
  int neighbours() const { return before + behind; }
};

struct Upsampled {
  Index N, C, H, W, O;  // H x W: the image before upsampling
  Index taps;
  UpsampledAxis rows, columns;
  int lanes;

  int points() const { return (1 + rows.neighbours()) * (1 + columns.neighbours()); }
  Index in_blocks() const { return ceil_div(C, lanes); }
  Index out_blocks() const { return ceil_div(O, lanes); }

  ConvProblem problem() const;  // the convolution of the upsampled image
};

// Checks both shapes and the attribute "padding".
Upsampled upsampled(std::string_view op, const Attributes& attributes, const Shape& x, const Shape& weight, int lanes);

// Computes the weights of filters at all points: sums of their taps.
PanelWeights sums_of_taps(const Upsampled& u);

}  // namespace fastcnn
