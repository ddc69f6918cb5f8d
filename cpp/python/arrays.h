// NumPy arrays where they enter and leave: inputs are checked and converted once, outputs are made, or checked to be writable in place.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <array>
#include <cstddef>
#include <memory_resource>
#include <string>
#include <vector>

#include "graph/graph.h"

namespace fastcnn {

namespace py = pybind11;

// The lists of one call. They lie on the stack, so a call allocates nothing unless it has dozens of inputs and outputs.
class CallLists {
 public:
  CallLists() = default;
  CallLists(const CallLists&) = delete;
  CallLists& operator=(const CallLists&) = delete;
  template <class T>
  std::pmr::vector<T> list(std::size_t capacity) {
    std::pmr::vector<T> made(&memory_);
    made.reserve(capacity);
    return made;
  }

 private:
  alignas(std::max_align_t) std::array<std::byte, 1024> bytes_;
  std::pmr::monotonic_buffer_resource memory_{bytes_.data(), bytes_.size()};
};

using Arrays = std::pmr::vector<py::array>;

py::tuple tuple_of(const Shape& shape);

// A C-contiguous array of the value's type. float64 and integers become float32 without scaling; integers of any size become int32 where
// the value is int32. Other kinds, such as bool and complex, are a TypeError, wrong shapes a ValueError.
py::array input_array(const py::handle& object, const TensorType& type, const std::string& name);

// One array for each output: those that the caller gave, checked, or new ones.
Arrays output_arrays(CallLists& lists, const py::object& given, const std::pmr::vector<const TensorType*>& types);

// Copies inputs whose memory an output would overwrite.
void separate(Arrays& inputs, const Arrays& outputs);

std::pmr::vector<const void*> read_pointers(CallLists& lists, const Arrays& arrays);
std::pmr::vector<void*> write_pointers(CallLists& lists, Arrays& arrays);

}  // namespace fastcnn
