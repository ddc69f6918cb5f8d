// One step of each optimizer against torch's formulas in double.
#include <functional>

#include "kernel_testing.h"

namespace fastcnn::testing {

namespace {

// One weight, its gradient (scaled, with weight decay) and its slots.
struct Weight {
  double w, g, first, second;
};
using Step = std::function<void(const WeightUpdate&, Weight&)>;

// Runs `kernel` for every count and compares weights and slots. All numbers are near 1, so the bound is a count of roundings.
void check_update(const Kernels& kernels, const char* name, void (*kernel)(const WeightUpdate&), WeightUpdate settings, bool has_first,
                  bool has_second, const Step& step) {
  for (std::int64_t count = 0; count <= 2 * kernels.lanes + 1; ++count) {
    const std::string what = label(kernels, name, count, static_cast<int>(settings.nesterov));
    Random random(static_cast<std::uint32_t>(count) + 1300);
    Buffer weights(count, random);
    Buffer first(count, random);
    Buffer second(count, random);
    const Buffer gradient(count, random);
    for (std::int64_t i = 0; i < count; ++i) second.data()[i] = 0.5f + std::abs(second[i]);  // averages of squares
    if (has_first && !has_second && settings.keep_first == 0)
      for (std::int64_t i = 0; i < count; ++i) first.data()[i] = 0.5f + std::abs(first[i]);  // a sum of squares
    WeightUpdate chunk = settings;
    const Buffer w = weights;
    const Buffer m = first;
    const Buffer v = second;
    chunk.weights = weights.data();
    chunk.gradient = gradient.data();
    chunk.count = count;
    chunk.first = has_first ? first.data() : nullptr;
    chunk.second = has_second ? second.data() : nullptr;
    kernel(chunk);
    for (std::int64_t i = 0; i < count; ++i) {
      const double g = double{chunk.gradient_scale} * gradient[i] + double{chunk.weight_decay} * w[i];
      Weight want{double{w[i]} * chunk.keep_weights, g, m[i], v[i]};
      step(chunk, want);
      check_close(what + " weight", i, weights[i], want.w, 32 * kEps);
      if (has_first) check_close(what + " first slot", i, first[i], want.first, 16 * kEps);
      if (has_second) check_close(what + " second slot", i, second[i], want.second, 16 * kEps);
    }
    for (const Buffer* buffer : {&weights, &first, &second}) buffer->check_guards(what);
  }
}

constexpr WeightUpdate kPlain = {.weights = nullptr,
                                 .gradient = nullptr,
                                 .first = nullptr,
                                 .second = nullptr,
                                 .count = 0,
                                 .gradient_scale = 0.7f,
                                 .weight_decay = 0.01f,
                                 .keep_weights = 0.99f,
                                 .rate = 0.1f,
                                 .eps = 1e-8f,
                                 .keep_first = 0,
                                 .keep_second = 0,
                                 .add_first = 0,
                                 .add_second = 0,
                                 .root_correction = 1,
                                 .nesterov = false};

}  // namespace

void test_update_sgd(const Kernels& kernels) {
  check_update(kernels, "update_sgd", kernels.update_sgd, kPlain, false, false,
               [](const WeightUpdate& chunk, Weight& weight) { weight.w -= chunk.rate * weight.g; });
  for (bool nesterov : {false, true}) {
    WeightUpdate settings = kPlain;
    settings.keep_first = 0.9f;
    settings.nesterov = nesterov;
    check_update(kernels, "update_sgd", kernels.update_sgd, settings, true, false, [](const WeightUpdate& chunk, Weight& weight) {
      weight.first = chunk.keep_first * weight.first + weight.g;
      weight.w -= chunk.rate * (chunk.nesterov ? weight.g + chunk.keep_first * weight.first : weight.first);
    });
  }
}

void test_update_adagrad(const Kernels& kernels) {
  check_update(kernels, "update_adagrad", kernels.update_adagrad, kPlain, true, false, [](const WeightUpdate& chunk, Weight& weight) {
    weight.first += weight.g * weight.g;
    weight.w -= chunk.rate * weight.g / (std::sqrt(weight.first) + chunk.eps);
  });
}

void test_update_rmsprop(const Kernels& kernels) {
  for (bool momentum : {false, true}) {
    WeightUpdate settings = kPlain;
    settings.keep_first = momentum ? 0.9f : 0.0f;
    settings.keep_second = 0.75f;
    settings.add_second = 0.3f;
    check_update(kernels, "update_rmsprop", kernels.update_rmsprop, settings, momentum, true,
                 [](const WeightUpdate& chunk, Weight& weight) {
                   weight.second = chunk.keep_second * weight.second + double{chunk.add_second} * weight.g * weight.g;
                   const double direction = weight.g / (std::sqrt(weight.second) + chunk.eps);
                   weight.first = chunk.first ? chunk.keep_first * weight.first + direction : direction;
                   weight.w -= chunk.rate * weight.first;
                 });
  }
}

void test_update_adam(const Kernels& kernels) {
  WeightUpdate settings = kPlain;
  settings.keep_first = 0.9f;
  settings.keep_second = 0.75f;
  settings.add_first = 0.2f;
  settings.add_second = 0.3f;
  settings.root_correction = 1.25f;
  check_update(kernels, "update_adam", kernels.update_adam, settings, true, true, [](const WeightUpdate& chunk, Weight& weight) {
    weight.first = chunk.keep_first * weight.first + double{chunk.add_first} * weight.g;
    weight.second = chunk.keep_second * weight.second + double{chunk.add_second} * weight.g * weight.g;
    weight.w -= chunk.rate * weight.first / (std::sqrt(weight.second) * chunk.root_correction + chunk.eps);
  });
}

}  // namespace fastcnn::testing
