// The table of this ISA: every kernel of the manifest, compiled with the ISA's flags.
#include "kernels/kernels.h"
#include "simd/vec.h"

namespace fastcnn::FASTCNN_ISA {

#define FASTCNN_TEXT_OF(x) #x
#define FASTCNN_TEXT(x) FASTCNN_TEXT_OF(x)

extern const Kernels table;
const Kernels table = {
    .isa = FASTCNN_TEXT(FASTCNN_ISA),
    .lanes = kLanes,
#define FASTCNN_KERNEL(name, parameters) .name = name,
#include "kernels/kernels.inc"
#undef FASTCNN_KERNEL
};

}  // namespace fastcnn::FASTCNN_ISA
