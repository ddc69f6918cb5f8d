// Chooses the ISA whose kernels run. The processor is asked once; the environment variable FASTCNN_ISA overrides its answer.
#pragma once

#include <string_view>
#include <vector>

#include "kernels/kernels.h"

namespace fastcnn {

// The ISAs of this build that the processor can run, the best first. The last is always "baseline".
const std::vector<const Kernels*>& available_kernels();

// Returns the kernels of the ISA of this name; for an empty name those of FASTCNN_ISA, else the best. Error for an ISA that is unknown or
// that this processor lacks.
const Kernels& kernels_for(std::string_view isa = {});

// Returns whether this processor computes a vector of so many lanes in two halves, one after the other (only Zen 4 is known to, for 16
// lanes). Its multiply-adds are then half as fast relative to its caches and its memory, which changes which algorithm is the fastest.
bool takes_two_turns(int lanes);

}  // namespace fastcnn
