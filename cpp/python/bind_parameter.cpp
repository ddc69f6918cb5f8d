// FileMapping and Parameter: values that lie in a file or in memory of their own.
#include <pybind11/stl.h>

#include <algorithm>
#include <cstring>

#include "core/parameter.h"
#include "python/arrays.h"
#include "python/bindings.h"

namespace fastcnn {

namespace {

py::array values_of(const Parameter& parameter) {
  if (parameter.file()) parameter.file()->check();
  const std::vector<Index> sizes = parameter.shape().sizes();
  py::array_t<float> copy(std::vector<py::ssize_t>(sizes.begin(), sizes.end()));
  if (copy.nbytes() > 0) std::memcpy(copy.mutable_data(), parameter.data(), static_cast<std::size_t>(copy.nbytes()));
  return copy;
}

void assign(Parameter& parameter, const py::handle& values) {
  const TensorType type{.shape = parameter.shape()};
  const py::array array = input_array(values, type, "values");
  parameter.own();
  // Without values there is no memory to copy to.
  if (array.nbytes() > 0) std::memcpy(parameter.data(), array.data(), static_cast<std::size_t>(array.nbytes()));
  parameter.written();
}

// Writes some of the values, from `start` on, in row-major order.
void fill(Parameter& parameter, Index start, const py::array_t<float, py::array::c_style | py::array::forcecast>& values) {
  require(start >= 0 && start <= parameter.shape().elements() && values.size() <= parameter.shape().elements() - start, "Parameter",
          "values must lie inside of the parameter", values.size(), " from ", start, " of ", parameter.shape().elements());
  parameter.own();
  std::copy_n(values.data(), values.size(), parameter.data() + start);
  parameter.written();
}

// Floats of a file, as a read-only array that keeps the mapping alive.
py::array_t<float> floats_of(const std::shared_ptr<FileMapping>& file, std::size_t offset, const std::vector<Index>& shape) {
  const std::size_t bytes = static_cast<std::size_t>(Shape(shape).elements()) * sizeof(float);
  require(offset % sizeof(float) == 0 && offset <= file->size() && bytes <= file->size() - offset, "load",
          "floats must lie inside of the file, at a multiple of 4", bytes, " bytes at ", offset);
  const auto* data = reinterpret_cast<const float*>(file->data() + offset);
  py::array_t<float> array(std::vector<py::ssize_t>(shape.begin(), shape.end()), data, py::cast(file));
  array.attr("setflags")(py::arg("write") = false);
  return array;
}

// Floats of a file, as a parameter. They are copied where their offset is not a multiple of 4.
std::shared_ptr<Parameter> parameter_of(const std::shared_ptr<FileMapping>& file, std::size_t offset, const std::vector<Index>& sizes) {
  const Shape shape(sizes);
  const std::size_t bytes = static_cast<std::size_t>(shape.elements()) * sizeof(float);
  require(offset <= file->size() && bytes <= file->size() - offset, "load", "floats must lie inside of the file", bytes, " bytes at ",
          offset);
  if (offset % sizeof(float) == 0 && bytes > 0) return std::make_shared<Parameter>(shape, file, file->data() + offset);
  const auto parameter = std::make_shared<Parameter>(shape);
  if (bytes > 0) std::memcpy(parameter->data(), file->data() + offset, bytes);
  file->release(file->data() + offset, bytes);
  parameter->written();
  return parameter;
}

// The mapping of an array that floats_of() made, or of a C-contiguous view of one; nullptr for other arrays.
std::shared_ptr<FileMapping> file_of(const py::array& array) {
  if (!py::array_t<float, py::array::c_style>::check_(array) || array.writeable() || array.nbytes() == 0) return nullptr;
  py::object base = array.base();
  while (base && py::isinstance<py::array>(base)) base = base.cast<py::array>().base();
  if (!base || !py::isinstance<FileMapping>(base)) return nullptr;
  const auto file = base.cast<std::shared_ptr<FileMapping>>();
  const auto* first = static_cast<const std::byte*>(array.data());
  return file->holds(first) && file->holds(first + array.nbytes() - 1) ? file : nullptr;
}

std::shared_ptr<Parameter> make_parameter(const py::object& values) {
  const py::array array = py::array::ensure(values);
  if (!array) {
    PyErr_Clear();
    throw Error(ErrorKind::type, "Parameter", "values must be an array", std::string(py::str(py::type::of(values))));
  }
  if (auto file = file_of(array))
    return std::make_shared<Parameter>(Shape(std::vector<Index>(array.shape(), array.shape() + array.ndim())), std::move(file),
                                       static_cast<const std::byte*>(array.data()));
  const auto parameter = std::make_shared<Parameter>(Shape(std::vector<Index>(array.shape(), array.shape() + array.ndim())));
  assign(*parameter, values);
  return parameter;
}

// Assigns values; those that lie in a file are not copied.
void load(Parameter& parameter, const py::handle& values) {
  const py::array array = input_array(values, {.shape = parameter.shape()}, "values");
  if (auto file = file_of(array))
    parameter.move_to(std::move(file), static_cast<const std::byte*>(array.data()));
  else
    assign(parameter, array);
}

// Copies and pickles: by value, also where the values lie in a file.
py::tuple state_of(const Parameter& parameter) { return py::make_tuple(values_of(parameter), parameter.requires_grad()); }

std::shared_ptr<Parameter> restored(const py::tuple& state) {
  require(state.size() == 2 && py::isinstance<py::bool_>(state[1]), "Parameter", "a state must be (values, requires_grad)",
          std::string(py::repr(py::type::of(state))), " of ", state.size());
  const auto parameter = make_parameter(state[0]);
  parameter->set_requires_grad(state[1].cast<bool>());
  return parameter;
}

}  // namespace

void bind_parameter(py::module_& module) {
  py::class_<FileMapping, std::shared_ptr<FileMapping>>(module, "FileMapping")
      .def(py::init<int>(), py::arg("descriptor"))
      .def_property_readonly("size", &FileMapping::size)
      .def("floats", &floats_of, py::arg("offset"), py::arg("shape"))
      .def("parameter", &parameter_of, py::arg("offset"), py::arg("shape"));

  py::class_<Parameter, std::shared_ptr<Parameter>>(module, "Parameter")
      .def(py::init(&make_parameter), py::arg("values"))
      .def_property_readonly("shape", [](const Parameter& p) { return tuple_of(p.shape()); })
      .def_property_readonly("size", [](const Parameter& p) { return p.shape().elements(); })
      .def_property_readonly("version", &Parameter::version)
      .def_property("requires_grad", &Parameter::requires_grad, &Parameter::set_requires_grad)
      .def("numpy", &values_of)
      .def_static(
          "zeros", [](const std::vector<Index>& shape) { return std::make_shared<Parameter>(Shape(shape)); }, py::arg("shape"))
      .def("assign", &assign, py::arg("values"))
      .def("fill", &fill, py::arg("start"), py::arg("values"))
      .def("load", &load, py::arg("values"))
      .def(py::pickle(&state_of, &restored));
}

}  // namespace fastcnn
