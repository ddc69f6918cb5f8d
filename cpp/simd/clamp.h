// Activations that are a clamp, cheap enough to be part of every store: relu and clipping. The others are a pass over the finished row.
#pragma once

#include "kernels/arguments.h"
#include "simd/vec.h"

namespace fastcnn::FASTCNN_ISA {

// To [low, high]; identity is the clamp to all numbers, and so is, for now, what is no clamp.
struct Clamp {
  float low, high;
};

FASTCNN_INLINE Clamp clamp_of(Activation activation) {
  switch (activation.kind) {
    case ActivationKind::relu: return {0.0f, __builtin_inff()};
    case ActivationKind::clipped: return {activation.a, activation.b};
    default: return {-__builtin_inff(), __builtin_inff()};
  }
}

FASTCNN_INLINE bool is_clamp(Activation activation) {
  return activation.kind == ActivationKind::identity || activation.kind == ActivationKind::relu ||
         activation.kind == ActivationKind::clipped;
}

}  // namespace fastcnn::FASTCNN_ISA
