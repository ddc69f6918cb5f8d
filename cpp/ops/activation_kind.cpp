#include "ops/activation_kind.h"

#include <cmath>

namespace fastcnn {

namespace {

constexpr std::pair<const char*, ActivationKind> kNames[] = {
#define FASTCNN_ACTIVATION(name) {#name, ActivationKind::name},
#include "simd/activations.inc"
#undef FASTCNN_ACTIVATION
};

float no_nan(double value, const char* name) {
  require(!std::isnan(value), "activation", join(name, " must be a number"), value);
  return static_cast<float>(value);
}

}  // namespace

ActivationKind activation_kind(const std::string& name, std::string_view op) {
  for (const auto& [known, kind] : kNames)
    if (name == known) return kind;
  throw Error(ErrorKind::value, op, "there is no activation of this name", name);
}

Activation activation_of(const Attributes& attributes) {
  return {activation_kind(attributes.text("kind"), "activation"), no_nan(attributes.number("a"), "a"), no_nan(attributes.number("b"), "b")};
}

Activation fused_activation(const Attributes& attributes) {
  if (!attributes.has("activation")) return {};
  return {activation_kind(attributes.text("activation"), "activation"), no_nan(attributes.number("activation_a"), "activation_a"),
          no_nan(attributes.number("activation_b"), "activation_b")};
}

}  // namespace fastcnn
