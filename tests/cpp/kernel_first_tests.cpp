// Kernels of first layers, padded lines and convolution from them, against sums in double.
#include <algorithm>
#include <array>
#include <initializer_list>

#include "kernel_testing.h"

namespace fastcnn::testing {

namespace {

void check_lines(const Kernels& kernels, std::int64_t rows, std::int64_t channels, std::int64_t line, std::int64_t first_row,
                 std::int64_t height, std::int64_t left, std::int64_t columns, std::uint32_t seed) {
  const std::string what = label(kernels, "pad_lines", rows, channels, line, first_row, height, left, columns);
  Random random(seed);
  const std::int64_t row_stride = columns + 2;
  const std::int64_t channel_stride = row_stride * height;
  const Buffer input(channels * channel_stride, random);
  Buffer lines(rows * channels * line);
  const PadLines strip{.input = input.data(),
                       .lines = lines.data(),
                       .rows = rows,
                       .channels = channels,
                       .line = line,
                       .first_row = first_row,
                       .height = height,
                       .left = left,
                       .columns = columns,
                       .channel_stride = channel_stride,
                       .row_stride = row_stride};
  kernels.pad_lines(strip);
  for (std::int64_t r = 0; r < strip.rows; ++r)
    for (std::int64_t c = 0; c < strip.channels; ++c)
      for (std::int64_t i = 0; i < strip.line; ++i) {
        const std::int64_t row = strip.first_row + r;
        const std::int64_t x = i - strip.left;
        const std::int64_t at = (r * strip.channels + c) * strip.line + i;
        const bool inside = row >= 0 && row < strip.height && x >= 0 && x < strip.columns;
        check_close(what, at, lines[at], inside ? input[c * strip.channel_stride + row * strip.row_stride + x] : 0, 0);
      }
  lines.check_guards(what);
}

struct Case {
  int rows, columns, kernel_h, channels, kernel_w, stride, output_blocks;
  int pixel_step = 1, dilation_h = 1, dilation_w = 1;
  bool residual = false;
  Activation activation = {};
  int outputs = 0;  // number of output channels; 0: all of the blocks
};

const Activation kActivations[] = {{}, {ActivationKind::relu, 0, 0}, {ActivationKind::clipped, -0.25f, 0.5f}, {ActivationKind::silu, 0, 0}};

// A unit with all its arrays but the weights.
class Unit {
 public:
  Unit(const Kernels& kernels, const Case& c, int input_rows, Random& random)
      : lanes(kernels.lanes),
        outputs(c.output_blocks * lanes),
        line(((c.columns - 1) * c.pixel_step + (c.kernel_w - 1) * c.dilation_w) / lanes * lanes + lanes),
        y_row(std::int64_t{c.columns} * lanes),
        y_block(c.rows * y_row + lanes),
        lines(std::int64_t{input_rows} * c.channels * line, random),
        bias(outputs, random),
        residual(c.output_blocks * y_block, random),
        y(c.output_blocks * y_block) {
    unit.lines = lines.data();
    unit.bias = bias.data();
    unit.output = y.data();
    unit.residual = c.residual ? residual.data() : nullptr;
    unit.rows = c.rows;
    unit.columns = c.columns;
    unit.kernel_h = c.kernel_h;
    unit.channels = c.channels;
    unit.kernel_w = c.kernel_w;
    unit.output_blocks = c.output_blocks;
    unit.outputs = c.outputs ? c.outputs : outputs;
    unit.stride = c.stride;
    unit.line = line;
    unit.row_step = c.stride * c.channels * line;
    unit.tap_row = c.dilation_h * c.channels * line;
    unit.pixel_step = c.pixel_step;
    unit.tap_column = c.dilation_w;
    unit.output_block_stride = unit.residual_block_stride = y_block;
    unit.output_row_stride = unit.residual_row_stride = y_row;
    unit.activation = c.activation;
    for (std::int64_t o = unit.outputs; o < outputs; ++o) bias.data()[o] = 0;
  }

  float input(std::int64_t row, int channel, std::int64_t x) const { return lines[(row * unit.channels + channel) * line + x]; }

  // Compares with sum_of(row, column, output), to which it adds bias, residual and activation. Nothing is written between blocks.
  template <class SumOf>
  void check(const std::string& what, const SumOf& sum_of) {
    for (std::int64_t at = 0; at < y.size(); ++at) {
      const std::int64_t row = at % y_block / y_row;
      const std::int64_t column = at % y_block % y_row / lanes;
      const std::int64_t o = at / y_block * lanes + at % lanes;
      if (row == unit.rows) {
        check_close(what, at, y[at], std::nan(""), 0);
        continue;
      }
      Sum sum = sum_of(row, column, o);
      sum.add(bias[o]);
      if (unit.residual) sum.add(residual[at]);
      check_close(what, at, y[at], activation(sum.value, unit.activation), activation_bound(sum.value, sum.bound(), unit.activation));
    }
    y.check_guards(what);
  }

  const int lanes, outputs;
  const std::int64_t line, y_row, y_block;
  const Buffer lines;
  Buffer bias;
  const Buffer residual;
  Buffer y;
  ConvFirst unit{};
};

// The offset of a weight in tiles of two blocks of outputs, the last tile perhaps of one block; `term` counts all axes but the outputs.
std::int64_t packed(int outputs, int lanes, std::int64_t terms, std::int64_t term, std::int64_t o) {
  const std::int64_t first = o / (2 * lanes) * 2 * lanes;
  const std::int64_t tile = std::min<std::int64_t>(2 * lanes, outputs - first);
  return first * terms + term * tile + o - first;
}

std::string label_of(const Kernels& kernels, const char* name, const Case& c) {
  return label(kernels, name, c.rows, c.columns, c.kernel_h, c.channels, c.kernel_w, c.stride, c.output_blocks, c.pixel_step, c.dilation_h,
               c.dilation_w, static_cast<int>(c.activation.kind));
}

void check_first(const Kernels& kernels, const Case& c, std::uint32_t seed) {
  Random random(seed);
  Unit all(kernels, c, (c.rows - 1) * c.stride + (c.kernel_h - 1) * c.dilation_h + 1, random);
  const std::int64_t terms = std::int64_t{c.kernel_h} * c.channels * c.kernel_w;
  Buffer weights(terms * all.outputs, random);
  for (std::int64_t at = 0; c.outputs && at < weights.size(); ++at)
    if (at % all.lanes >= c.outputs) weights.data()[at] = 0;
  all.unit.weights = weights.data();
  kernels.conv_first(all.unit);
  all.check(label_of(kernels, "conv_first", c), [&](std::int64_t row, std::int64_t column, std::int64_t o) {
    Sum sum;
    for (int i = 0; i < c.kernel_h; ++i)
      for (int k = 0; k < c.channels; ++k)
        for (int j = 0; j < c.kernel_w; ++j)
          sum.add(double{all.input(row * c.stride + i * c.dilation_h, k, column * c.pixel_step + j * c.dilation_w)} *
                  weights[packed(all.outputs, all.lanes, terms, (std::int64_t{i} * c.channels + k) * c.kernel_w + j, o)]);
    return sum;
  });
}

// The three transforms of F(4, P - 3), from their definition.
struct Transforms {
  int points;
  std::array<double, 6> finite = points == 6 ? std::array<double, 6>{0, std::sqrt(0.5), -std::sqrt(0.5), std::sqrt(2.0), -std::sqrt(2.0)}
                                             : std::array<double, 6>{0.375, -0.375, 0.9375, -0.9375, 2, -2};

  // Coefficients of the product of (x - a) over the finite points but one, lowest first.
  std::array<double, 7> input_row(int point) const {
    std::array<double, 7> product = {1};
    for (int other = 0; other < points - 1; ++other) {
      if (other == point) continue;
      for (std::size_t k = 6; k > 0; --k) product[k] = product[k - 1] - finite[static_cast<std::size_t>(other)] * product[k];
      product[0] *= -finite[static_cast<std::size_t>(other)];
    }
    return product;
  }
  double power(int point, int exponent, int most) const {
    return point == points - 1 ? exponent == most : std::pow(finite[static_cast<std::size_t>(point)], exponent);
  }
  double output(int point, int row) const { return power(point, row, 3); }
  double weight(int point, int tap) const {
    double at = 1;  // the input row's polynomial at its own point
    for (int other = 0; other < points - 1; ++other)
      if (other != point && point < points - 1) at *= finite[static_cast<std::size_t>(point)] - finite[static_cast<std::size_t>(other)];
    return power(point, tap, points - 4) / at;
  }
};

// The weights of the points are computed from a kernel and rounded to float; the reference is the convolution with the kernel. The error
// bound is that of the sums which the kernel under test computes, whose terms are larger.
void check_winograd(const Kernels& kernels, const Case& c, std::uint32_t seed) {
  Random random(seed);
  const Transforms transforms{.points = c.kernel_h <= 3 * c.stride ? 6 : 7};
  const int P = transforms.points;
  const int taps = P - 3;
  Unit all(kernels, c, ((c.rows + 3) / 4 * 4 + taps - 1) * c.stride, random);
  const std::int64_t terms = std::int64_t{P} * c.stride * c.channels * c.kernel_w;
  const Buffer kernel(std::int64_t{c.kernel_h} * c.channels * c.kernel_w * all.outputs, random);
  const auto tap = [&](int i, int k, int j, std::int64_t o) {
    return i < c.kernel_h ? double{kernel[((std::int64_t{i} * c.channels + k) * c.kernel_w + j) * all.outputs + o]} : 0.0;
  };
  Buffer weights(terms * all.outputs);
  Buffer scratch(P * (c.stride * c.channels * all.line + kFirstTile * all.lanes));
  const auto place = [&](int point, int phase, int k, int j, std::int64_t o) {
    return packed(all.outputs, all.lanes, terms, ((std::int64_t{point} * c.stride + phase) * c.channels + k) * c.kernel_w + j, o);
  };
  const auto for_each_term = [&](const auto& body) {
    for (int phase = 0; phase < c.stride; ++phase)
      for (int k = 0; k < c.channels; ++k)
        for (int j = 0; j < c.kernel_w; ++j) body(phase, k, j);
  };
  for (std::int64_t o = 0; o < all.outputs; ++o)
    for_each_term([&](int phase, int k, int j) {
      for (int point = 0; point < P; ++point) {
        double weight = 0;
        for (int t = 0; t < taps; ++t) weight += transforms.weight(point, t) * tap(t * c.stride + phase, k, j, o);
        weights.data()[place(point, phase, k, j, o)] = static_cast<float>(weight);
      }
    });
  all.unit.weights = weights.data();
  all.unit.scratch = scratch.data();
  kernels.conv_first_winograd(all.unit);
  const std::string what = label_of(kernels, "conv_first_winograd", c);
  all.check(what, [&](std::int64_t row, std::int64_t column, std::int64_t o) {
    Sum sum;
    const std::int64_t group = row / 4 * 4;
    for_each_term([&](int phase, int k, int j) {
      const auto pixel = [&](std::int64_t r) {
        return double{all.input(r * c.stride + phase, k, column * c.pixel_step + j * c.dilation_w)};
      };
      for (int t = 0; t < taps; ++t) sum.value += pixel(row + t) * tap(t * c.stride + phase, k, j, o);
      for (int point = 0; point < P; ++point) {
        const double out = std::abs(transforms.output(point, static_cast<int>(row - group)) * weights[place(point, phase, k, j, o)]);
        const auto in = transforms.input_row(point);
        for (int d = 0; d < P; ++d) sum.magnitude += out * std::abs(in[static_cast<std::size_t>(d)] * pixel(group + d));
      }
    });
    sum.terms = c.stride * c.channels * c.kernel_w + 12;  // 12: both transforms
    return sum;
  });
  scratch.check_guards(what);
}

// A case of these sizes; all other sizes depend on the number of columns.
Case case_of(int rows, int columns, int kernel_h, int output_blocks) {
  return {.rows = rows,
          .columns = columns,
          .kernel_h = kernel_h,
          .channels = 1 + columns % 4,
          .kernel_w = 1 + columns % 3,
          .stride = 1,
          .output_blocks = output_blocks,
          .pixel_step = 1 + columns % 5,
          .residual = columns % 3 == 0,
          .activation = kActivations[columns % 4]};
}

}  // namespace

void test_pad_lines(const Kernels& kernels) {
  const std::int64_t lanes = kernels.lanes;
  std::uint32_t seed = 300;
  for (std::int64_t columns = 0; columns <= 2 * lanes + 1; ++columns)
    for (std::int64_t left : {std::int64_t{0}, std::int64_t{1}, lanes, lanes + 2})
      check_lines(kernels, 5, 1 + columns % 3, 4 * lanes, columns % 5 - 2, 2, left, columns, seed++);
  check_lines(kernels, 2, 2, lanes, 0, 3, lanes, 0, seed++);
}

void test_conv_first(const Kernels& kernels) {
  std::uint32_t seed = 400;
  for (int columns = 1; columns <= 30; ++columns)  // every tile width, one to three output blocks
    for (int blocks : {1, 2, 3}) check_first(kernels, case_of(2, columns, 3, blocks), seed++);
  for (int columns = 1; columns <= 5 * kernels.lanes; ++columns) {  // every number of channels below a block
    Case c = case_of(2, columns, 3, 1);
    c.pixel_step = 1;
    c.residual = columns % 7 == 0;
    c.outputs = 1 + columns % (kernels.lanes - 1);
    check_first(kernels, c, seed++);
  }
  for (int stride : {1, 2, 3, 4})
    for (int dilation : {1, 2})
      for (int kernel : {1, 2, 5}) check_first(kernels, {3, 17, kernel, 3, 6 - kernel, stride, 3, stride, dilation, 3 - dilation}, seed++);
}

void test_conv_first_winograd(const Kernels& kernels) {
  std::uint32_t seed = 500;
  for (int columns = 1; columns <= 30; ++columns)
    for (int blocks : {1, 2, 3}) check_winograd(kernels, case_of(1 + columns % 9, columns, 3 + columns % 2, blocks), seed++);
  for (int stride : {2, 3, 4})
    for (int kernel = 2 * stride + 1; kernel <= 4 * stride; ++kernel)
      for (int dilation : {1, 2}) check_winograd(kernels, {5, 9, kernel, 2, 5, stride, 2, stride, 1, dilation}, seed++);
}

}  // namespace fastcnn::testing
