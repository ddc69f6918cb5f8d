// Kernels that move or sum data: changes of layout, channel sums, the loop that measures the peak.
#include <utility>

#include "kernel_testing.h"

namespace fastcnn::testing {

namespace {

// One row of `channels` x `columns` from blocks of `from_block` channels to blocks of `to_block`. Gaps between blocks are not written.
void check_reorder(const Kernels& kernels, int columns, int channels, int from_block, int to_block, std::uint32_t seed) {
  const std::string what = label(kernels, "reorder_row", columns, channels, from_block, to_block);
  Random random(seed);
  const auto blocks = [&](int block) { return (channels + block - 1) / block; };
  const std::int64_t from_stride = std::int64_t{columns} * from_block + 3;
  const std::int64_t to_stride = std::int64_t{columns} * to_block + 5;
  const Buffer from(blocks(from_block) * from_stride, random);
  Buffer to(blocks(to_block) * to_stride);
  kernels.reorder_row({from.data(), to.data(), columns, channels, from_block, to_block, from_stride, to_stride});
  for (int channel = 0; channel < blocks(to_block) * to_block; ++channel)
    for (int x = 0; x < columns; ++x) {
      const std::int64_t at = channel / to_block * to_stride + x * to_block + channel % to_block;
      if (channel >= channels) continue;  // lanes beyond the last channel are unspecified
      check_close(what, at, to[at], from[channel / from_block * from_stride + x * from_block + channel % from_block], 0);
    }
  for (int block = 0; block < blocks(to_block); ++block)
    for (std::int64_t at = block * to_stride + columns * to_block; at < (block + 1) * to_stride; ++at)
      check_close(what, at, to[at], std::nan(""), 0);
  to.check_guards(what);
}

void check_pack_filters(const Kernels& kernels, int outputs, int inputs, int taps, std::uint32_t seed) {
  const std::string what = label(kernels, "pack_filters", outputs, inputs, taps);
  Random random(seed);
  const int blocks = (outputs + kernels.lanes - 1) / kernels.lanes;
  const int line = blocks * kernels.lanes;
  const std::int64_t stride = std::int64_t{inputs} * taps + 3;
  const Buffer filters(outputs * stride - 3, random);  // ends with the last filter
  Buffer packed(std::int64_t{taps} * inputs * line);
  kernels.pack_filters({filters.data(), stride, outputs, inputs, taps, packed.data(), blocks});
  for (int tap = 0; tap < taps; ++tap)
    for (int input = 0; input < inputs; ++input)
      for (int output = 0; output < line; ++output) {
        const std::int64_t at = (std::int64_t{tap} * inputs + input) * line + output;
        check_close(what, at, packed[at], output < outputs ? filters[output * stride + input * taps + tap] : 0.0f, 0);
      }
  packed.check_guards(what);
}

void check_channel_sum(const Kernels& kernels, int images, int rows, int columns, std::uint32_t seed) {
  const std::string what = label(kernels, "channel_sum", images, rows, columns);
  Random random(seed);
  const int lanes = kernels.lanes;
  const std::int64_t row_stride = std::int64_t{columns + 2} * lanes;
  const std::int64_t image_stride = (rows + 1) * row_stride;
  const Buffer x(images * image_stride, random);
  Buffer sums(lanes);
  kernels.channel_sum(sums.data(), x.data(), images, rows, columns, image_stride, row_stride);
  for (int lane = 0; lane < lanes; ++lane) {
    Sum sum;
    for (int n = 0; n < images; ++n)
      for (int h = 0; h < rows; ++h)
        for (int w = 0; w < columns; ++w) sum.add(x[n * image_stride + h * row_stride + w * lanes + lane]);
    check_close(what, lane, sums[lane], sum.value, sum.bound());
  }
  sums.check_guards(what);
}

}  // namespace

void test_pack_filters(const Kernels& kernels) {
  std::uint32_t seed = 700;
  for (int outputs = 1; outputs <= 2 * kernels.lanes; ++outputs)
    for (int taps : {1, 2, 9, 25}) check_pack_filters(kernels, outputs, 1 + outputs % 5 + outputs % 3 * 7, taps, seed++);
}

void test_reorder_row(const Kernels& kernels) {
  std::uint32_t seed = 500;
  const int lanes = kernels.lanes;
  for (int channels = 1; channels <= 2 * lanes + 1; ++channels)
    for (const auto& [from, to] : {std::pair{1, lanes}, {lanes, 1}, {lanes, lanes}, {1, 1}})
      check_reorder(kernels, 1 + channels % 19, channels, from, to, seed++);
  for (int columns = 1; columns <= 2 * lanes + 1; ++columns)
    for (const auto& [from, to] : {std::pair{1, lanes}, {lanes, 1}}) check_reorder(kernels, columns, lanes + 3, from, to, seed++);
}

void test_channel_sum(const Kernels& kernels) {
  check_channel_sum(kernels, 3, 4, 5, 600);
  check_channel_sum(kernels, 1, 1, 1, 601);
  check_channel_sum(kernels, 0, 4, 5, 602);  // an empty batch: zeros
  check_channel_sum(kernels, 16, 32, 32, 603);
}

void test_multiply_adds(const Kernels& kernels) {
  Random random(700);
  Buffer seeds(2 * kernels.lanes, random);
  double flops = 0;
  kernels.multiply_adds(seeds.data(), 1000, &flops);
  if (flops < 2.0 * kernels.lanes * 1000 || !std::isfinite(seeds[0])) fail(label(kernels, "multiply_adds"), "did not do its multiply-adds");
  seeds.check_guards(label(kernels, "multiply_adds"));
}

}  // namespace fastcnn::testing
