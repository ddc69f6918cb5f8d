// Graph: values and nodes by their numbers.
#include <pybind11/stl.h>

#include "graph/graph.h"
#include "python/arrays.h"
#include "python/bindings.h"

namespace fastcnn {

namespace {

using OptionalIds = std::vector<std::optional<ValueId>>;  // in Python None stands for a value that is left out

// A list of integers, or of numbers if there is a float among them.
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

std::vector<ValueId> ids_of(const OptionalIds& ids) {
  std::vector<ValueId> out;
  for (const auto& id : ids) {
    require(!id || *id >= 0, "graph", "there is no value of this number", id.value_or(0));  // only None leaves an input out
    out.push_back(id.value_or(kNoValue));
  }
  return out;
}

OptionalIds optionals_of(const std::vector<ValueId>& ids) {
  OptionalIds out;
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
    item["op"] = node.op->name;
    item["name"] = node.name;
    item["inputs"] = optionals_of(node.inputs);
    item["outputs"] = node.outputs;
    item["attributes"] = dict_of(node.attributes);
    list.append(item);
  }
  return list;
}

ValueId add_input(Graph& graph, const std::string& name, const std::vector<Index>& shape, const std::string& dtype) {
  return graph.input(name, Shape(shape), dtype_of(dtype));
}

std::vector<ValueId> add_node(Graph& graph, const std::string& op, const OptionalIds& inputs, const py::dict& attributes,
                              const std::string& name) {
  return graph.add(op, ids_of(inputs), attributes_of(attributes), name);
}

py::tuple shape_of(const Graph& graph, ValueId id) {
  check_value(graph, id);
  return tuple_of(graph.type(id).shape);
}

const char* dtype_name_of(const Graph& graph, ValueId id) {
  check_value(graph, id);
  return name_of(graph.type(id).dtype);
}

OptionalIds add_gradient(Graph& graph, const std::vector<ValueId>& outputs, const OptionalIds& output_gradients,
                         const std::vector<ValueId>& wrt) {
  return optionals_of(graph.gradient(outputs, ids_of(output_gradients), wrt));
}

void set_outputs(Graph& graph, const std::vector<ValueId>& outputs) {
  for (ValueId id : outputs) check_value(graph, id);
  graph.outputs = outputs;
}

}  // namespace

void bind_graph(py::module_& module) {
  py::class_<Graph>(module, "Graph")
      .def(py::init<>())
      .def("input", &add_input, py::arg("name"), py::arg("shape"), py::arg("dtype") = "float32")
      .def("parameter", &Graph::parameter, py::arg("parameter"), py::arg("name"))
      .def("add", &add_node, py::arg("op"), py::arg("inputs"), py::arg("attributes") = py::dict(), py::arg("name") = "")
      .def("shape", &shape_of, py::arg("value"))
      .def("dtype", &dtype_name_of, py::arg("value"))
      .def("gradient", &add_gradient, py::arg("outputs"), py::arg("output_gradients"), py::arg("wrt"))
      .def("outputs", &set_outputs, py::arg("values"))
      .def("nodes", &nodes_of);
}

}  // namespace fastcnn
