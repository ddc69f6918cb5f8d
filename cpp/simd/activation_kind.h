// Activation: which element-wise function, with its parameters. Plain data, the same for all ISAs; the functions are in simd/activation.h.
#pragma once

#include <stdint.h>

namespace fastcnn {

// The element-wise functions; activations.inc says what each computes.
enum class ActivationKind : int32_t {
#define FASTCNN_ACTIVATION(name) name,
#include "simd/activations.inc"
#undef FASTCNN_ACTIVATION
};

struct Activation {
  ActivationKind kind = ActivationKind::identity;
  float a = 0, b = 0;
};

}  // namespace fastcnn
