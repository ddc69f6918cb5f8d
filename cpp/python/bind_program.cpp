// ArenaPool and Program: run, profile, and what the plan says.
#include <pybind11/stl.h>

#include "core/dispatch.h"
#include "python/arrays.h"
#include "python/bindings.h"
#include "python/program_reports.h"

namespace fastcnn {

namespace {

std::unique_ptr<Program> make_program(const Graph& graph, const std::string& isa, std::shared_ptr<ArenaPool> arenas, bool strict,
                                      bool small) {
  if (!arenas) arenas = std::make_shared<ArenaPool>();
  return std::make_unique<Program>(graph, kernels_for(isa), Program::Purpose::inference, std::move(arenas), strict, small);
}

RunOptions options_of(int threads, std::uint64_t seed, std::uint64_t iteration) {
  require(threads >= 0 && threads <= kMaxThreads, "run", join("threads must be between 0 and ", kMaxThreads), threads);
  return {.threads = threads, .seed = seed, .iteration = iteration};
}

std::vector<py::array> run(Program& program, const std::vector<py::object>& inputs, const py::object& outputs, int threads,
                           std::uint64_t seed, std::uint64_t iteration) {
  const RunOptions options = options_of(threads, seed, iteration);
  std::vector<py::array> arrays = input_arrays(program, inputs), results = output_arrays(outputs, output_types(program));
  if (!outputs.is_none()) separate(arrays, results);
  const std::vector<const void*> from = read_pointers(arrays);
  const std::vector<void*> to = write_pointers(results);
  {
    const py::gil_scoped_release release;
    Program::Session session(program, from.data(), to.data(), options);
    session.run();
    session.update();
  }
  return results;
}

py::list profile(Program& program, const std::vector<py::object>& inputs, int threads) {
  RunOptions options = options_of(threads, 0, 0);
  std::vector<py::array> arrays = input_arrays(program, inputs), results = output_arrays(py::none(), output_types(program));
  const std::vector<const void*> from = read_pointers(arrays);
  const std::vector<void*> to = write_pointers(results);
  const py::list steps = steps_of(program);
  std::vector<double> seconds(steps.size());
  options.step_seconds = seconds.data();
  {
    const py::gil_scoped_release release;
    Program::Session session(program, from.data(), to.data(), options);
    session.run();
  }
  for (std::size_t i = 0; i < steps.size(); ++i) steps[i]["seconds"] = seconds[i];
  return steps;
}

}  // namespace

std::vector<py::array> input_arrays(const Program& program, const std::vector<py::object>& given) {
  const Graph& graph = program.graph();
  require(given.size() == graph.inputs.size(), "run", join("there must be ", graph.inputs.size(), " inputs"), given.size());
  std::vector<py::array> arrays;
  for (std::size_t i = 0; i < given.size(); ++i) {
    const Value& value = graph[graph.inputs[i]];
    arrays.push_back(input_array(given[i], value.type, value.name));
  }
  return arrays;
}

std::vector<const TensorType*> output_types(const Program& program) {
  std::vector<const TensorType*> types;
  for (ValueId id : program.graph().outputs) types.push_back(&program.graph().type(id));
  return types;
}

py::dict memory_of(const Program& program) {
  const ProgramMemory memory = program.memory();
  py::dict out;
  out["parameters"] = memory.parameters, out["prepared"] = memory.prepared, out["arena"] = memory.arena;
  out["scratch_per_thread"] = memory.scratch_per_thread, out["inputs"] = memory.inputs, out["outputs"] = memory.outputs;
  out["lower_bound"] = memory.lower_bound, out["without_release"] = memory.without_release;
  return out;
}

py::list plan_of(const Program& program) {
  py::list list;
  for (std::size_t i = 0; i < program.planned_blocks().size(); ++i) {
    const Block& block = program.storage().blocks[static_cast<std::size_t>(program.planned_blocks()[i])];
    const Node& node = program.graph().nodes[block.first_node];
    const bool workspace = std::string_view(node.op->name) == "conv2d_prepare";
    py::dict item;
    item["name"] = program.graph()[block.first_value].name, item["op"] = node.op->name;
    item["bytes"] = block.life.bytes, item["offset"] = program.plan().offsets[i];
    item["first"] = block.life.first, item["last"] = block.life.last;
    item["kind"] = workspace ? "workspace" : node.backward ? "gradient" : "activation";
    list.append(item);
  }
  return list;
}

py::list steps_of(const Program& program) {
  py::list list;
  for (const auto& [node, step, bands] : program.steps()) {
    py::dict item;
    item["op"] = node->op->name, item["name"] = node->name, item["algorithm"] = step->algorithm;
    item["units"] = step->units, item["flops"] = step->flops, item["bands"] = bands;
    list.append(item);
  }
  return list;
}

void bind_program(py::module_& module) {
  py::class_<ArenaPool, std::shared_ptr<ArenaPool>>(module, "ArenaPool").def(py::init<>());
  py::class_<Program>(module, "Program")
      .def(py::init(&make_program), py::arg("graph"), py::arg("isa") = "", py::arg("arenas") = nullptr, py::arg("strict") = false,
           py::arg("small") = false)
      .def("run", &run, py::arg("inputs"), py::arg("outputs") = py::none(), py::arg("threads") = 0, py::arg("seed") = 0,
           py::arg("iteration") = 0)
      .def("profile", &profile, py::arg("inputs"), py::arg("threads") = 0)
      .def("useful_threads", &Program::useful_threads, py::arg("threads") = 0)
      .def_property_readonly("memory", &memory_of)
      .def_property_readonly("plan", &plan_of)
      .def_property_readonly("steps", &steps_of);
}

}  // namespace fastcnn
