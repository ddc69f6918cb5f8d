// Drives the executor from several host threads at once, without Python, for the thread sanitizer (`make tsan`) and as a test of its own:
// one program, any team size, many callers, the same bits. Prints what differs; the exit status is 1 if anything does.
#include <cstdio>
#include <cstring>
#include <thread>

#include "core/dispatch.h"
#include "graph/graph.h"
#include "runtime/program.h"

namespace fastcnn {
namespace {

constexpr int kCallers = 4;
constexpr int kRunsACaller = 12;
constexpr int kLargestTeam = 4;

using Floats = std::vector<float>;

Floats random_floats(Index count, std::uint32_t seed) {
  Floats values(static_cast<std::size_t>(count));
  for (float& value : values) {
    seed = seed * 1664525u + 1013904223u;
    value = static_cast<float>(seed >> 8) / (1 << 24) - 0.5f;
  }
  return values;
}

// A graph with its parameters. Gradients of all of them are outputs too, so that backward steps run as well.
class Network {
 public:
  Network() {
    const ValueId x = graph_.input("x", {2, 3, 24, 24}, DType::f32);
    const ValueId first = convolution(x, 3, 32);
    const ValueId second = graph_.add_one("add", {convolution(first, 32, 32), first});
    const ValueId pooled = graph_.add_one("max_pool", {second},
                                          {{"kernel", pair(2)},
                                           {"stride", pair(2)},
                                           {"padding", std::vector<Index>{0, 0, 0, 0}},
                                           {"dilation", pair(1)},
                                           {"ceil_mode", false}});
    const ValueId flat = graph_.add_one("reshape", {pooled}, {{"shape", std::vector<Index>{2, 32 * 12 * 12}}});
    const ValueId y = graph_.add_one("linear", {flat, parameter({10, 32 * 12 * 12}), parameter({10})}, identity());
    const std::vector<ValueId> gradients = graph_.gradient({y}, {kNoValue}, parameters_);
    graph_.outputs = {y};
    graph_.outputs.insert(graph_.outputs.end(), gradients.begin(), gradients.end());
  }
  const Graph& graph() const { return graph_; }

 private:
  static std::vector<Index> pair(Index size) { return {size, size}; }
  static Attributes identity() { return {{"activation", std::string("identity")}, {"activation_a", 0.0}, {"activation_b", 0.0}}; }

  ValueId parameter(const Shape& shape) {
    auto parameter = std::make_shared<Parameter>(shape);
    const Floats values = random_floats(shape.elements(), static_cast<std::uint32_t>(parameters_.size()) + 7);
    std::memcpy(parameter->data(), values.data(), values.size() * sizeof(float));
    parameter->written();
    parameters_.push_back(graph_.parameter(parameter, "parameter" + std::to_string(parameters_.size())));
    return parameters_.back();
  }

  ValueId convolution(ValueId x, Index channels, Index filters) {
    Attributes attributes = identity();
    attributes.set("stride", pair(1));
    attributes.set("padding", std::vector<Index>{1, 1, 1, 1});
    attributes.set("dilation", pair(1));
    attributes.set("groups", Index{1});
    const ValueId y = graph_.add_one("conv2d", {x, parameter({filters, channels, 3, 3}), parameter({filters})}, attributes);
    return graph_.add_one("activation", {y}, {{"kind", std::string("relu")}, {"a", 0.0}, {"b", 0.0}});
  }

  Graph graph_;
  std::vector<ValueId> parameters_;
};

// One run; all outputs one after the other.
Floats run(Program& program, const Floats& x, int threads) {
  std::vector<Floats> outputs;
  std::vector<void*> places;
  for (ValueId output : program.graph().outputs) outputs.emplace_back(program.graph().type(output).shape.elements());
  for (Floats& output : outputs) places.push_back(output.data());
  const void* inputs[] = {x.data()};
  {
    Executor::Session session = program.start(inputs, places.data(), {.threads = threads});
    session.run();
  }
  Floats all;
  for (const Floats& output : outputs) all.insert(all.end(), output.begin(), output.end());
  return all;
}

bool same_bits(const Floats& a, const Floats& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

bool check(const Kernels& kernels, Purpose purpose) {
  const Network network;
  Program program(network.graph(), kernels, purpose, std::make_shared<ArenaPool>());
  const Floats x = random_floats(2 * 3 * 24 * 24, 3);
  std::vector<Floats> found(kCallers * kRunsACaller);
  std::vector<std::thread> callers;
  for (int caller = 0; caller < kCallers; ++caller) {
    callers.emplace_back([&, caller] {
      for (int i = 0; i < kRunsACaller; ++i)
        found[static_cast<std::size_t>(caller * kRunsACaller + i)] = run(program, x, 1 + (caller + i) % kLargestTeam);
    });
  }
  for (std::thread& caller : callers) caller.join();

  const Floats expected = run(program, x, 1);
  int different = 0;
  for (const Floats& answer : found) different += !same_bits(answer, expected);
  std::printf("%s %s: %d of %zu runs differ from a run of one thread\n", kernels.isa,
              purpose == Purpose::inference ? "inference" : "training", different, found.size());
  return different == 0;
}

}  // namespace
}  // namespace fastcnn

int main() {
  bool passed = true;
  for (const fastcnn::Kernels* kernels : fastcnn::available_kernels())
    for (auto purpose : {fastcnn::Purpose::inference, fastcnn::Purpose::training}) passed &= fastcnn::check(*kernels, purpose);
  return passed ? 0 : 1;
}
