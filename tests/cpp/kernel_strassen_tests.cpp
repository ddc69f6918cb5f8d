// Strassen's kernels against sums in double.
#include <algorithm>
#include <vector>

#include "kernel_testing.h"

namespace fastcnn::testing {

void test_strassen_sums(const Kernels& kernels) {
  const int lanes = kernels.lanes;
  for (int pixels = 1; pixels <= 9; ++pixels) {
    for (int blocks = 1; blocks <= 3; ++blocks) {
      const int half = (pixels + 1) / 2;
      const std::string what = label(kernels, "strassen_sums", pixels, blocks);
      Random random(static_cast<std::uint32_t>(pixels * 10 + blocks));
      const std::int64_t block_stride = std::int64_t{pixels} * lanes, count = std::int64_t{half} * lanes;
      const std::int64_t second = blocks * block_stride, lower = (pixels - half) * lanes, sum_stride = blocks * count + 3;
      const Buffer x(2 * second, random);
      Buffer sums(4 * sum_stride);
      kernels.strassen_sums({.upper = x.data(),
                             .lower = x.data() + lower,
                             .second = second,
                             .block_stride = block_stride,
                             .sums = sums.data(),
                             .sum_stride = sum_stride,
                             .blocks = blocks,
                             .count = count});
      for (int block = 0; block < blocks; ++block) {
        for (std::int64_t i = 0; i < count; ++i) {
          const std::int64_t from = block * block_stride + i;
          const double x11 = x[from], x12 = x[second + from], x21 = x[lower + from], x22 = x[second + lower + from];
          const std::vector<double> terms[4] = {{x21, x22}, {x21, x22, -x11}, {x11, -x21}, {x12, -x21, -x22, x11}};
          for (int s = 0; s < 4; ++s) {
            Sum want;
            for (double term : terms[s]) want.add(term);
            const std::int64_t at = s * sum_stride + block * count + i;
            check_close(what, at, sums[at], want.value, want.bound());
          }
        }
      }
      sums.check_guards(what);
    }
  }
}

namespace {

// Which parts of the kernel's result are asked for, and of how many output blocks.
struct Wish {
  bool keep, keep_plus, output, residual;
  int output_blocks, existing;
  Activation activation;
};

// Pixels of the output lie in rows of `across` pixels, `gap` apart.
void check_multiply(const Kernels& kernels, int pixels, int input_blocks, const Wish& wish) {
  const int lanes = kernels.lanes, blocks = wish.output_blocks, across = 5, gap = 3;
  const std::string what = label(kernels, "strassen_multiply", pixels, input_blocks, blocks, wish.existing, wish.keep, wish.keep_plus,
                                 wish.output, wish.residual, static_cast<int>(wish.activation.kind));
  Random random(static_cast<std::uint32_t>(pixels * 10 + input_blocks));
  const std::int64_t input_block_stride = (pixels + 2) * lanes, channels = std::int64_t{input_blocks} * lanes, size = pixels * lanes;
  const Buffer x(input_blocks * input_block_stride, random), weights(channels * blocks * lanes, random);
  const Buffer keep_plus(blocks * size, random), plus(blocks * size, random), bias(blocks * lanes, random);
  std::vector<std::int64_t> places, residual_places;
  for (int p = 0; p < pixels; ++p) {
    places.push_back((p + p / across * gap) * lanes);
    residual_places.push_back((p + p / across) * lanes);
  }
  const std::int64_t block_stride = places.back() + lanes, residual_block_stride = residual_places.back() + lanes;
  const Buffer residual(blocks * residual_block_stride, random);
  Buffer kept(blocks * size), y(blocks * block_stride);
  std::fill_n(kept.data(), kept.size(), 7.0f), std::fill_n(y.data(), y.size(), 7.0f);
  StrassenOutput output{};
  output.output = y.data(), output.plus = plus.data(), output.bias = bias.data(), output.blocks = wish.existing;
  output.residual = wish.residual ? residual.data() : nullptr;
  output.block_stride = block_stride, output.residual_block_stride = residual_block_stride;
  output.pixels = places.data(), output.residual_pixels = residual_places.data();
  StrassenProduct unit{};
  unit.input = x.data(), unit.weights = weights.data(), unit.input_block_stride = input_block_stride;
  unit.keep = wish.keep ? kept.data() : nullptr, unit.keep_plus = wish.keep_plus ? keep_plus.data() : nullptr;
  unit.output = wish.output ? &output : nullptr;
  unit.pixels = pixels, unit.input_blocks = input_blocks, unit.output_blocks = blocks, unit.activation = wish.activation;
  kernels.strassen_multiply(unit);

  std::vector<bool> written(static_cast<std::size_t>(y.size()), false);
  for (int c = 0; c < blocks; ++c) {
    for (int p = 0; p < pixels; ++p) {
      for (int lane = 0; lane < lanes; ++lane) {
        Sum product;
        for (std::int64_t k = 0; k < channels; ++k)
          product.add(static_cast<double>(x[k / lanes * input_block_stride + p * lanes + k % lanes]) *
                      weights[(k * blocks + c) * lanes + lane]);
        const std::int64_t at = c * size + p * lanes + lane;
        Sum keep = product;
        if (wish.keep_plus) keep.add(keep_plus[at]);
        check_close(what + " kept", at, kept[at], wish.keep ? keep.value : 7, wish.keep ? keep.bound() : 0);
        if (!wish.output || c >= wish.existing) continue;
        Sum sum = product;
        sum.add(plus[at]), sum.add(bias[c * lanes + lane]);
        if (wish.residual) sum.add(residual[c * residual_block_stride + residual_places[static_cast<std::size_t>(p)] + lane]);
        const std::int64_t to = c * block_stride + places[static_cast<std::size_t>(p)] + lane;
        written[static_cast<std::size_t>(to)] = true;
        check_close(what, to, y[to], activation(sum.value, wish.activation), activation_bound(sum.value, sum.bound(), wish.activation));
      }
    }
  }
  for (std::int64_t at = 0; at < y.size(); ++at)
    if (!written[static_cast<std::size_t>(at)]) check_close(what, at, y[at], 7, 0);
  kept.check_guards(what), y.check_guards(what);
}

}  // namespace

void test_strassen_multiply(const Kernels& kernels) {
  const Activation none{}, relu{ActivationKind::relu, 0, 0}, silu{ActivationKind::silu, 0, 0};
  for (int pixels = 1; pixels <= 30; ++pixels) {
    for (int blocks = 1; blocks <= 2; ++blocks) {
      const int input_blocks = 1 + pixels % 3;
      check_multiply(kernels, pixels, input_blocks, {true, false, false, false, blocks, blocks, none});
      check_multiply(kernels, pixels, input_blocks, {true, true, false, false, blocks, blocks, relu});
      check_multiply(kernels, pixels, input_blocks, {false, false, true, false, blocks, blocks, relu});
      check_multiply(kernels, pixels, input_blocks, {true, true, true, true, blocks, blocks - pixels % 2, silu});
    }
  }
}

}  // namespace fastcnn::testing
