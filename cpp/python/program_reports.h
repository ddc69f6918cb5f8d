// Shared by bind_program.cpp and bind_training.cpp: a program's operands as arrays, its plan and steps as lists of dicts.
#pragma once

#include "python/arrays.h"
#include "runtime/program.h"

namespace fastcnn {

Arrays input_arrays(CallLists& lists, const Program& program, const py::sequence& given);
std::pmr::vector<const TensorType*> output_types(CallLists& lists, const Program& program);
py::dict memory_of(const Program& program);
py::dict graph_of(const Program& program);
py::list plan_of(const Program& program);
py::list steps_of(const Program& program);

}  // namespace fastcnn
