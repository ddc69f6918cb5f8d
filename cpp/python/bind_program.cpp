// ArenaPool and Program: run, profile, and what the plan says.
#include <pybind11/stl.h>

#include <set>

#include "core/dispatch.h"
#include "core/parallel.h"
#include "python/arrays.h"
#include "python/bindings.h"
#include "python/program_reports.h"

namespace fastcnn {

namespace {

std::unique_ptr<Program> make_program(const Graph& graph, const std::string& isa, std::shared_ptr<ArenaPool> arenas, bool strict,
                                      bool small, const Choices& choices) {
  if (!arenas) arenas = std::make_shared<ArenaPool>();
  const CompileOptions options{.strict = strict, .small = small, .choices = choices};
  return std::make_unique<Program>(graph, kernels_for(isa), Purpose::inference, std::move(arenas), options);
}

RunOptions options_of(int threads, std::uint64_t seed, std::uint64_t iteration) {
  require(threads >= 0 && threads <= kMaxThreads, "run", join("threads must be between 0 and ", kMaxThreads), threads);
  return {.threads = threads, .seed = seed, .iteration = iteration};
}

py::list run(Program& program, const py::sequence& inputs, const py::object& outputs, int threads, std::uint64_t seed,
             std::uint64_t iteration) {
  const RunOptions options = options_of(threads, seed, iteration);
  CallLists lists;
  Arrays arrays = input_arrays(lists, program, inputs);
  Arrays results = output_arrays(lists, outputs, output_types(lists, program));
  if (!outputs.is_none()) separate(arrays, results);
  const std::pmr::vector<const void*> from = read_pointers(lists, arrays);
  const std::pmr::vector<void*> to = write_pointers(lists, results);
  {
    const py::gil_scoped_release release;
    Executor::Session session = program.start(from.data(), to.data(), options);
    session.run();
    session.update();
  }
  py::list made(results.size());
  for (std::size_t i = 0; i < results.size(); ++i) made[i] = std::move(results[i]);
  return made;
}

py::list profile(Program& program, const py::sequence& inputs, int threads) {
  RunOptions options = options_of(threads, 0, 0);
  CallLists lists;
  Arrays arrays = input_arrays(lists, program, inputs);
  Arrays results = output_arrays(lists, py::none(), output_types(lists, program));
  const std::pmr::vector<const void*> from = read_pointers(lists, arrays);
  const std::pmr::vector<void*> to = write_pointers(lists, results);
  const py::list steps = steps_of(program);
  std::vector<double> seconds(steps.size());
  options.step_seconds = seconds.data();
  {
    const py::gil_scoped_release release;
    Executor::Session session = program.start(from.data(), to.data(), options);
    session.run();
  }
  for (std::size_t i = 0; i < steps.size(); ++i) steps[i]["seconds"] = seconds[i];
  return steps;
}

}  // namespace

Arrays input_arrays(CallLists& lists, const Program& program, const py::sequence& given) {
  const Graph& graph = program.graph();
  if (given.size() != graph.inputs.size())
    throw Error(ErrorKind::value, "run", join("there must be ", graph.inputs.size(), " inputs"), join(given.size()));
  Arrays arrays = lists.list<py::array>(given.size());
  for (std::size_t i = 0; i < given.size(); ++i) {
    const Value& value = graph[graph.inputs[i]];
    arrays.push_back(input_array(py::object(given[i]), value.type, value.name));
  }
  return arrays;
}

std::pmr::vector<const TensorType*> output_types(CallLists& lists, const Program& program) {
  std::pmr::vector<const TensorType*> types = lists.list<const TensorType*>(program.graph().outputs.size());
  for (ValueId id : program.graph().outputs) types.push_back(&program.graph().type(id));
  return types;
}

py::dict memory_of(const Program& program) {
  const ProgramMemory memory = program.memory();
  py::dict out;
  out["parameters"] = memory.parameters;
  out["prepared"] = memory.prepared;
  out["arena"] = memory.arena;
  out["scratch_per_thread"] = memory.scratch_per_thread;
  out["inputs"] = memory.inputs;
  out["outputs"] = memory.outputs;
  out["lower_bound"] = memory.lower_bound;
  out["without_release"] = memory.without_release;
  out["logical_bound"] = memory.logical_bound;
  return out;
}

namespace {

py::list nodes_of(const Program& program) {
  py::list nodes;
  const Graph& graph = program.graph();
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    const Node& node = graph.nodes[i];
    py::dict item;
    item["op"] = node.op->name;
    item["name"] = node.name;
    item["inputs"] = node.inputs;
    item["outputs"] = node.outputs;
    item["in_place"] = in_place_inputs(graph, node);
    item["alias"] = node.op->alias;
    item["ahead"] = program.plan().is_ahead(i);
    item["backward"] = node.backward;
    nodes.append(item);
  }
  return nodes;
}

py::list values_of(const Program& program) {
  py::list values;
  for (const Value& value : program.graph().values) {
    const Layout& layout = value.type.layout;
    py::dict item;
    item["shape"] = value.type.shape.sizes();
    item["bytes"] = value.type.bytes();
    item["logical_bytes"] = value.type.logical_bytes();
    item["layout"] = py::make_tuple(layout.of, layout.block, layout.ring);
    item["part_of"] = value.part_of;
    item["outside"] = value.from_outside();
    item["name"] = value.name;
    item["parameter"] = value.parameter != nullptr;
    values.append(item);
  }
  return values;
}

}  // namespace

// The graph after all passes, with what determines the lifetime of each value.
py::dict graph_of(const Program& program) {
  py::dict out;
  out["nodes"] = nodes_of(program);
  out["values"] = values_of(program);
  out["outputs"] = program.graph().outputs;
  return out;
}

namespace {

std::set<int> blocks_of_parameter_gradients(const Program& program) {
  std::set<int> blocks;
  for (const Node& node : program.graph().nodes)
    if (node.op->name == std::string_view("update_weights"))
      blocks.insert(program.plan().storage().block_of[static_cast<std::size_t>(node.inputs[1])]);
  return blocks;
}

}  // namespace

py::list plan_of(const Program& program) {
  py::list list;
  const Spaces& spaces = program.plan().spaces();
  const std::set<int> of_parameters = blocks_of_parameter_gradients(program);
  for (std::size_t i = 0; i < spaces.planned.size(); ++i) {
    const Block& block = program.plan().storage().blocks[static_cast<std::size_t>(spaces.planned[i])];
    const Node& node = program.graph().nodes[block.first_node];
    const bool workspace = std::string_view(node.op->name) == "conv2d_prepare";
    py::dict item;
    item["name"] = node.name;
    item["op"] = node.op->name;
    item["bytes"] = block.life.bytes;
    item["offset"] = spaces.arena.offsets[i];
    item["logical_bytes"] = program.graph().type(block.first_value).logical_bytes();
    item["first"] = block.life.first;
    item["last"] = block.life.last;
    const bool of_parameter = of_parameters.count(spaces.planned[i]) > 0;
    item["kind"] = of_parameter ? "parameter gradient" : workspace ? "workspace" : node.backward ? "gradient" : "activation";
    list.append(item);
  }
  return list;
}

namespace {

Home home_of(const Program& program, ValueId id) {
  const Storage& storage = program.plan().storage();
  return storage.blocks[static_cast<std::size_t>(storage.block_of[static_cast<std::size_t>(id)])].home;
}

bool is_weight(const Program& program, ValueId id) {
  const Home home = home_of(program, id);
  return home == Home::parameter || home == Home::prepared;
}

// Bytes of the images that a step reads and writes, each counted once.
Index bytes_of_images(const Program& program, const Node& node) {
  Index bytes = 0;
  for (const auto* ids : {&node.inputs, &node.outputs})
    for (ValueId id : *ids)
      if (id != kNoValue && !is_weight(program, id)) bytes += program.graph().type(id).shape.elements() * bytes_of(DType::f32);
  return bytes;
}

// Bytes of a step's weights, as the user knows them: some algorithms read more.
Index bytes_of_weights(const Program& program, const Node& node) {
  Index bytes = 0;
  for (ValueId id : node.inputs) {
    if (id == kNoValue || !is_weight(program, id)) continue;
    const bool packed = home_of(program, id) == Home::prepared && node.op->name == std::string_view("conv2d") && id == node.inputs[1];
    const Shape& shape = program.graph().type(id).shape;
    bytes += (packed ? Shape(node.attributes.integers("kernel")) : shape).elements() * bytes_of(DType::f32);
  }
  return bytes;
}

}  // namespace

py::list steps_of(const Program& program) {
  py::list list;
  for (const StepReport& report : program.plan().reports()) {
    const Node& node = program.graph().nodes[report.node];
    py::dict item;
    item["op"] = node.op->name;
    item["name"] = node.name;
    item["algorithm"] = report.step.algorithm;
    item["units"] = report.step.units;
    item["flops"] = report.step.flops;
    item["bands"] = report.bands;
    item["activation_bytes"] = bytes_of_images(program, node);
    item["weight_bytes"] = bytes_of_weights(program, node);
    if (node.op->name == std::string_view("conv2d")) {
      item["problem"] = node.attributes.text("problem");
      item["choice"] = node.attributes.text("algorithm");
    }
    list.append(item);
  }
  return list;
}

void bind_program(py::module_& module) {
  py::class_<ArenaPool, std::shared_ptr<ArenaPool>>(module, "ArenaPool").def(py::init<>());
  py::class_<Program>(module, "Program")
      .def(py::init(&make_program), py::arg("graph"), py::arg("isa") = "", py::arg("arenas") = nullptr, py::arg("strict") = false,
           py::arg("small") = false, py::arg("choices") = Choices{})
      .def("run", &run, py::arg("inputs"), py::arg("outputs") = py::none(), py::arg("threads") = 0, py::arg("seed") = 0,
           py::arg("iteration") = 0)
      .def("profile", &profile, py::arg("inputs"), py::arg("threads") = 0)
      .def("useful_threads", &Program::useful_threads, py::arg("threads") = 0)
      .def_property_readonly("memory", &memory_of)
      .def_property_readonly("forms", [](const Program& program) { return program.forms().list(); })
      .def_property_readonly("plan", &plan_of)
      .def_property_readonly("graph", &graph_of)
      .def_property_readonly("steps", &steps_of);
}

}  // namespace fastcnn
