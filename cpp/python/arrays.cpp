#include "python/arrays.h"

#include <algorithm>
#include <utility>

namespace fastcnn {

namespace {

constexpr int kDense = py::array::c_style;
using Floats = py::array_t<float, kDense>;
using Ints = py::array_t<std::int32_t, kDense>;

Shape shape_of(const py::array& array) { return Shape(std::vector<Index>(array.shape(), array.shape() + array.ndim())); }

bool has_shape(const py::array& array, const Shape& shape) {
  if (array.ndim() != shape.rank()) return false;
  for (int axis = 0; axis < shape.rank(); ++axis)
    if (array.shape(axis) != shape[axis]) return false;
  return true;
}

bool is_aligned(const py::array& array) { return (array.flags() & py::detail::npy_api::NPY_ARRAY_ALIGNED_) != 0; }

py::array to_floats(const py::array& array, const std::string& name) {
  if (Floats::check_(array) && is_aligned(array)) return array;
  const char kind = array.dtype().kind();
  if (kind != 'f' && kind != 'i' && kind != 'u')
    throw Error(ErrorKind::type, "run", join("input '", name, "' must be floating point or integer"), std::string(py::str(array.dtype())));
  return py::array_t<float, kDense | py::array::forcecast>(array);
}

template <class Wide>
py::array narrowed(const py::array& array, const std::string& name) {
  const py::array_t<Wide, kDense | py::array::forcecast> wide(array);
  Ints narrow(std::vector<py::ssize_t>(wide.shape(), wide.shape() + wide.ndim()));
  const Wide* from = wide.data();
  std::int32_t* to = narrow.mutable_data();
  for (py::ssize_t i = 0; i < wide.size(); ++i) {
    require(std::in_range<std::int32_t>(from[i]), "run", join("input '", name, "' must fit 32 bits"), from[i]);
    to[i] = static_cast<std::int32_t>(from[i]);
  }
  return narrow;
}

py::array to_ints(const py::array& array, const std::string& name) {
  if (Ints::check_(array) && is_aligned(array)) return array;
  const char kind = array.dtype().kind();
  if (kind == 'i') return narrowed<std::int64_t>(array, name);
  if (kind == 'u') return narrowed<std::uint64_t>(array, name);
  throw Error(ErrorKind::type, "run", join("input '", name, "' must be integer"), std::string(py::str(array.dtype())));
}

py::array new_array(const TensorType& type) {
  std::array<Py_intptr_t, Shape::kMaxRank> sizes{};
  for (int axis = 0; axis < type.shape.rank(); ++axis) sizes[static_cast<std::size_t>(axis)] = type.shape[axis];
  const auto& numpy = py::detail::npy_api::get();
  py::dtype dtype = type.dtype == DType::i32 ? py::dtype::of<std::int32_t>() : py::dtype::of<float>();
  PyObject* made = numpy.PyArray_NewFromDescr_(numpy.PyArray_Type_, dtype.release().ptr(), type.shape.rank(), sizes.data(), nullptr,
                                               nullptr, 0, nullptr);
  if (!made) throw py::error_already_set();
  return py::reinterpret_steal<py::array>(made);
}

// What keeps an array from being an output: "float64", "float32, not C-contiguous".
std::string defects_of(const py::array& array, const TensorType& type) {
  std::string defects = py::str(array.dtype());
  const bool right_type = type.dtype == DType::i32 ? py::array_t<std::int32_t>::check_(array) : py::array_t<float>::check_(array);
  if (!right_type) return defects;
  if ((array.flags() & py::array::c_style) == 0) defects += ", not C-contiguous";
  if (!is_aligned(array)) defects += ", not aligned";
  if (!array.writeable()) defects += ", not writable";
  return defects;
}

void check_output(const py::array& array, const TensorType& type) {
  const bool fits = type.dtype == DType::i32 ? Ints::check_(array) : Floats::check_(array);
  if (!fits || !is_aligned(array) || !array.writeable())
    throw Error(ErrorKind::type, "run", join("out must be a writable C-contiguous ", name_of(type.dtype), " array"),
                defects_of(array, type));
  if (!has_shape(array, type.shape))
    throw Error(ErrorKind::value, "run", join("out must have the shape ", type.shape), join(shape_of(array)));
}

bool overlap(const py::array& a, const py::array& b) {
  const auto end = [](const py::array& array) { return static_cast<const char*>(array.data()) + array.nbytes(); };
  return a.nbytes() > 0 && b.nbytes() > 0 && a.data() < static_cast<const void*>(end(b)) && b.data() < static_cast<const void*>(end(a));
}

}  // namespace

py::tuple tuple_of(const Shape& shape) {
  py::tuple out(static_cast<std::size_t>(shape.rank()));
  for (int axis = 0; axis < shape.rank(); ++axis) out[static_cast<std::size_t>(axis)] = shape[axis];
  return out;
}

py::array input_array(const py::handle& object, const TensorType& type, const std::string& name) {
  const py::array array = py::array::ensure(object);
  if (!array) {
    PyErr_Clear();
    throw Error(ErrorKind::type, "run", join("input '", name, "' must be an array"), std::string(py::str(py::type::of(object))));
  }
  if (!has_shape(array, type.shape))
    throw Error(ErrorKind::value, "run", join("input '", name, "' must have the shape ", type.shape),
                std::string(py::str(array.attr("shape"))));
  return type.dtype == DType::i32 ? to_ints(array, name) : to_floats(array, name);
}

Arrays output_arrays(CallLists& lists, const py::object& given, const std::pmr::vector<const TensorType*>& types) {
  Arrays arrays = lists.list<py::array>(types.size());
  if (given.is_none()) {
    for (const TensorType* type : types) arrays.push_back(new_array(*type));
    return arrays;
  }
  const py::list list(given);
  if (list.size() != types.size())
    throw Error(ErrorKind::value, "run", join("there must be ", types.size(), " output arrays"), join(list.size()));
  for (std::size_t i = 0; i < types.size(); ++i) {
    if (!py::isinstance<py::array>(list[i]))
      throw Error(ErrorKind::type, "run", "out must be a NumPy array", std::string(py::str(py::type::of(list[i]))));
    arrays.push_back(list[i].cast<py::array>());
    check_output(arrays.back(), *types[i]);
    for (std::size_t j = 0; j < i; ++j)
      require(!overlap(arrays[j], arrays[i]), "run", "output arrays must not overlap", "output ", j, " over output ", i);
  }
  return arrays;
}

void separate(Arrays& inputs, const Arrays& outputs) {
  for (py::array& input : inputs)
    if (std::any_of(outputs.begin(), outputs.end(), [&](const py::array& output) { return overlap(input, output); }))
      input = py::array(input.attr("copy")());
}

std::pmr::vector<const void*> read_pointers(CallLists& lists, const Arrays& arrays) {
  std::pmr::vector<const void*> pointers = lists.list<const void*>(arrays.size());
  for (const py::array& array : arrays) pointers.push_back(array.data());
  return pointers;
}

std::pmr::vector<void*> write_pointers(CallLists& lists, Arrays& arrays) {
  std::pmr::vector<void*> pointers = lists.list<void*>(arrays.size());
  for (py::array& array : arrays) pointers.push_back(array.mutable_data());
  return pointers;
}

}  // namespace fastcnn
