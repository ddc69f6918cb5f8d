// Optimizer and TrainingProgram.
#include <pybind11/stl.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "core/dispatch.h"
#include "core/parallel.h"
#include "python/bindings.h"
#include "python/program_reports.h"
#include "runtime/training.h"

namespace fastcnn {

namespace {

using Parameters = std::vector<std::shared_ptr<Parameter>>;

// An optimizer together with the shapes of what it updates, for its state's arrays.
struct BoundOptimizer {
  Parameters parameters;
  Optimizer optimizer;

  BoundOptimizer(const std::string& kind, Parameters list, std::vector<std::size_t> groups)
      : parameters(std::move(list)),
        optimizer(kind, sizes(parameters), groups.empty() ? std::vector<std::size_t>(parameters.size(), 0) : std::move(groups)) {}

  static std::vector<Index> sizes(const Parameters& parameters) {
    std::vector<Index> out;
    for (const auto& parameter : parameters) out.push_back(parameter->shape().elements());
    return out;
  }

  py::dict state() const {
    py::dict slots;
    for (const std::string& name : optimizer.slot_names()) {
      if (!optimizer.has_slot(name)) continue;
      py::list arrays;
      for (std::size_t i = 0; i < parameters.size(); ++i) {
        const std::vector<Index> shape = parameters[i]->shape().sizes();
        py::array_t<float> array(std::vector<py::ssize_t>(shape.begin(), shape.end()));
        std::memcpy(array.mutable_data(), optimizer.slot(name, i), static_cast<std::size_t>(array.nbytes()));
        arrays.append(array);
      }
      slots[py::str(name)] = arrays;
    }
    return slots;
  }

  void load_state(const py::dict& slots) {
    const std::vector<std::string> names = optimizer.slot_names();
    std::map<std::string, std::vector<py::array>> checked;  // all of it is checked before any is written
    for (const auto& [key, value] : slots) {
      const std::string name = key.cast<std::string>();
      require(std::find(names.begin(), names.end(), name) != names.end(), "optimizer", "there is no slot of this name", "'", name, "'");
      const py::list arrays(py::reinterpret_borrow<py::object>(value));
      require(arrays.size() == parameters.size(), "optimizer", "a slot must have an array for each parameter", arrays.size());
      for (std::size_t i = 0; i < parameters.size(); ++i)
        checked[name].push_back(input_array(arrays[i], {.shape = parameters[i]->shape()}, name));
    }
    for (const auto& [name, arrays] : checked) {
      optimizer.make_slot(name);
      for (std::size_t i = 0; i < parameters.size(); ++i)
        std::memcpy(optimizer.slot(name, i), arrays[i].data(), static_cast<std::size_t>(arrays[i].nbytes()));
    }
  }
};

std::unique_ptr<TrainingProgram> make_training(const Graph& graph, ValueId loss, const Parameters& parameters, const std::string& isa,
                                               std::shared_ptr<ArenaPool> arenas, double clip_norm, std::optional<Index> budget) {
  require(std::isfinite(clip_norm) && clip_norm >= 0, "fit", "clip_norm must be finite and not negative", clip_norm);
  require(loss >= 0 && loss < static_cast<ValueId>(graph.values.size()), "fit", "the loss must be a value of the graph", loss);
  if (!arenas) arenas = std::make_shared<ArenaPool>();
  return std::make_unique<TrainingProgram>(graph, loss, parameters, TrainingProgram::Options{clip_norm, budget}, kernels_for(isa),
                                           std::move(arenas));
}

py::list step(TrainingProgram& training, const py::sequence& inputs, BoundOptimizer& optimizer, const std::vector<Hyper>& groups,
              int threads, std::uint64_t seed, std::uint64_t iteration) {
  require(threads >= 0 && threads <= kMaxThreads, "fit", join("threads must be between 0 and ", kMaxThreads), threads);
  require(!groups.empty(), "fit", "there must be hyperparameters for one group at least", groups.size());
  CallLists lists;
  const Arrays arrays = input_arrays(lists, training.program(), inputs);
  std::pmr::vector<const TensorType*> types = output_types(lists, training.program());
  types.resize(1 + training.user_outputs());
  types.erase(types.begin());  // the loss
  Arrays results = output_arrays(lists, py::none(), types);
  const std::pmr::vector<const void*> from = read_pointers(lists, arrays);
  const std::pmr::vector<void*> to = write_pointers(lists, results);
  float loss = 0;
  {
    const py::gil_scoped_release release;
    const TrainingProgram::Update update{optimizer.optimizer, optimizer.parameters, groups};
    loss = training.step(from.data(), to.data(), update, {.threads = threads, .seed = seed, .iteration = iteration});
  }
  py::list out;
  out.append(py::float_(loss));
  for (const py::array& result : results) out.append(result);
  return out;
}

}  // namespace

void bind_training(py::module_& module) {
  py::class_<BoundOptimizer>(module, "Optimizer")
      .def(py::init<const std::string&, Parameters, std::vector<std::size_t>>(), py::arg("kind"), py::arg("parameters"),
           py::arg("groups") = std::vector<std::size_t>())
      .def("state", &BoundOptimizer::state)
      .def("load_state", &BoundOptimizer::load_state, py::arg("slots"))
      .def_property(
          "steps", [](const BoundOptimizer& o) { return o.optimizer.steps; },
          [](BoundOptimizer& o, Index steps) {
            require(steps >= 0, "optimizer", "steps must not be negative", steps);
            o.optimizer.steps = steps;
          })
      .def_property_readonly("bytes", [](const BoundOptimizer& o) { return o.optimizer.bytes(); });

  py::class_<TrainingProgram>(module, "TrainingProgram")
      .def(py::init(&make_training), py::arg("graph"), py::arg("loss"), py::arg("parameters"), py::arg("isa") = "",
           py::arg("arenas") = nullptr, py::arg("clip_norm") = 0.0, py::arg("budget") = py::none())
      .def("step", &step, py::arg("inputs"), py::arg("optimizer"), py::arg("groups"), py::arg("threads") = 0, py::arg("seed") = 0,
           py::arg("iteration") = 0)
      .def(
          "useful_threads", [](const TrainingProgram& t, int threads) { return t.program().useful_threads(threads); },
          py::arg("threads") = 0)
      .def_property_readonly("recomputed_work", [](const TrainingProgram& t) { return t.program().plan().recomputed_work(); })
      .def_property_readonly("memory", [](const TrainingProgram& t) { return memory_of(t.program()); })
      .def_property_readonly("plan", [](const TrainingProgram& t) { return plan_of(t.program()); })
      .def_property_readonly("graph", [](const TrainingProgram& t) { return graph_of(t.program()); })
      .def_property_readonly("steps", [](const TrainingProgram& t) { return steps_of(t.program()); });
}

}  // namespace fastcnn
