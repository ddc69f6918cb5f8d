// Activations in the attributes of ops, checked.
#pragma once

#include "kernels/arguments.h"
#include "ops/attributes.h"

namespace fastcnn {

// "relu" -> ActivationKind::relu. For an unknown name an Error that names `op`.
ActivationKind activation_kind(const std::string& name, std::string_view op);

// Reads the attributes "kind", "a", "b" of the activation op.
Activation activation_of(const Attributes& attributes);

// Reads the attributes `name`, `name`_a, `name`_b.
Activation activation_named(const Attributes& attributes, const std::string& name);

// Reads the attributes "activation", "activation_a", "activation_b" of an op with an epilogue. Identity where there are none.
Activation fused_activation(const Attributes& attributes);

}  // namespace fastcnn
