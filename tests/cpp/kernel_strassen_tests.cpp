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
      const std::int64_t block_stride = std::int64_t{pixels} * lanes;
      const std::int64_t count = std::int64_t{half} * lanes;
      const std::int64_t second = blocks * block_stride;
      const std::int64_t lower = (pixels - half) * lanes;
      const std::int64_t sum_stride = blocks * count + 3;
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

// The parts of the kernel's result that a test asks for, and the number of output blocks.
struct Wish {
  bool keep, keep_plus, output, residual;
  int output_blocks, existing;
  Activation activation;
};

// The arrays of one product. The output's pixels lie in rows of 5, with a gap of 3 pixels between rows, the residual's with a gap of 1.
struct Product {
  const int lanes, pixels, input_blocks, blocks;
  Random random{static_cast<std::uint32_t>(pixels * 10 + input_blocks)};
  const std::int64_t input_block_stride = (pixels + 2) * lanes;
  const std::int64_t channels = std::int64_t{input_blocks} * lanes;
  const std::int64_t size = pixels * lanes;
  const Buffer x{input_blocks * input_block_stride, random};
  const Buffer weights{channels * blocks * lanes, random};
  const Buffer keep_plus{blocks * size, random};
  const Buffer plus{blocks * size, random};
  const Buffer bias{blocks * lanes, random};
  const std::vector<std::int64_t> places = offsets(3);
  const std::vector<std::int64_t> residual_places = offsets(1);
  const std::int64_t block_stride = places.back() + lanes;
  const std::int64_t residual_block_stride = residual_places.back() + lanes;
  const Buffer residual{blocks * residual_block_stride, random};

  std::vector<std::int64_t> offsets(int gap) const {
    std::vector<std::int64_t> found;
    for (int p = 0; p < pixels; ++p) found.push_back((p + p / 5 * gap) * lanes);
    return found;
  }
  Sum sum_of(int block, int pixel, int lane) const {
    Sum sum;
    for (std::int64_t k = 0; k < channels; ++k)
      sum.add(static_cast<double>(x[k / lanes * input_block_stride + pixel * lanes + k % lanes]) *
              weights[(k * blocks + block) * lanes + lane]);
    return sum;
  }
};

// Runs the kernel on a product; kept and y are written where the wish says so.
void multiply(const Kernels& kernels, const Product& product, const Wish& wish, Buffer& kept, Buffer& y) {
  const StrassenOutput output = {.output = y.data(),
                                 .residual = wish.residual ? product.residual.data() : nullptr,
                                 .plus = product.plus.data(),
                                 .bias = product.bias.data(),
                                 .blocks = wish.existing,
                                 .block_stride = product.block_stride,
                                 .residual_block_stride = product.residual_block_stride,
                                 .pixels = product.places.data(),
                                 .residual_pixels = product.residual_places.data()};
  kernels.strassen_multiply({.input = product.x.data(),
                             .weights = product.weights.data(),
                             .next_weights = 0,
                             .keep = wish.keep ? kept.data() : nullptr,
                             .keep_plus = wish.keep_plus ? product.keep_plus.data() : nullptr,
                             .output = wish.output ? &output : nullptr,
                             .pixels = product.pixels,
                             .input_blocks = product.input_blocks,
                             .output_blocks = product.blocks,
                             .input_block_stride = product.input_block_stride,
                             .activation = wish.activation});
}

void check_multiply(const Kernels& kernels, int pixels, int input_blocks, const Wish& wish) {
  const int lanes = kernels.lanes;
  const int blocks = wish.output_blocks;
  const std::string what = label(kernels, "strassen_multiply", pixels, input_blocks, blocks, wish.existing, wish.keep, wish.keep_plus,
                                 wish.output, wish.residual, static_cast<int>(wish.activation.kind));
  const Product product{lanes, pixels, input_blocks, blocks};
  Buffer kept(blocks * product.size);
  Buffer y(blocks * product.block_stride);
  std::fill_n(kept.data(), kept.size(), 7.0f);
  std::fill_n(y.data(), y.size(), 7.0f);
  multiply(kernels, product, wish, kept, y);

  std::vector<bool> written(static_cast<std::size_t>(y.size()), false);
  for (int c = 0; c < blocks; ++c) {
    for (int p = 0; p < pixels; ++p) {
      const auto pixel = static_cast<std::size_t>(p);
      for (int lane = 0; lane < lanes; ++lane) {
        const std::int64_t at = c * product.size + p * lanes + lane;
        Sum keep = product.sum_of(c, p, lane);
        Sum sum = keep;
        if (wish.keep_plus) keep.add(product.keep_plus[at]);
        check_close(what + " kept", at, kept[at], wish.keep ? keep.value : 7, wish.keep ? keep.bound() : 0);
        if (!wish.output || c >= wish.existing) continue;
        sum.add(product.plus[at]);
        sum.add(product.bias[c * lanes + lane]);
        if (wish.residual) sum.add(product.residual[c * product.residual_block_stride + product.residual_places[pixel] + lane]);
        const std::int64_t to = c * product.block_stride + product.places[pixel] + lane;
        written[static_cast<std::size_t>(to)] = true;
        check_close(what, to, y[to], activation(sum.value, wish.activation), activation_bound(sum.value, sum.bound(), wish.activation));
      }
    }
  }
  for (std::int64_t at = 0; at < y.size(); ++at)
    if (!written[static_cast<std::size_t>(at)]) check_close(what, at, y[at], 7, 0);
  kept.check_guards(what);
  y.check_guards(what);
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
