// Errors of the core as Python exceptions: the type by the kind of error, and its fields as attributes.
#include "core/error.h"
#include "python/bindings.h"

namespace fastcnn {

namespace py = pybind11;

namespace {

PyObject* type_of(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::value: return PyExc_ValueError;
    case ErrorKind::type: return PyExc_TypeError;
    case ErrorKind::unsupported: return PyExc_NotImplementedError;
    case ErrorKind::arithmetic: return PyExc_FloatingPointError;
  }
  return PyExc_ValueError;
}

// The text of an error may hold bytes of a file: those that are no UTF-8 are replaced.
py::str text_of(const std::string& text) {
  return py::reinterpret_steal<py::str>(PyUnicode_DecodeUTF8(text.data(), static_cast<Py_ssize_t>(text.size()), "replace"));
}

void raise(const Error& error) {
  const py::handle type(type_of(error.kind()));
  const py::object exception = type(text_of(error.what()));
  exception.attr("op") = text_of(error.op());
  exception.attr("rule") = text_of(error.rule());
  exception.attr("got") = text_of(error.got());
  exception.attr("code") = text_of(error.code());
  PyErr_SetObject(type.ptr(), exception.ptr());
}

}  // namespace

void bind_errors(py::module_&) {
  py::register_exception_translator([](std::exception_ptr pointer) {
    try {
      if (pointer) std::rethrow_exception(pointer);
    } catch (const Error& error) {
      raise(error);
    }
  });
}

}  // namespace fastcnn
