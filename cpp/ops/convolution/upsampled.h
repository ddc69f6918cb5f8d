// A convolution of the image that nearest upsampling makes of another: what upsampled_conv2d and the packing of its weights share.
#pragma once

#include "ops/convolution/point_products.h"

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

  ConvProblem problem() const;  // the convolution of the doubled image
};

// Checks both shapes and the attribute "padding".
Upsampled upsampled(std::string_view op, const Attributes& attributes, const Shape& x, const Shape& weight, int lanes);

// The weights of a filter at all points are sums of its taps.
PanelWeights sums_of_taps(const Upsampled& u);

}  // namespace fastcnn
