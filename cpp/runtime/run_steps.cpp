// One parallel region runs the whole list of steps. The units of a step are divided among the workers that the region really got. A barrier
// stands between two steps, because a step may read what any worker wrote in the step before.
#include "runtime/run_steps.h"

#include <chrono>
#include <cstring>

#include "core/denormals.h"
#include "core/parallel.h"

namespace fastcnn {

namespace {

// This worker's share of `units`.
struct Share {
  Index begin, end;
  Share(Index units, const Worker& worker)
      : begin(units * worker.index() / worker.size()), end(units * (worker.index() + 1) / worker.size()) {}
};

using Clock = std::chrono::steady_clock;

// Writes zeros around the pixels of images begin .. end - 1 (image x channel block) of an operand.
void clear_rings(const Ring& of, const RunContext& run, Index begin, Index end) {
  const Operand& image = of.image;
  const ImageStrides s = image.type.strides();
  const Index ring = image.type.layout.ring;
  const Index H = image.type.H();
  const Index side = ring * s.pixel;
  const Index above = of.above ? ring * s.row : 0;
  const Index below = of.below ? ring * s.row : 0;
  const auto clear = [](float* from, Index count) { std::memset(from, 0, static_cast<std::size_t>(count) * sizeof(float)); };
  for (Index i = begin; i < end; ++i) {
    float* corner = image.data(run) + s.image(i);
    // Above and the left of row 0; then the right of each row with the left of the next; then the right of the last row and below.
    clear(corner + ring * s.row - above, above + side);
    for (Index h = 0; h + 1 < H; ++h) clear(corner + (ring + h + 1) * s.row - side, 2 * side);
    clear(corner + (ring + H) * s.row - side, side + below);
  }
}

}  // namespace

void run_steps(std::span<const BoundStep> steps, const std::vector<std::byte*>& spaces, Scratch scratch, const RunOptions& options,
               int threads) {
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

}  // namespace fastcnn
