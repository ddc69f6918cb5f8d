// Element-wise kernels: every count below two vectors and larger counts, in place and not, all activations and their slopes.
#include "kernel_testing.h"

namespace fastcnn::testing {

namespace {

constexpr double kRootHalf = 0.70710678118654752440;
constexpr double kTwoOverRootPi = 1.12837916709551257390;

double logistic(double x) { return 1 / (1 + std::exp(-x)); }

constexpr double kRootTwoOverPi = 0.79788456080286535588;

// The reference of sin and cos clips x as the kernel does.
double in_range(double x) { return std::isinf(x) ? std::nan("") : std::fmin(std::fmax(x, -0x1p30), 0x1p30); }

// Numbers too large for a float become infinite.
double saturated(double y) { return std::abs(y) > std::numeric_limits<float>::max() ? std::copysign(INFINITY, y) : y; }

double gelu_tanh_gate(double x) { return logistic(2 * kRootTwoOverPi * (x + 0.044715 * x * x * x)); }

double gelu_tanh_slope(double x) {
  const double gate = gelu_tanh_gate(x);
  const double rest = logistic(-2 * kRootTwoOverPi * (x + 0.044715 * x * x * x));
  return gate + (gate * rest > 0 ? x * gate * rest * 2 * kRootTwoOverPi * (1 + 0.134145 * x * x) : 0);
}

// d activation / dx. At a kink it is PyTorch's choice: 0 for relu, clipped and hardsigmoid, a for leaky_relu and elu at 0, and for
// hardswish the slope outside of -3 .. 3.
double slope(double x, Activation f) {
  switch (f.kind) {
    case ActivationKind::identity: return 1;
    case ActivationKind::relu: return x > 0;
    case ActivationKind::clipped: return x > f.a && x < f.b;
    case ActivationKind::leaky_relu: return x > 0 ? 1 : f.a;
    case ActivationKind::elu: return x > 0 ? 1 : f.a * std::exp(x);
    case ActivationKind::selu: return f.b * (x > 0 ? 1 : f.a * std::exp(x));
    case ActivationKind::sigmoid: return logistic(x) * logistic(-x);
    case ActivationKind::tanh: return 1 - std::tanh(x) * std::tanh(x);
    case ActivationKind::silu: return logistic(x) * (1 + x * logistic(-x));
    case ActivationKind::gelu: return 0.5 * (1 + std::erf(x * kRootHalf)) + x * std::exp(-x * x / 2) * kTwoOverRootPi * kRootHalf / 2;
    case ActivationKind::gelu_tanh: return gelu_tanh_slope(x);
    case ActivationKind::hardsigmoid: return f.a * x + f.b > 0 && f.a * x + f.b < 1 ? f.a : 0;
    case ActivationKind::hardswish: return x <= -3 ? 0 : x >= 3 ? 1 : x / 3 + 0.5;
    case ActivationKind::mish: {
      const double t = std::tanh(std::log1p(std::exp(x)));
      return t + x * (1 - t * t) * logistic(x);
    }
    case ActivationKind::softplus: return logistic(x);
    case ActivationKind::exp: return std::exp(x);
    case ActivationKind::log: return 1 / x;
    case ActivationKind::sqrt: return 0.5 / std::sqrt(x);
    case ActivationKind::reciprocal: return -1 / (x * x);
    case ActivationKind::power: return f.a == 0 ? 0 : f.a * std::pow(x, f.a - 1.0);
    case ActivationKind::abs: return (x > 0) - (x < 0);
    case ActivationKind::erf: return kTwoOverRootPi * std::exp(-x * x);
    case ActivationKind::sin: return std::cos(in_range(x));
    case ActivationKind::cos: return -std::sin(in_range(x));
    default: return 0;  // sign, floor, ceil, round
  }
}

using K = ActivationKind;
const Activation kAll[] = {{K::identity, 0, 0},  {K::relu, 0, 0},      {K::clipped, 0, 6},    {K::leaky_relu, 0.01f, 0},
                           {K::elu, 1.5f, 0},    {K::selu, 1.5f, 2},   {K::sigmoid, 0, 0},    {K::tanh, 0, 0},
                           {K::silu, 0, 0},      {K::gelu, 0, 0},      {K::gelu_tanh, 0, 0},  {K::hardsigmoid, 0.25f, 0.5f},
                           {K::hardswish, 0, 0}, {K::mish, 0, 0},      {K::softplus, 0, 0},   {K::exp, 0, 0},
                           {K::log, 0, 0},       {K::sqrt, 0, 0},      {K::reciprocal, 0, 0}, {K::abs, 0, 0},
                           {K::sign, 0, 0},      {K::floor, 0, 0},     {K::ceil, 0, 0},       {K::round, 0, 0},
                           {K::erf, 0, 0},       {K::sin, 0, 0},       {K::cos, 0, 0},        {K::power, 0, 0},
                           {K::power, 1, 0},     {K::power, 2, 0},     {K::power, 3, 0},      {K::power, -1, 0},
                           {K::power, -2, 0},    {K::power, 8, 0},     {K::power, 9, 0},      {K::power, 0.5f, 0},
                           {K::power, -0.5f, 0}, {K::power, 0.75f, 0}, {K::power, 1.5f, 0},   {K::power, -2.25f, 0},
                           {K::power, 21, 0},    {K::power, 1e6f, 0}};

// Moderate numbers, then critical ones: kinks, the ends of the range of exp, infinities, NaN.
Buffer interesting(std::int64_t count, Random& random) {
  Buffer x(count, random);
  const float special[] = {0.0f,   -0.0f,    3.0f,       -3.0f,        6.0f,         1.0f,     -1.0f,     0.5f,  -0.5f,
                           1.5f,   2.5f,     -2.5f,      88.0f,        -88.0f,       104.0f,   -104.0f,   1e-6f, 1e30f,
                           -1e30f, 16777216, 8388607.5f, 1 + 0x1p-23f, 1 - 0x1p-24f, INFINITY, -INFINITY, NAN};
  constexpr int kSpecial = sizeof special / sizeof special[0];
  for (std::int64_t i = 0; i < count; ++i) x.data()[i] *= 12;
  for (std::int64_t i = 0; i < kSpecial && i + 40 < count; ++i) x.data()[i + 40] = special[i];
  return x;
}

void check_activate(const Kernels& kernels, Activation f, std::int64_t count, std::uint32_t seed) {
  const std::string what = label(kernels, "activate", static_cast<int>(f.kind), count);
  Random random(seed);
  const Buffer x = interesting(count, random);
  Buffer y(count);
  Buffer in_place = x;
  kernels.activate(y.data(), x.data(), count, f);
  kernels.activate(in_place.data(), in_place.data(), count, f);
  for (std::int64_t i = 0; i < count; ++i) {
    check_close(what, i, y[i], activation(x[i], f), activation_bound(x[i], 0, f));
    check_close(what + " in place", i, in_place[i], y[i], 0);
  }
  y.check_guards(what);
}

void check_activate_backward(const Kernels& kernels, Activation f, std::int64_t count, std::uint32_t seed) {
  const std::string what = label(kernels, "activate_backward", static_cast<int>(f.kind), count);
  Random random(seed);
  const Buffer x = interesting(count, random);
  const Buffer dy(count, random);
  Buffer dx(count);
  kernels.activate_backward(dx.data(), dy.data(), x.data(), count, f);
  for (std::int64_t i = 0; i < count; ++i) {
    if (!std::isfinite(x[i])) continue;  // the slope at infinity is not defined
    // Slopes with x (1 - t^2) or x s (1 - s) multiply the rounding of t or s by x. For |x| > 4 that term vanishes.
    const double roundings = 16 + 8 * std::fmin(std::abs(x[i]), 4);
    const double want = saturated(slope(x[i], f));
    const double magnitude = std::fmax(1 + std::abs(f.a), std::abs(want));
    check_close(what, i, dx[i], saturated(dy[i] * want), roundings * kEps * std::abs(dy[i]) * magnitude);
  }
  dx.check_guards(what);
}

void for_all_activations(const Kernels& kernels, void (*check)(const Kernels&, Activation, std::int64_t, std::uint32_t)) {
  std::uint32_t seed = 400;
  for (const Activation& f : kAll) {
    for (int count = 0; count <= 2 * kernels.lanes + 1; ++count) check(kernels, f, count, seed++);
    check(kernels, f, 1003, seed++);
  }
}

}  // namespace

double activation(double x, Activation f) {
  if (std::isnan(x) && !(f.kind == ActivationKind::power && f.a == 0)) return x;
  switch (f.kind) {
    case ActivationKind::identity: return x;
    case ActivationKind::relu: return x > 0 ? x : 0;
    case ActivationKind::clipped: return std::fmin(std::fmax(x, f.a), f.b);
    case ActivationKind::leaky_relu: return x >= 0 ? x : f.a * x;
    case ActivationKind::elu: return x > 0 ? x : f.a * std::expm1(x);
    case ActivationKind::selu: return f.b * (x > 0 ? x : f.a * std::expm1(x));
    case ActivationKind::sigmoid: return logistic(x);
    case ActivationKind::tanh: return std::tanh(x);
    case ActivationKind::silu: return std::isinf(x) ? (x > 0 ? x : std::nan("")) : x * logistic(x);
    case ActivationKind::gelu: return std::isinf(x) ? (x > 0 ? x : std::nan("")) : x * 0.5 * (1 + std::erf(x * kRootHalf));
    case ActivationKind::gelu_tanh: return std::isinf(x) ? (x > 0 ? x : std::nan("")) : x * gelu_tanh_gate(x);
    case ActivationKind::hardsigmoid: return std::fmin(std::fmax(f.a * x + f.b, 0), 1);
    case ActivationKind::hardswish: return std::isinf(x) && x < 0 ? std::nan("") : x * std::fmin(std::fmax(x / 6 + 0.5, 0), 1);
    case ActivationKind::mish: return std::isinf(x) ? (x > 0 ? x : std::nan("")) : x * std::tanh(std::log1p(std::exp(x)));
    case ActivationKind::softplus: return x > 500 ? x : std::log1p(std::exp(x));
    case ActivationKind::exp: return saturated(std::exp(x));
    case ActivationKind::log: return std::log(x);
    case ActivationKind::sqrt: return std::sqrt(x);
    case ActivationKind::reciprocal: return 1 / x;
    case ActivationKind::power: return saturated(std::pow(x, f.a));
    case ActivationKind::abs: return std::abs(x);
    case ActivationKind::sign: return (x > 0) - (x < 0);
    case ActivationKind::floor: return std::floor(x);
    case ActivationKind::ceil: return std::ceil(x);
    case ActivationKind::round: return std::nearbyint(x);
    case ActivationKind::erf: return std::erf(x);
    case ActivationKind::sin: return std::sin(in_range(x));
    case ActivationKind::cos: return std::cos(in_range(x));
  }
  return x;
}

double activation_bound(double x, double error, Activation f) {
  const double steepest = std::fmax(1.2, std::abs(f.a));
  return steepest * error + 16 * kEps * (std::fmin(std::abs(x), 1) + std::abs(activation(x, f)));
}

void test_activate(const Kernels& kernels) { for_all_activations(kernels, check_activate); }
void test_activate_backward(const Kernels& kernels) { for_all_activations(kernels, check_activate_backward); }

// Both kernels against the slopes of the activation. The words have guards, too.
void check_slope_mask(const Kernels& kernels, Activation f, std::int64_t count) {
  const std::string what = label(kernels, "slope_mask", static_cast<int>(f.kind), count);
  Random random(static_cast<std::uint32_t>(count));
  Buffer y(count, random);
  const Buffer dy(count, random);
  for (std::int64_t i = 0; i < count; i += 5) y.data()[i] = i % 2 ? 0.0f : i % 4 ? f.a : f.b;  // the kinks
  Buffer words((count + 31) / 32);
  Buffer dx(count);
  kernels.slope_mask(reinterpret_cast<std::uint32_t*>(words.data()), y.data(), count, f);
  words.check_guards(what);
  kernels.slope_mask_backward(dx.data(), dy.data(), reinterpret_cast<const std::uint32_t*>(words.data()), count,
                              f.kind == ActivationKind::leaky_relu ? f.a : 0.0f);
  for (std::int64_t i = 0; i < count; ++i) check_close(what, i, dx[i], dy[i] * static_cast<float>(slope(y[i], f)), 0);
  dx.check_guards(what);
}

void check_slope_masks(const Kernels& kernels) {
  for (const Activation f : {Activation{ActivationKind::relu, 0, 0}, Activation{ActivationKind::leaky_relu, 0.25f, 0},
                             Activation{ActivationKind::clipped, 0, 6}, Activation{ActivationKind::clipped, -1, 1}})
    for (std::int64_t count = 0; count <= 1003; count += count > 3 * 32 ? 901 : 1) check_slope_mask(kernels, f, count);
}

void test_slope_mask(const Kernels& kernels) { check_slope_masks(kernels); }
void test_slope_mask_backward(const Kernels& kernels) { check_slope_masks(kernels); }
void test_scale_shift(const Kernels& kernels) {
  for (std::int64_t count = 0; count <= 1003; count += count > 2 * kernels.lanes ? 970 : 1) {
    const std::string what = label(kernels, "scale_shift", count);
    Random random(static_cast<std::uint32_t>(count));
    const Buffer x(count, random);
    Buffer y(count);
    kernels.scale_shift(y.data(), x.data(), count, 0.5f, -0.25f);
    for (std::int64_t i = 0; i < count; ++i) check_close(what, i, y[i], 0.5 * x[i] - 0.25, 4 * kEps);
    y.check_guards(what);
  }
}

}  // namespace fastcnn::testing
