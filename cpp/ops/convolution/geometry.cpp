#include "ops/convolution/geometry.h"

#include <algorithm>
#include <numeric>

namespace fastcnn {

Conv2dGeometry conv2d_geometry(const Attributes& attributes, const Shape& input, const Shape& weight) {
  const char* op = "conv2d";
  require(input.rank() == 4, op, "input must be (N, C, H, W)", input);
  require(weight.rank() == 4, op, "weight must be (out_channels, in_channels / groups, height, width)", weight);
  Conv2dGeometry g{};
  set_windows(g, attributes, op);
  g.N = input[0];
  g.C = input[1];
  g.H = input[2];
  g.W = input[3];
  g.O = weight[0];
  g.KH = weight[2];
  g.KW = weight[3];

  require(g.C >= 1 && g.H >= 1 && g.W >= 1, op, "input sizes must be at least 1", input);
  require(weight.elements() >= 1, op, "weight sizes must be at least 1", weight);
  require(g.C % g.groups == 0, op, "groups must divide in_channels", "groups=", g.groups, ", in_channels=", g.C);
  require(g.O % g.groups == 0, op, "groups must divide out_channels", "groups=", g.groups, ", out_channels=", g.O);
  require(weight[1] * g.groups == g.C, op, "weight must have in_channels / groups channels", "weight ", weight, ", in_channels=", g.C,
          ", groups=", g.groups);
  const Index span_h = g.span_h(), span_w = g.span_w();
  const Index padded_h = g.H + g.top + g.bottom, padded_w = g.W + g.left + g.right;
  require(span_h <= padded_h && span_w <= padded_w, op,
          CodedRule{"kernel_larger_than_input", "the kernel must not be larger than the padded input"}, "kernel ", span_h, "x", span_w,
          ", padded input ", padded_h, "x", padded_w);
  g.OH = (padded_h - span_h) / g.stride_h + 1;
  g.OW = (padded_w - span_w) / g.stride_w + 1;
  return g;
}

void set_windows(Conv2dGeometry& g, const Attributes& attributes, std::string_view op) {
  const auto& stride = attributes.integers("stride", 2, 1, op);
  const auto& dilation = attributes.integers("dilation", 2, 1, op);
  const auto& padding = attributes.integers("padding", 4, 0, op);
  g.stride_h = stride[0];
  g.stride_w = stride[1];
  g.dilation_h = dilation[0];
  g.dilation_w = dilation[1];
  g.top = padding[0];
  g.left = padding[1];
  g.bottom = padding[2];
  g.right = padding[3];
  g.groups = attributes.integer("groups");
  require(g.groups >= 1, op, "groups must be at least 1", "groups=", g.groups);
}

Attributes plain_windows(std::vector<Index> padding) {
  return {
      {"stride", std::vector<Index>{1, 1}}, {"dilation", std::vector<Index>{1, 1}}, {"padding", std::move(padding)}, {"groups", Index{1}}};
}

AxisWalk forward_walk(Index outputs, Index kernel, Index stride, Index dilation, Index padding) {
  return {.out_first = 0,
          .out_step = 1,
          .count = outputs,
          .in_first = -padding,
          .in_step = stride,
          .taps = kernel,
          .tap_step = dilation,
          .kernel_first = 0,
          .kernel_step = 1};
}

std::vector<AxisWalk> backward_walks(Index inputs, Index kernel, Index stride, Index dilation, Index padding) {
  // Input h meets kernel entry k at output (h + padding - k dilation) / stride, where that is an integer. The entries where it is are
  // kernel_step = stride / gcd apart, and one such step moves the output by dilation / gcd. Walked from the last entry to the first,
  // outputs ascend.
  const Index gcd = std::gcd(stride, dilation);
  std::vector<AxisWalk> walks;
  for (Index first = 0; first < std::min(stride, inputs); ++first) {
    AxisWalk walk{.out_first = first,
                  .out_step = stride,
                  .count = ceil_div(inputs - first, stride),
                  .in_first = 0,
                  .in_step = 1,
                  .taps = 0,
                  .tap_step = dilation / gcd,
                  .kernel_first = 0,
                  .kernel_step = -stride / gcd};
    for (Index k = 0; k < kernel; ++k) {
      if ((first + padding - k * dilation) % stride != 0) continue;
      walk.taps += 1;
      walk.kernel_first = k;
      walk.in_first = (first + padding - k * dilation) / stride;
    }
    walks.push_back(walk);
  }
  return walks;
}

Index reach_outside(const AxisWalk& walk, Index size) {
  if (walk.taps == 0) return 0;
  const Index last = walk.in_first + (walk.count - 1) * walk.in_step + (walk.taps - 1) * walk.tap_step;
  return std::max({Index{0}, -walk.in_first, last - (size - 1)});
}

}  // namespace fastcnn
