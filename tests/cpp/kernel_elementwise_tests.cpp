// Element-wise kernels: every count below two vectors and beyond, in place and not, all activations and their slopes.
#include <functional>

#include "kernel_testing.h"

namespace fastcnn::testing {

namespace {

constexpr double kRootHalf = 0.70710678118654752440;
constexpr double kTwoOverRootPi = 1.12837916709551257390;

double logistic(double x) { return 1 / (1 + std::exp(-x)); }

// d activation / dx. At a kink, PyTorch's choice: relu, clipped and hardsigmoid are flat there, leaky_relu has the slope a at 0, hardswish
// those outside of -3 .. 3, elu the slope a at 0.
double slope(double x, Activation f) {
  switch (f.kind) {
    case ActivationKind::identity: return 1;
    case ActivationKind::relu: return x > 0;
    case ActivationKind::clipped: return x > f.a && x < f.b;
    case ActivationKind::leaky_relu: return x > 0 ? 1 : f.a;
    case ActivationKind::elu: return x > 0 ? 1 : f.a * std::exp(x);
    case ActivationKind::sigmoid: return logistic(x) * logistic(-x);
    case ActivationKind::tanh: return 1 - std::tanh(x) * std::tanh(x);
    case ActivationKind::silu: return logistic(x) * (1 + x * logistic(-x));
    case ActivationKind::gelu: return 0.5 * (1 + std::erf(x * kRootHalf)) + x * std::exp(-x * x / 2) * kTwoOverRootPi * kRootHalf / 2;
    case ActivationKind::hardsigmoid: return x > -3 && x < 3 ? 1.0 / 6 : 0;
    case ActivationKind::hardswish: return x <= -3 ? 0 : x >= 3 ? 1 : x / 3 + 0.5;
    case ActivationKind::mish: {
      const double t = std::tanh(std::log1p(std::exp(x)));
      return t + x * (1 - t * t) * logistic(x);
    }
  }
  return 0;
}

const Activation kAll[] = {{ActivationKind::identity, 0, 0},       {ActivationKind::relu, 0, 0},      {ActivationKind::clipped, 0, 6},
                           {ActivationKind::leaky_relu, 0.01f, 0}, {ActivationKind::elu, 1.5f, 0},    {ActivationKind::sigmoid, 0, 0},
                           {ActivationKind::tanh, 0, 0},           {ActivationKind::silu, 0, 0},      {ActivationKind::gelu, 0, 0},
                           {ActivationKind::hardsigmoid, 0, 0},    {ActivationKind::hardswish, 0, 0}, {ActivationKind::mish, 0, 0}};

// Moderate numbers, then all that can go wrong: kinks, the ends of exp, infinities, NaN.
Buffer interesting(std::int64_t count, Random& random) {
  Buffer x(count, random);
  const float special[] = {0.0f, 3.0f, -3.0f, 6.0f, 88.0f, -88.0f, 104.0f, -104.0f, 1e-6f, 1e30f, -1e30f, INFINITY, -INFINITY, NAN};
  for (std::int64_t i = 0; i < count; ++i) x.data()[i] *= 12;
  for (std::int64_t i = 0; i < 14 && i + 40 < count; ++i) x.data()[i + 40] = special[i];
  return x;
}

void check_activate(const Kernels& kernels, Activation f, std::int64_t count, std::uint32_t seed) {
  const std::string what = label(kernels, "activate", static_cast<int>(f.kind), count);
  Random random(seed);
  const Buffer x = interesting(count, random);
  Buffer y(count), in_place = x;
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
  const Buffer x = interesting(count, random), dy(count, random);
  Buffer dx(count);
  kernels.activate_backward(dx.data(), dy.data(), x.data(), count, f);
  for (std::int64_t i = 0; i < count; ++i) {
    if (!std::isfinite(x[i])) continue;  // a slope at infinity is nobody's business
    // Slopes with x (1 - t^2) or x s (1 - s) multiply the rounding of t or s by x, until that term is gone beyond 4.
    const double roundings = 16 + 8 * std::fmin(std::abs(x[i]), 4);
    check_close(what, i, dx[i], dy[i] * slope(x[i], f), roundings * kEps * std::abs(dy[i]) * (1 + std::abs(f.a)));
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

// y(i) = want(a[i], b[i]) for every count.
void check_arithmetic(const Kernels& kernels, const char* name,
                      const std::function<void(float*, const float*, const float*, std::int64_t)>& run, double (*want)(double, double)) {
  for (std::int64_t count = 0; count <= 1003; count += count > 2 * kernels.lanes ? 970 : 1) {
    const std::string what = label(kernels, name, count);
    Random random(static_cast<std::uint32_t>(count));
    const Buffer a(count, random), b(count, random);
    Buffer y(count);
    run(y.data(), a.data(), b.data(), count);
    for (std::int64_t i = 0; i < count; ++i) check_close(what, i, y[i], want(a[i], b[i]), 4 * kEps);
    y.check_guards(what);
  }
}

}  // namespace

double activation(double x, Activation f) {
  if (std::isnan(x)) return x;
  switch (f.kind) {
    case ActivationKind::identity: return x;
    case ActivationKind::relu: return x > 0 ? x : 0;
    case ActivationKind::clipped: return std::fmin(std::fmax(x, f.a), f.b);
    case ActivationKind::leaky_relu: return x >= 0 ? x : f.a * x;
    case ActivationKind::elu: return x > 0 ? x : f.a * std::expm1(x);
    case ActivationKind::sigmoid: return logistic(x);
    case ActivationKind::tanh: return std::tanh(x);
    case ActivationKind::silu: return std::isinf(x) ? (x > 0 ? x : std::nan("")) : x * logistic(x);
    case ActivationKind::gelu: return std::isinf(x) ? (x > 0 ? x : std::nan("")) : x * 0.5 * (1 + std::erf(x * kRootHalf));
    case ActivationKind::hardsigmoid: return std::fmin(std::fmax(x / 6 + 0.5, 0), 1);
    case ActivationKind::hardswish: return std::isinf(x) && x < 0 ? std::nan("") : x * std::fmin(std::fmax(x / 6 + 0.5, 0), 1);
    case ActivationKind::mish: return std::isinf(x) ? (x > 0 ? x : std::nan("")) : x * std::tanh(std::log1p(std::exp(x)));
  }
  return x;
}

double activation_bound(double x, double error, Activation f) {
  const double steepest = std::fmax(1.2, std::abs(f.a));
  return steepest * error + 16 * kEps * (std::fmin(std::abs(x), 1) + std::abs(activation(x, f)));
}

void test_activate(const Kernels& kernels) { for_all_activations(kernels, check_activate); }
void test_activate_backward(const Kernels& kernels) { for_all_activations(kernels, check_activate_backward); }
void test_add(const Kernels& kernels) {
  check_arithmetic(kernels, "add", kernels.add, [](double a, double b) { return a + b; });
}
void test_multiply(const Kernels& kernels) {
  check_arithmetic(kernels, "multiply", kernels.multiply, [](double a, double b) { return a * b; });
}
void test_scale_shift(const Kernels& kernels) {
  const auto run = [&](float* y, const float* a, const float*, std::int64_t count) { kernels.scale_shift(y, a, count, 0.5f, -0.25f); };
  check_arithmetic(kernels, "scale_shift", run, [](double a, double) { return 0.5 * a - 0.25; });
}

}  // namespace fastcnn::testing
