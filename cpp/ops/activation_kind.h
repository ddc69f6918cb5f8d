// The activation that an op carries in its attributes, checked.
#pragma once

#include "kernels/arguments.h"
#include "ops/attributes.h"

namespace fastcnn {

// "relu" -> ActivationKind::relu; Error, naming `op`, for an unknown name.
ActivationKind activation_kind(const std::string& name, std::string_view op);

// Attributes "kind", "a", "b" of the activation op.
Activation activation_of(const Attributes& attributes);

// Attributes `name`, `name`_a, `name`_b.
Activation activation_named(const Attributes& attributes, const std::string& name);

// Attributes "activation", "activation_a", "activation_b" of an op with an epilogue; identity where there are none.
Activation fused_activation(const Attributes& attributes);

}  // namespace fastcnn
