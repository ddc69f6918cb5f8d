// Execution: one parallel region over the whole list of steps. Units are dealt to the workers that are really there; between steps stands a
// barrier, for a step may read what any worker wrote in the one before.
#include <algorithm>
#include <chrono>
#include <cstring>

#include "core/denormals.h"
#include "runtime/program.h"

namespace fastcnn {

namespace {

// This worker's share of `units`.
struct Share {
  Index begin, end;
  Share(Index units, const Worker& worker)
      : begin(units * worker.index() / worker.size()), end(units * (worker.index() + 1) / worker.size()) {}
};

using Clock = std::chrono::steady_clock;

}  // namespace

// Zeros around the pixels of images begin .. end - 1 (image x channel block) of an operand.
void Program::clear_rings(const Ring& of, const RunContext& run, Index begin, Index end) {
  const Operand& image = of.image;
  const ImageStrides s = image.type.strides();
  const Index ring = image.type.layout.ring, H = image.type.H(), side = ring * s.pixel, above = of.above ? ring * s.row : 0;
  const auto clear = [](float* from, Index count) { std::memset(from, 0, static_cast<std::size_t>(count) * sizeof(float)); };
  for (Index i = begin; i < end; ++i) {
    float* corner = image.data(run) + s.image(i);
    // Above and the left of row 0; then the right of each row with the left of the next; then the right of the last row and below.
    clear(corner + ring * s.row - above, above + side);
    for (Index h = 0; h + 1 < H; ++h) clear(corner + (ring + h + 1) * s.row - side, 2 * side);
    clear(corner + (ring + H) * s.row - side, side + (of.below ? ring * s.row : 0));
  }
}

void Program::execute(std::span<const BoundStep> steps, const std::vector<std::byte*>& spaces, Scratch scratch, const RunOptions& options,
                      int threads) const {
  run_parallel(threads, [&](const Worker& worker) {
    const FlushDenormals flush;
    const RunContext run{spaces.data(), scratch.first + worker.index() * scratch.bytes_a_worker, options.seed, options.iteration,
                         options.updater};
    Clock::time_point start = Clock::now();
    for (const BoundStep& bound : steps) {
      const Share units(bound.step.units, worker);
      if (units.begin < units.end) bound.step.run(run, units.begin, units.end);
      for (const Ring& ring : bound.rings) {
        const Share images(ring.image.type.N() * ring.image.type.strides().blocks, worker);
        clear_rings(ring, run, images.begin, images.end);
      }
      worker.barrier();
      if (options.step_seconds && worker.index() == 0) {
        const Clock::time_point now = Clock::now();
        options.step_seconds[bound.report] += std::chrono::duration<double>(now - start).count();
        start = now;
      }
    }
  });
}

// A worker must have something to do for the microsecond or two that it costs to wake it and to meet it at the barriers.
int Program::useful_threads(int asked) const {
  constexpr double kFlopsAWorker = 1e6;  // about 10 us
  const int threads = asked > 0 ? std::min(asked, kMaxThreads) : default_threads();
  return std::max(1, static_cast<int>(std::min(static_cast<double>(threads), flops_ / kFlopsAWorker)));
}

std::unique_ptr<RunState> Program::take_state() {
  {
    const std::lock_guard lock(mutex_);
    if (!free_states_.empty()) {
      std::unique_ptr<RunState> state = std::move(free_states_.back());
      free_states_.pop_back();
      return state;
    }
  }
  auto state = std::make_unique<RunState>();
  state->spaces = fixed_spaces_;
  state->forms.resize(ahead_.size());
  return state;
}

// Before the first byte of them is read.
void Program::use_files() const {
  for (const auto& file : files_) {
    if (writes_parameters_)
      file->own();
    else
      file->check();
  }
}

Program::Session::Session(Program& program, const void* const* inputs, void* const* outputs, const RunOptions& options)
    : program_(program), options_(options), threads_(program.useful_threads(options.threads)), state_(program.take_state()) {
  const std::size_t input_count = program.graph_.inputs.size(), output_count = program.graph_.outputs.size();
  for (std::size_t i = 0; i < input_count; ++i)
    state_->spaces[static_cast<std::size_t>(program.first_input_) + i] = static_cast<std::byte*>(const_cast<void*>(inputs[i]));
  for (std::size_t i = 0; i < output_count; ++i)
    state_->spaces[static_cast<std::size_t>(program.first_output_) + i] = static_cast<std::byte*>(outputs[i]);
  program.use_files();
  program.refresh_forms(*state_, threads_);
  state_->arena = program.arenas_->borrow(static_cast<std::size_t>(program.plan_.total + threads_ * program.scratch_));
  state_->spaces[0] = state_->arena.data();
}

Program::Session::~Session() {
  if (state_->arena.data()) program_.arenas_->give_back(std::move(state_->arena));
  const std::lock_guard lock(program_.mutex_);
  program_.free_states_.push_back(std::move(state_));
}

Scratch Program::Session::scratch() const { return {state_->arena.data() + program_.plan_.total, program_.scratch_}; }

void Program::Session::run() {
  program_.execute(std::span(program_.main_).first(program_.first_update_), state_->spaces, scratch(), options_, threads_);
}

void Program::Session::update() {
  const auto steps = std::span<const BoundStep>(program_.main_).subspan(program_.first_update_);
  if (steps.empty()) return;  // inference: the team is not woken for nothing
  program_.execute(steps, state_->spaces, scratch(), options_, threads_);
  for (const BoundStep& bound : steps) {
    const Node& node = program_.graph_.nodes[bound.node];
    if (node.op->update) program_.graph_[node.inputs[0]].parameter->written();
  }
}

}  // namespace fastcnn
