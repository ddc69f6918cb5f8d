// FileMapping, Parameter and Graph.
#include <pybind11/stl.h>

#include <cstring>

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
  if (array.nbytes() > 0) std::memcpy(parameter.data(), array.data(), static_cast<std::size_t>(array.nbytes()));  // else no memory
  parameter.written();
}

// Some of the values, in the order of the array: from `start` on.
void fill(Parameter& parameter, Index start, const py::array_t<float, py::array::c_style | py::array::forcecast>& values) {
  require(start >= 0 && start <= parameter.shape().elements() && values.size() <= parameter.shape().elements() - start, "Parameter",
          "values must lie inside of the parameter", values.size(), " from ", start, " of ", parameter.shape().elements());
  parameter.own();
  std::copy_n(values.data(), values.size(), parameter.data() + start);
  parameter.written();
}

// Floats of a file, as an array that is only read and keeps the mapping alive.
py::array_t<float> floats_of(const std::shared_ptr<FileMapping>& file, std::size_t offset, const std::vector<Index>& shape) {
  const std::size_t bytes = static_cast<std::size_t>(Shape(shape).elements()) * sizeof(float);
  require(offset % sizeof(float) == 0 && offset <= file->size() && bytes <= file->size() - offset, "load",
          "floats must lie inside of the file, at a multiple of 4", bytes, " bytes at ", offset);
  const auto* data = reinterpret_cast<const float*>(file->data() + offset);
  py::array_t<float> array(std::vector<py::ssize_t>(shape.begin(), shape.end()), data, py::cast(file));
  array.attr("setflags")(py::arg("write") = false);
  return array;
}

// The same as a parameter; floats at an odd place are copied.
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

// The mapping that an array made by floats_of, or a C-contiguous view of one, lies in; nullptr for others.
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

// As assign(), but without a copy where the values lie in a file.
void load(Parameter& parameter, const py::handle& values) {
  const py::array array = input_array(values, {.shape = parameter.shape()}, "values");
  if (auto file = file_of(array))
    parameter.move_to(std::move(file), static_cast<const std::byte*>(array.data()));
  else
    assign(parameter, array);
}

// Integers, unless there is a float among them.
Attribute list_of(const std::string& name, const py::sequence& entries) {
  std::vector<Index> integers;
  std::vector<double> numbers;
  for (const py::handle entry : entries) {
    const bool integer = PyIndex_Check(entry.ptr());
    if (!integer && !PyFloat_Check(entry.ptr()))
      throw Error(ErrorKind::type, "graph", join("attribute '", name, "' must hold integers or numbers"));
    if (integer) integers.push_back(entry.cast<Index>());
    numbers.push_back(entry.cast<double>());
  }
  if (integers.size() == numbers.size()) return integers;
  return numbers;
}

Attribute attribute_of(const std::string& name, const py::handle& value) {
  if (py::isinstance<py::bool_>(value)) return value.cast<bool>();
  if (PyFloat_Check(value.ptr())) return value.cast<double>();
  if (py::isinstance<py::str>(value)) return value.cast<std::string>();
  if (PyIndex_Check(value.ptr())) return value.cast<Index>();
  if (py::isinstance<py::list>(value) || py::isinstance<py::tuple>(value))
    return list_of(name, py::reinterpret_borrow<py::sequence>(value));
  throw Error(ErrorKind::type, "graph", join("attribute '", name, "' must be a bool, number, string or list of numbers"),
              std::string(py::str(py::type::of(value))));
}

Attributes attributes_of(const py::dict& items) {
  Attributes attributes;
  for (const auto& [name, value] : items) attributes.set(name.cast<std::string>(), attribute_of(name.cast<std::string>(), value));
  return attributes;
}

py::dict dict_of(const Attributes& attributes) {
  py::dict items;
  for (const auto& [name, value] : attributes.items()) items[py::str(name)] = py::cast(value);
  return items;
}

std::vector<ValueId> ids_of(const std::vector<std::optional<ValueId>>& ids) {
  std::vector<ValueId> out;
  for (const auto& id : ids) {
    require(!id || *id >= 0, "graph", "there is no value of this number", id.value_or(0));  // only None leaves an input out
    out.push_back(id.value_or(kNoValue));
  }
  return out;
}

std::vector<std::optional<ValueId>> optionals_of(const std::vector<ValueId>& ids) {
  std::vector<std::optional<ValueId>> out;
  for (ValueId id : ids) out.push_back(id == kNoValue ? std::nullopt : std::optional(id));
  return out;
}

DType dtype_of(const std::string& name) {
  if (name == "float32") return DType::f32;
  if (name == "int32") return DType::i32;
  throw Error(ErrorKind::type, "graph", "an input must be float32 or int32", name);
}

void check_value(const Graph& graph, ValueId id) {
  require(id >= 0 && id < static_cast<ValueId>(graph.values.size()), "graph", "there is no value of this number", id);
}

py::list nodes_of(const Graph& graph) {
  py::list list;
  for (const Node& node : graph.nodes) {
    py::dict item;
    item["op"] = node.op->name, item["name"] = node.name;
    item["inputs"] = optionals_of(node.inputs), item["outputs"] = node.outputs;
    item["attributes"] = dict_of(node.attributes);
    list.append(item);
  }
  return list;
}

}  // namespace

void bind_graph(py::module_& module) {
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
      .def("load", &load, py::arg("values"));

  py::class_<Graph>(module, "Graph")
      .def(py::init<>())
      .def(
          "input",
          [](Graph& graph, const std::string& name, const std::vector<Index>& shape, const std::string& dtype) {
            return graph.input(name, Shape(shape), dtype_of(dtype));
          },
          py::arg("name"), py::arg("shape"), py::arg("dtype") = "float32")
      .def("parameter", &Graph::parameter, py::arg("parameter"), py::arg("name"))
      .def(
          "add",
          [](Graph& graph, const std::string& op, const std::vector<std::optional<ValueId>>& inputs, const py::dict& attributes,
             const std::string& name) { return graph.add(op, ids_of(inputs), attributes_of(attributes), name); },
          py::arg("op"), py::arg("inputs"), py::arg("attributes") = py::dict(), py::arg("name") = "")
      .def(
          "shape",
          [](const Graph& graph, ValueId id) {
            check_value(graph, id);
            return tuple_of(graph.type(id).shape);
          },
          py::arg("value"))
      .def(
          "dtype",
          [](const Graph& graph, ValueId id) {
            check_value(graph, id);
            return name_of(graph.type(id).dtype);
          },
          py::arg("value"))
      .def(
          "gradient",
          [](Graph& graph, const std::vector<ValueId>& outputs, const std::vector<std::optional<ValueId>>& output_gradients,
             const std::vector<ValueId>& wrt) { return optionals_of(graph.gradient(outputs, ids_of(output_gradients), wrt)); },
          py::arg("outputs"), py::arg("output_gradients"), py::arg("wrt"))
      .def(
          "outputs",
          [](Graph& graph, const std::vector<ValueId>& outputs) {
            for (ValueId id : outputs) check_value(graph, id);
            graph.outputs = outputs;
          },
          py::arg("values"))
      .def("nodes", &nodes_of);
}

}  // namespace fastcnn
