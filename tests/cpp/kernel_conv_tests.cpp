// Convolution kernels against sums written out in double.
#include <initializer_list>

#include "kernel_testing.h"

namespace fastcnn::testing {

namespace {

// The sizes of one unit of convolution. The tests vary `columns` to reach every tile width.
struct Case {
  int rows, columns, kernel_h, kernel_w, stride, dilation;
  int blocks = 1, block_channels = 0, last_channels = 0, output_blocks = 1;  // conv_direct only
  bool residual = false;
  Activation activation = {};
  int output_step = 1;   // the distance of output pixels, in pixels (conv_direct: then without activation)
  int last_outputs = 0;  // conv_direct only: channels in the last output block; 0: as many as the lanes
  bool pixel_pairs = false;

  int height() const { return (rows - 1) * stride + (kernel_h - 1) * dilation + 1; }
  int width() const { return (columns - 1) * stride + (kernel_w - 1) * dilation + 1; }
};

const Activation kActivations[] = {{},
                                   {ActivationKind::relu, 0, 0},
                                   {ActivationKind::clipped, -0.25f, 0.5f},
                                   {ActivationKind::silu, 0, 0},
                                   {ActivationKind::leaky_relu, 0.1f, 0}};

// Input blocks of `block_channels` channels. Lanes of the last block beyond `last_channels` hold NaN: no output may depend on them.
Buffer random_image(const Case& c, Random& random) {
  Buffer image(std::int64_t{c.blocks} * c.height() * c.width() * c.block_channels, random);
  const std::int64_t last = std::int64_t{c.blocks - 1} * c.height() * c.width() * c.block_channels;
  for (std::int64_t pixel = 0; pixel < std::int64_t{c.height()} * c.width(); ++pixel)
    for (int k = c.last_channels; k < c.block_channels; ++k) image.data()[last + pixel * c.block_channels + k] = std::nanf("");
  return image;
}

// The unit of conv_direct for a case, without its arrays.
ConvDirect direct_unit(const Case& c, int lanes) {
  const std::int64_t x_row = std::int64_t{c.width()} * c.block_channels;
  const std::int64_t y_row = std::int64_t{c.columns} * c.output_step * lanes;
  return {.input = nullptr,
          .weights = nullptr,
          .bias = nullptr,
          .output = nullptr,
          .residual = nullptr,
          .rows = c.rows,
          .columns = c.columns,
          .kernel_h = c.kernel_h,
          .kernel_w = c.kernel_w,
          .input_blocks = c.blocks,
          .block_channels = c.block_channels,
          .last_channels = c.last_channels,
          .output_blocks = c.output_blocks,
          .last_outputs = c.last_outputs ? c.last_outputs : lanes,
          .pixel_pairs = c.pixel_pairs,
          .next_weights = 0,
          .input_block_stride = c.height() * x_row,
          .row_step = c.stride * x_row,
          .pixel_step = std::int64_t{c.stride} * c.block_channels,
          .tap_row = c.dilation * x_row,
          .tap_column = std::int64_t{c.dilation} * c.block_channels,
          .output_block_stride = c.rows * y_row,
          .output_row_stride = y_row,
          .output_pixel_stride = std::int64_t{c.output_step} * lanes,
          .residual_block_stride = c.rows * y_row,
          .residual_row_stride = y_row,
          .activation = c.activation};
}

void check_direct(const Kernels& kernels, const Case& c, std::uint32_t seed) {
  const int lanes = kernels.lanes;
  const std::string what =
      label(kernels, "conv_direct", c.rows, c.columns, c.kernel_h, c.kernel_w, c.stride, c.dilation, c.blocks, c.block_channels,
            c.last_channels, c.output_blocks, static_cast<int>(c.activation.kind), c.output_step, c.last_outputs, c.pixel_pairs);
  ConvDirect unit = direct_unit(c, lanes);
  Random random(seed);
  const Buffer x = random_image(c, random);
  const int channels = (c.blocks - 1) * c.block_channels + c.last_channels;
  const int outputs = c.output_blocks * lanes;
  Buffer weights(std::int64_t{channels} * c.kernel_h * c.kernel_w * outputs, random);
  Buffer bias(outputs, random);
  for (Buffer* each : {&weights, &bias})
    for (std::int64_t i = 0; i < each->size(); ++i)
      if (i % outputs >= outputs - lanes + unit.last_outputs) each->data()[i] = 0;
  Buffer y(c.output_blocks * unit.output_block_stride);
  Buffer residual(y.size(), random);
  for (std::int64_t i = (c.output_blocks - 1) * unit.output_block_stride; i < residual.size(); ++i)
    if (i % lanes >= unit.last_outputs) residual.data()[i] = 0;
  unit.input = x.data();
  unit.weights = weights.data();
  unit.bias = bias.data();
  unit.output = y.data();
  if (c.residual) unit.residual = residual.data();
  kernels.conv_direct(unit);

  const auto output = [&](int row, int column, int o) {
    Sum sum;
    sum.add(bias[o]);
    const float* w = weights.data() + o;
    for (int ib = 0; ib < c.blocks; ++ib)
      for (int i = 0; i < c.kernel_h; ++i)
        for (int j = 0; j < c.kernel_w; ++j)
          for (int k = 0; k < (ib + 1 < c.blocks ? c.block_channels : c.last_channels); ++k, w += outputs)
            sum.add(double{x[ib * unit.input_block_stride + row * unit.row_step + i * unit.tap_row + column * unit.pixel_step +
                             j * unit.tap_column + k]} *
                    *w);
    return sum;
  };
  for (int o = 0; o < outputs; ++o)
    for (int row = 0; row < c.rows; ++row)
      for (int column = 0; column < c.columns * c.output_step; ++column) {
        const std::int64_t at = o / lanes * unit.output_block_stride + row * unit.output_row_stride + column * lanes + o % lanes;
        if (column % c.output_step) {  // nothing is written between strided output pixels
          check_close(what, at, y[at], std::nan(""), 0);
          continue;
        }
        Sum sum = output(row, column / c.output_step, o);
        if (c.residual) sum.add(residual[at]);
        check_close(what, at, y[at], activation(sum.value, c.activation), activation_bound(sum.value, sum.bound(), c.activation));
      }
  y.check_guards(what);
}

void check_depthwise(const Kernels& kernels, const Case& c, std::uint32_t seed) {
  const int lanes = kernels.lanes;
  const std::string what = label(kernels, "conv_depthwise", c.rows, c.columns, c.kernel_h, c.kernel_w, c.stride, c.dilation,
                                 static_cast<int>(c.activation.kind), c.output_step);
  Random random(seed);
  const std::int64_t x_row = std::int64_t{c.width()} * lanes;
  const std::int64_t r_row = std::int64_t{c.columns} * lanes;
  const std::int64_t y_row = r_row * c.output_step;
  const Buffer x(c.height() * x_row, random);
  const Buffer weights(std::int64_t{c.kernel_h} * c.kernel_w * lanes, random);
  const Buffer bias(lanes, random);
  const Buffer residual(c.rows * r_row, random);
  Buffer y(c.rows * y_row);
  kernels.conv_depthwise({.input = x.data(),
                          .weights = weights.data(),
                          .bias = bias.data(),
                          .output = y.data(),
                          .residual = c.residual ? residual.data() : nullptr,
                          .rows = c.rows,
                          .columns = c.columns,
                          .kernel_h = c.kernel_h,
                          .kernel_w = c.kernel_w,
                          .row_step = c.stride * x_row,
                          .pixel_step = std::int64_t{c.stride} * lanes,
                          .tap_row = c.dilation * x_row,
                          .tap_column = std::int64_t{c.dilation} * lanes,
                          .output_row_stride = y_row,
                          .output_pixel_stride = std::int64_t{c.output_step} * lanes,
                          .residual_row_stride = r_row,
                          .activation = c.activation});
  for (int row = 0; row < c.rows; ++row)
    for (std::int64_t element = 0; element < y_row; ++element) {
      const std::int64_t at = row * y_row + element;
      const std::int64_t o = element % lanes;
      const std::int64_t pixel = element / lanes;
      const std::int64_t column = pixel / c.output_step;
      if (pixel % c.output_step) {  // nothing is written between strided output pixels
        check_close(what, at, y[at], std::nan(""), 0);
        continue;
      }
      Sum sum;
      sum.add(bias[o]);
      for (int i = 0; i < c.kernel_h; ++i)
        for (int j = 0; j < c.kernel_w; ++j)
          sum.add(double{x[(row * c.stride + i * c.dilation) * x_row + (column * c.stride + j * c.dilation) * lanes + o]} *
                  weights[(i * c.kernel_w + j) * lanes + o]);
      if (c.residual) sum.add(residual[row * r_row + column * lanes + o]);
      check_close(what, at, y[at], activation(sum.value, c.activation), activation_bound(sum.value, sum.bound(), c.activation));
    }
  y.check_guards(what);
}

void check_weight_gradient(const Kernels& kernels, int images, int rows, int columns, int taps, int stride, std::int64_t tap_stride,
                           std::uint32_t seed) {
  const int lanes = kernels.lanes;
  const std::string what = label(kernels, "conv_weight_gradient", images, rows, columns, taps, stride, tap_stride);
  Random random(seed);
  const std::int64_t x_row = std::int64_t{columns - 1} * stride + (taps - 1) * tap_stride + 1;
  const std::int64_t x_image = rows * x_row;
  const std::int64_t dy_row = std::int64_t{columns} * lanes;
  const std::int64_t dy_image = rows * dy_row;
  const Buffer x(images * x_image, random);
  const Buffer dy(images * dy_image, random);
  Buffer dweight(std::int64_t{taps} * lanes);
  kernels.conv_weight_gradient({.input = x.data(),
                                .doutput = dy.data(),
                                .dweight = dweight.data(),
                                .images = images,
                                .rows = rows,
                                .columns = columns,
                                .taps = taps,
                                .input_image_stride = x_image,
                                .input_row_stride = x_row,
                                .input_pixel_stride = stride,
                                .tap_stride = tap_stride,
                                .doutput_image_stride = dy_image,
                                .doutput_row_stride = dy_row});
  for (int t = 0; t < taps; ++t)
    for (int o = 0; o < lanes; ++o) {
      Sum sum;
      for (int n = 0; n < images; ++n)
        for (int r = 0; r < rows; ++r)
          for (int column = 0; column < columns; ++column)
            sum.add(double{x[n * x_image + r * x_row + column * stride + t * tap_stride]} *
                    dy[n * dy_image + r * dy_row + column * lanes + o]);
      check_close(what, t * lanes + o, dweight[t * lanes + o], sum.value, sum.bound());
    }
  dweight.check_guards(what);
}

}  // namespace

void test_conv_direct(const Kernels& kernels) {
  const int lanes = kernels.lanes;
  std::uint32_t seed = 1;
  for (int columns = 1; columns <= 30; ++columns)  // every tile width, one and two output blocks
    for (int output_blocks : {1, 2})
      check_direct(kernels,
                   {2, columns, 3, 3, 1, 1, 2, lanes, 1 + columns % lanes, output_blocks, columns % 2 == 0, kActivations[columns % 5]},
                   seed++);
  for (int columns = 1; columns <= 30; ++columns)  // and with few channels in the last block
    for (int output_blocks : {1, 2}) {
      Case c{1,
             columns,
             1,
             1,
             1 + columns % 3 / 2,
             1,
             2,
             lanes,
             1 + columns % lanes,
             output_blocks,
             columns % 2 == 0,
             kActivations[columns % 5]};
      c.last_outputs = 1 + columns % (lanes - 1);
      check_direct(kernels, c, seed++);
      c.pixel_pairs = c.output_blocks == 2 && c.last_outputs <= lanes / 2;
      if (c.pixel_pairs) check_direct(kernels, c, seed++);
    }
  for (int kernel : {1, 2, 5})
    for (int stride : {1, 2, 3})
      for (int dilation : {1, 2}) check_direct(kernels, {3, 5, kernel, 4 - stride, stride, dilation, 3, lanes, lanes, 2}, seed++);
  for (int channels : {1, 2, 3})  // blocks of one channel
    check_direct(kernels, {2, 9, 3, 3, 2, 1, channels, 1, 1, 1, false, kActivations[1]}, seed++);
  check_direct(kernels, {3, 7, 2, 2, 1, 1, 1, lanes, lanes, 2, false, {}, 2}, seed++);  // every second output pixel
}

void test_conv_depthwise(const Kernels& kernels) {
  std::uint32_t seed = 100;
  for (int columns = 1; columns <= 30; ++columns)
    for (int stride : {1, 2, 3})
      check_depthwise(kernels,
                      {.rows = 2,
                       .columns = columns,
                       .kernel_h = 3,
                       .kernel_w = 1 + columns % 5,
                       .stride = stride,
                       .dilation = 1 + columns % 2,
                       .residual = columns % 3 == 0,
                       .activation = kActivations[columns % 5]},
                      seed++);
  for (int columns = 1; columns <= 16; ++columns)  // tiles of one and two rows, every width, for the sizes that have their own tiles
    for (int kernel : {3, 5})
      for (int stride : {1, 2})
        check_depthwise(kernels,
                        {.rows = 1 + columns % 5,
                         .columns = columns,
                         .kernel_h = kernel,
                         .kernel_w = kernel,
                         .stride = stride,
                         .dilation = 1,
                         .residual = columns % 2 == 0,
                         .activation = kActivations[columns % 5],
                         .output_step = 1 + columns % 4 / 3},
                        seed++);
  for (int kernel_h : {1, 2, 3, 4, 5, 7})  // tiles of two rows where these share enough input
    for (int stride : {1, 2, 3}) check_depthwise(kernels, {5, 9, kernel_h, 3, stride, 1}, seed++);
}

void test_conv_weight_gradient(const Kernels& kernels) {
  std::uint32_t seed = 200;
  for (int taps = 1; taps <= 2 * kernels.lanes + 1; ++taps) check_weight_gradient(kernels, 2, 3, 5, taps, 1, 1, seed++);
  for (int stride : {1, 2, kernels.lanes})
    for (int tap_stride : {2, kernels.lanes}) check_weight_gradient(kernels, 1, 2, 7, 5, stride, tap_stride, seed++);
  check_weight_gradient(kernels, 64, 8, 8, 3, kernels.lanes, 1, seed++);
  check_weight_gradient(kernels, 0, 3, 3, 3, 1, 1, seed++);  // an empty batch: zeros
}

}  // namespace fastcnn::testing
