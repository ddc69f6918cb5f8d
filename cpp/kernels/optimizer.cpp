// One step of each optimizer over an array of weights: a single pass that reads weights, gradient and slots and writes weights and slots.
// The formulas are those of torch.optim.
#include "kernels/kernels.h"
#include "simd/vec.h"

namespace fastcnn::FASTCNN_ISA {

namespace {

// Calls step(weights, gradient, first slot, second slot) with vectors of all four and stores weights and slots. A slot that does not exist
// reads as zero.
template <class Step>
FASTCNN_INLINE void for_all(const WeightUpdate& chunk, Step&& step) {
  const Vec scale = broadcast(chunk.gradient_scale);
  const Vec decay = broadcast(chunk.weight_decay);
  const Vec keep = broadcast(chunk.keep_weights);
  for (int64_t i = 0; i < chunk.count; i += kLanes) {
    const int lanes = chunk.count - i < kLanes ? static_cast<int>(chunk.count - i) : kLanes;
    Vec w = load_first(chunk.weights + i, lanes);
    const Vec g = fma(decay, w, scale * load_first(chunk.gradient + i, lanes));
    Vec first = chunk.first ? load_first(chunk.first + i, lanes) : zero();
    Vec second = chunk.second ? load_first(chunk.second + i, lanes) : zero();
    w *= keep;
    step(w, g, first, second);
    store_first(chunk.weights + i, w, lanes);
    if (chunk.first) store_first(chunk.first + i, first, lanes);
    if (chunk.second) store_first(chunk.second + i, second, lanes);
  }
}

}  // namespace

// first: momentum buffer (Sutskever et al., 2013, in torch's form).
void update_sgd(const WeightUpdate& chunk) {
  const Vec rate = broadcast(chunk.rate);
  const Vec momentum = broadcast(chunk.keep_first);
  for_all(chunk, [&](Vec& w, Vec g, Vec& buffer, Vec&) {
    if (chunk.first) {
      buffer = fma(momentum, buffer, g);
      g = chunk.nesterov ? fma(momentum, buffer, g) : buffer;
    }
    w -= rate * g;
  });
}

// first: sum of squared gradients (Duchi et al., 2011).
void update_adagrad(const WeightUpdate& chunk) {
  const Vec rate = broadcast(chunk.rate);
  const Vec eps = broadcast(chunk.eps);
  for_all(chunk, [&](Vec& w, Vec g, Vec& total, Vec&) {
    total = fma(g, g, total);
    w -= rate * g / (sqrt(total) + eps);
  });
}

// second: moving average of squared gradients; first: momentum buffer, or nullptr (Hinton, lecture 6e, 2012).
void update_rmsprop(const WeightUpdate& chunk) {
  const Vec rate = broadcast(chunk.rate);
  const Vec eps = broadcast(chunk.eps);
  const Vec momentum = broadcast(chunk.keep_first);
  const Vec alpha = broadcast(chunk.keep_second);
  const Vec rest = broadcast(chunk.add_second);
  for_all(chunk, [&](Vec& w, Vec g, Vec& buffer, Vec& average) {
    average = fma(alpha, average, rest * g * g);
    buffer = fma(momentum, buffer, g / (sqrt(average) + eps));
    w -= rate * buffer;
  });
}

// first and second: moving averages of the gradient and of its square (Kingma & Ba, 2015; decoupled decay: Loshchilov & Hutter, 2019).
void update_adam(const WeightUpdate& chunk) {
  const Vec rate = broadcast(chunk.rate);
  const Vec eps = broadcast(chunk.eps);
  const Vec correction = broadcast(chunk.root_correction);
  const Vec beta1 = broadcast(chunk.keep_first);
  const Vec rest1 = broadcast(chunk.add_first);
  const Vec beta2 = broadcast(chunk.keep_second);
  const Vec rest2 = broadcast(chunk.add_second);
  for_all(chunk, [&](Vec& w, Vec g, Vec& mean, Vec& square) {
    mean = fma(beta1, mean, rest1 * g);
    square = fma(beta2, square, rest2 * g * g);
    w -= rate * mean / fma(sqrt(square), correction, eps);
  });
}

}  // namespace fastcnn::FASTCNN_ISA
