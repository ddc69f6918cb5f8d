// Activations that are a clamp: relu and clipping. They are cheap enough to be part of every store; the others are a pass over the finished
// row.
#pragma once

#include "simd/activation_kind.h"
#include "simd/vec.h"

namespace fastcnn::FASTCNN_ISA {

// A clamp to [low, high]. The bounds of identity are -infinity and infinity.
struct Clamp {
  float low, high;
};

// Returns infinite bounds for an activation that is no clamp: it is applied later.
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
