#include "runtime/executor.h"

#include <algorithm>

#include "core/parallel.h"

namespace fastcnn {

Executor::Executor(const Plan& plan, PreparedForms& forms, std::shared_ptr<ArenaPool> arenas)
    : plan_(plan), forms_(forms), arenas_(std::move(arenas)) {}

Executor::~Executor() { arenas_->release(); }

// A worker must have something to do for the microsecond or two that it costs to wake it and to meet it at the barriers.
int Executor::useful_threads(int asked) const {
  constexpr double kFlopsAWorker = 1e6;  // about 10 us
  const int threads = asked > 0 ? std::min(asked, kMaxThreads) : default_threads();
  return std::max(1, static_cast<int>(std::min(static_cast<double>(threads), plan_.flops() / kFlopsAWorker)));
}

std::unique_ptr<Executor::State> Executor::take_state() {
  {
    const std::lock_guard lock(mutex_);
    if (!free_states_.empty()) {
      std::unique_ptr<State> state = std::move(free_states_.back());
      free_states_.pop_back();
      return state;
    }
  }
  auto state = std::make_unique<State>();
  state->spaces = plan_.spaces().fixed;
  return state;
}

void Executor::give_back(std::unique_ptr<State> state) {
  const std::lock_guard lock(mutex_);
  free_states_.push_back(std::move(state));
}

Executor::Session::Session(Executor& executor, const void* const* inputs, void* const* outputs, const RunOptions& options)
    : executor_(executor), options_(options), threads_(executor.useful_threads(options.threads)), state_(executor.take_state()) {
  const Plan& plan = executor.plan_;
  const auto first_input = static_cast<std::size_t>(plan.spaces().first_input);
  const auto first_output = static_cast<std::size_t>(plan.spaces().first_output);
  const std::size_t input_count = plan.graph().inputs.size();
  const std::size_t output_count = plan.graph().outputs.size();
  for (std::size_t i = 0; i < input_count; ++i) state_->spaces[first_input + i] = static_cast<std::byte*>(const_cast<void*>(inputs[i]));
  for (std::size_t i = 0; i < output_count; ++i) state_->spaces[first_output + i] = static_cast<std::byte*>(outputs[i]);
  executor.forms_.use_files();
  executor.forms_.refresh(state_->forms, state_->spaces, threads_);
  state_->arena = executor.arenas_->borrow(static_cast<std::size_t>(plan.spaces().arena.total + threads_ * plan.scratch_bytes()));
  state_->spaces[0] = state_->arena.data();
}

Executor::Session::~Session() {
  if (state_->arena.data()) executor_.arenas_->give_back(std::move(state_->arena));
  executor_.give_back(std::move(state_));
}

// The scratch of the workers lies behind the arena.
void Executor::Session::run_steps(std::span<const BoundStep> steps) const {
  const Plan& plan = executor_.plan_;
  const Scratch scratch{state_->arena.data() + plan.spaces().arena.total, plan.scratch_bytes()};
  fastcnn::run_steps(steps, state_->spaces, scratch, options_, threads_);
}

void Executor::Session::run() { run_steps(executor_.plan_.steps()); }

void Executor::Session::update() {
  const Plan& plan = executor_.plan_;
  if (plan.updates().empty()) return;  // inference: no need to wake the workers
  run_steps(plan.updates());
  for (const BoundStep& bound : plan.updates()) {
    const Node& node = plan.graph().nodes[bound.node];
    if (node.op->update) plan.graph()[node.inputs[0]].parameter->written();
  }
}

}  // namespace fastcnn
