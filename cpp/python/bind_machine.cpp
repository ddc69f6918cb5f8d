// What there is to know of the machine and the build: ISAs, threads, the measured limits, the memory planner on its own.
#include <pybind11/stl.h>

#include "core/error.h"
#include "core/parallel.h"
#include "core/peak.h"
#include "ops/convolution/algorithms.h"
#include "python/bindings.h"
#include "runtime/memory_plan.h"

namespace fastcnn {

namespace py = pybind11;

namespace {

std::vector<std::string> available_isas() {
  std::vector<std::string> names;
  for (const Kernels* kernels : available_kernels()) names.emplace_back(kernels->isa);
  return names;
}

std::vector<std::string> algorithm_names() {
  std::vector<std::string> names;
  for (const Conv2dAlgorithm& algorithm : conv2d_algorithms()) names.emplace_back(algorithm.name);
  return names;
}

void set_threads(int threads) {
  require(threads >= 1 && threads <= kMaxThreads, "set_num_threads", join("threads must be between 1 and ", kMaxThreads), threads);
  set_default_threads(threads);
}

py::dict build_info() {
  py::dict info;
#if defined(__clang__)
  info["compiler"] = "Clang " __clang_version__;
#else
  info["compiler"] = "GCC " __VERSION__;
#endif
  info["cplusplus"] = __cplusplus;
  info["openmp"] = openmp_version();
  return info;
}

py::dict plan_of_lifetimes(const std::vector<std::tuple<int, int, Index>>& lifetimes) {
  std::vector<Lifetime> blocks;
  for (const auto& [first, last, bytes] : lifetimes) blocks.push_back({first, last, bytes});
  const MemoryPlan plan = plan_memory(blocks);
  py::dict out;
  out["offsets"] = plan.offsets;
  out["total"] = plan.total;
  out["lower_bound"] = plan.lower_bound;
  return out;
}

double peak_of(const std::string& isa, int threads) {
  const py::gil_scoped_release release;
  return measure_peak(kernels_for(isa), threads);
}

double bandwidth_of(Index bytes, const std::string& isa, int threads) {
  const py::gil_scoped_release release;
  return measure_bandwidth(kernels_for(isa), threads, bytes);
}

}  // namespace

void bind_machine(py::module_& module) {
  module.def("available_isas", &available_isas);
  module.def("default_isa", [] { return std::string(kernels_for().isa); });
  module.def("conv2d_algorithms", &algorithm_names);
  module.def("lanes", [](const std::string& isa) { return kernels_for(isa).lanes; }, py::arg("isa") = "");
  module.def("get_num_threads", &default_threads);
  module.def("set_num_threads", &set_threads, py::arg("threads"));
  module.def("build_info", &build_info);
  module.def("plan_memory", &plan_of_lifetimes, py::arg("lifetimes"));
  module.def("measure_peak", &peak_of, py::arg("isa") = "", py::arg("threads") = 1);
  module.def("measure_bandwidth", &bandwidth_of, py::arg("bytes"), py::arg("isa") = "", py::arg("threads") = 1);
}

}  // namespace fastcnn
