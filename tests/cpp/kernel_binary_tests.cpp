// Kernels of two operands and of the choice between two: every count below two vectors and larger counts, operands repeated or not, in
// place; the special cases of a power are those of C.
#include "kernel_testing.h"

namespace fastcnn::testing {

namespace {

using K = BinaryKind;

double minimum(double a, double b) { return std::isnan(a) || std::isnan(b) ? std::nan("") : std::fmin(a, b); }

double reference(K kind, double a, double b) {
  switch (kind) {
    case K::add: return a + b;
    case K::subtract: return a - b;
    case K::multiply: return a * b;
    case K::divide: return a / b;
    case K::minimum: return minimum(a, b);
    case K::maximum: return -minimum(-a, -b);
    case K::power: return std::pow(a, b);
    case K::equal: return a == b;
    case K::less: return a < b;
    case K::less_equal: return a <= b;
    case K::minimum_slope: return a < b ? 1 : a == b ? 0.5 : 0;
    case K::power_slope: return b == 0 ? 0 : b * std::pow(a, b - 1);
    case K::exponent_slope: return a == 0 && b >= 0 ? 0 : std::pow(a, b) * std::log(a);
  }
  return 0;
}

const K kAll[] = {K::add,   K::subtract, K::multiply,   K::divide,        K::minimum,     K::maximum,       K::power,
                  K::equal, K::less,     K::less_equal, K::minimum_slope, K::power_slope, K::exponent_slope};
const Repeat kRepeats[] = {Repeat::none, Repeat::element, Repeat::lanes};

std::int64_t length_of(Repeat repeat, std::int64_t count, int lanes) {
  return repeat == Repeat::none ? count : repeat == Repeat::element ? 1 : lanes;
}

float element(const Buffer& buffer, std::int64_t i, Repeat repeat, int lanes) {
  return buffer[repeat == Repeat::none ? i : repeat == Repeat::element ? 0 : i % lanes];
}

// Random multiples of 1/8, so that some pairs are equal.
Buffer eighths(std::int64_t size, Random& random) {
  Buffer buffer(size, random);
  for (std::int64_t i = 0; i < size; ++i) buffer.data()[i] = std::round(buffer[i] * 8) / 8;
  return buffer;
}

void check_binary(const Kernels& kernels, K kind, std::int64_t count, Repeat a_repeat, Repeat b_repeat) {
  const std::string what = label(kernels, "binary", static_cast<int>(kind), count, static_cast<int>(a_repeat), static_cast<int>(b_repeat));
  Random random(static_cast<std::uint32_t>(count));
  const Buffer a = eighths(length_of(a_repeat, count, kernels.lanes), random);
  const Buffer b = eighths(length_of(b_repeat, count, kernels.lanes), random);
  Buffer y(count);
  kernels.binary({kind, y.data(), {a.data(), a_repeat}, {b.data(), b_repeat}, count});
  for (std::int64_t i = 0; i < count; ++i) {
    const double want = reference(kind, element(a, i, a_repeat, kernels.lanes), element(b, i, b_repeat, kernels.lanes));
    check_close(what, i, y[i], want, 10 * kEps * std::abs(want));
  }
  y.check_guards(what);
  if (a_repeat != Repeat::none) return;
  Buffer in_place = a;
  kernels.binary({kind, in_place.data(), {in_place.data(), a_repeat}, {b.data(), b_repeat}, count});
  for (std::int64_t i = 0; i < count; ++i) check_close(what + " in place", i, in_place[i], y[i], 0);
}

void check_special_pairs(const Kernels& kernels, K kind) {
  const float values[] = {0.0f,  -0.0f, 1.0f,   -1.0f,  2.0f,        -2.0f,    3.0f,      0.5f,
                          -0.5f, -2.5f, 1e-30f, -1e30f, 16777217.0f, INFINITY, -INFINITY, NAN};
  for (float a : values)
    for (float b : values) {
      float y = 0;
      kernels.binary({kind, &y, {&a, Repeat::none}, {&b, Repeat::none}, 1});
      double want = reference(kind, a, b);
      if (std::abs(want) > std::numeric_limits<float>::max()) want = std::copysign(INFINITY, want);
      char pair[64];
      std::snprintf(pair, sizeof pair, " of %g, %g", static_cast<double>(a), static_cast<double>(b));
      const std::string what = label(kernels, "binary", static_cast<int>(kind)) + pair;
      check_close(what, 0, y, want, 10 * kEps * std::abs(want) + 1e-37);
      if (!std::isnan(want) && std::signbit(want) != std::signbit(y) && kind == K::power) fail(what, "has the other sign");
    }
}

}  // namespace

void test_binary(const Kernels& kernels) {
  for (K kind : kAll) {
    for (Repeat a : kRepeats)
      for (Repeat b : kRepeats) {
        for (int count = 0; count <= 2 * kernels.lanes + 1; ++count) check_binary(kernels, kind, count, a, b);
        check_binary(kernels, kind, 1003, a, b);
      }
    if (kind != K::power_slope && kind != K::exponent_slope) check_special_pairs(kernels, kind);  // a pole has no slope
  }
}

void test_where(const Kernels& kernels) {
  for (std::int64_t count = 0; count <= 1003; count += count > 2 * kernels.lanes ? 970 : 1) {
    for (int repeated = 0; repeated < 3; ++repeated) {
      const std::string what = label(kernels, "where", count, repeated);
      Random random(static_cast<std::uint32_t>(count));
      Repeat repeats[3] = {Repeat::none, Repeat::none, Repeat::none};
      repeats[repeated] = count % 2 ? Repeat::lanes : Repeat::element;
      const auto operand = [&](int k) { return eighths(length_of(repeats[k], count, kernels.lanes), random); };
      Buffer condition = operand(0);
      const Buffer a = operand(1);
      const Buffer b = operand(2);
      for (std::int64_t i = 0; i < condition.size(); i += 3) condition.data()[i] = 0;
      Buffer y(count);
      kernels.where({y.data(), {condition.data(), repeats[0]}, {a.data(), repeats[1]}, {b.data(), repeats[2]}, count});
      for (std::int64_t i = 0; i < count; ++i) {
        const bool chosen = element(condition, i, repeats[0], kernels.lanes) != 0;
        check_close(what, i, y[i], chosen ? element(a, i, repeats[1], kernels.lanes) : element(b, i, repeats[2], kernels.lanes), 0);
      }
      y.check_guards(what);
    }
  }
}

}  // namespace fastcnn::testing
