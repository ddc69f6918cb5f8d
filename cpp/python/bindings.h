// Each function adds the names of one file of cpp/python to the module.
#pragma once

#include <pybind11/pybind11.h>

#include "core/dispatch.h"

namespace fastcnn {

void bind_errors(pybind11::module_& module);
void bind_parameter(pybind11::module_& module);
void bind_graph(pybind11::module_& module);
void bind_program(pybind11::module_& module);
void bind_training(pybind11::module_& module);
void bind_machine(pybind11::module_& module);

}  // namespace fastcnn
