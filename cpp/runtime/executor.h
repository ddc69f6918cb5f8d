// Executor: runs the steps of a plan. Several threads may do so at once; each run has memory of its own.
#pragma once

#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "runtime/arena_pool.h"
#include "runtime/plan.h"
#include "runtime/prepared_forms.h"

namespace fastcnn {

class Executor {
  struct State;

 public:
  // The plan and the forms must outlive this.
  Executor(const Plan& plan, PreparedForms& forms, std::shared_ptr<ArenaPool> arenas);
  ~Executor();
  Executor(const Executor&) = delete;
  Executor& operator=(const Executor&) = delete;

  // One run, from start to end of its life: borrowed memory comes back with the destructor. Several may exist at once.
  class Session {
   public:
    Session(Executor& executor, const void* const* inputs, void* const* outputs, const RunOptions& options);
    ~Session();
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;
    void run();     // all steps before the first that writes parameters or running statistics
    void update();  // the others; after run()

   private:
    void run_steps(std::span<const BoundStep> steps) const;

    Executor& executor_;
    const RunOptions options_;
    const int threads_;
    std::unique_ptr<State> state_;
  };

  int useful_threads(int asked) const;  // how many a run uses where `asked` are there; 0: default_threads()

 private:
  // What a run needs, kept for the next one.
  struct State {
    std::vector<std::byte*> spaces;
    PreparedForms::Held forms;
    AlignedBuffer arena;
  };

  std::unique_ptr<State> take_state();
  void give_back(std::unique_ptr<State> state);

  const Plan& plan_;
  PreparedForms& forms_;
  std::shared_ptr<ArenaPool> arenas_;
  std::mutex mutex_;  // guards the free states
  std::vector<std::unique_ptr<State>> free_states_;
};

}  // namespace fastcnn
