// Which ISA's kernels run. The processor is asked once; the environment variable FASTCNN_ISA overrides its answer.
#pragma once

#include <string_view>
#include <vector>

#include "kernels/kernels.h"

namespace fastcnn {

// ISAs that are compiled in and that this processor can run, best first. The last is always "baseline".
const std::vector<const Kernels*>& available_kernels();

// By name, or for an empty name FASTCNN_ISA, else the best. Error for an ISA that is unknown or that this processor lacks.
const Kernels& kernels_for(std::string_view isa = {});

// Whether this processor takes two turns for a vector of so many lanes (known of Zen 4 alone: for 16): its multiply-adds are then half as
// fast beside its caches and its memory, which changes what algorithm is the fastest.
bool takes_two_turns(int lanes);

}  // namespace fastcnn
