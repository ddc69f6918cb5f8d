// NumPy arrays at the border: what comes in is checked and converted once, what goes out is made or checked to be writable in place.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <string>
#include <vector>

#include "graph/graph.h"

namespace fastcnn {

namespace py = pybind11;

py::tuple tuple_of(const Shape& shape);

// A C-contiguous array of the value's type. float64 and integers become float32 without scaling, integers of any size become int32 where
// the value is int32; bool, complex and other kinds are a TypeError, wrong shapes a ValueError.
py::array input_array(const py::handle& object, const TensorType& type, const std::string& name);

// One array an output: those the caller gave, checked, or new ones.
std::vector<py::array> output_arrays(const py::object& given, const std::vector<const TensorType*>& types);

// Inputs whose memory an output would overwrite are copied.
void separate(std::vector<py::array>& inputs, const std::vector<py::array>& outputs);

std::vector<const void*> read_pointers(const std::vector<py::array>& arrays);
std::vector<void*> write_pointers(std::vector<py::array>& arrays);

}  // namespace fastcnn
