#include "ops/activation_kind.h"

#include <cmath>

namespace fastcnn {

namespace {

constexpr std::pair<const char*, ActivationKind> kNames[] = {
#define FASTCNN_ACTIVATION(name) {#name, ActivationKind::name},
#include "simd/activations.inc"
#undef FASTCNN_ACTIVATION
};

float no_nan(const Attributes& attributes, const std::string& name) {
  const double value = attributes.number(name);
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
  return {activation_kind(attributes.text("kind"), "activation"), no_nan(attributes, "a"), no_nan(attributes, "b")};
}

Activation activation_named(const Attributes& attributes, const std::string& name) {
  return {activation_kind(attributes.text(name), "activation"), no_nan(attributes, name + "_a"), no_nan(attributes, name + "_b")};
}

Activation fused_activation(const Attributes& attributes) {
  if (!attributes.has("activation")) return {};
  return activation_named(attributes, "activation");
}

}  // namespace fastcnn
