// Declares every op of ops.inc: each is defined in the file that its group names.
#pragma once

#include "ops/op.h"

namespace fastcnn {
#define FASTCNN_OP(name) extern const Op k_##name;
#include "ops/ops.inc"
#undef FASTCNN_OP
}  // namespace fastcnn
