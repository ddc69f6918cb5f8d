// Kernels: the table of single-threaded SIMD functions of one ISA, filled by table.cpp from kernels.inc.
//
// A kernel works on raw pointers; lengths and strides count elements. It allocates nothing, knows no threads and no std containers, and
// has no special path for image borders: the ring of zeros is in memory (core/tensor.h).
#pragma once

#include <stdint.h>

#include "kernels/arguments.h"
#include "kernels/product_arguments.h"

namespace fastcnn {

struct Kernels {
  const char* isa;
  int lanes;  // number of floats in a register: the channel block of this ISA's images
#define FASTCNN_KERNEL(name, parameters) void(*name) parameters;
#include "kernels/kernels.inc"
#undef FASTCNN_KERNEL
};

// The table of each ISA of this build.
#define FASTCNN_ISA_TABLE(isa) \
  namespace isa {              \
  extern const Kernels table;  \
  }
#include "kernels/isas.inc"
#undef FASTCNN_ISA_TABLE

}  // namespace fastcnn

// The functions that kernel files define and table.cpp collects.
#if defined(FASTCNN_ISA)
namespace fastcnn::FASTCNN_ISA {
#define FASTCNN_KERNEL(name, parameters) void name parameters;
#include "kernels/kernels.inc"
#undef FASTCNN_KERNEL
}  // namespace fastcnn::FASTCNN_ISA
#endif
