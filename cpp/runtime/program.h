// Program: a graph made ready to run for one set of input shapes. Inference and training are the same executor.
#pragma once

#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "core/parallel.h"
#include "graph/graph.h"
#include "kernels/kernels.h"
#include "runtime/arena_pool.h"
#include "runtime/storage.h"

namespace fastcnn {

// What a program keeps for each run that is going on at the same time.
struct RunState {
  std::vector<std::byte*> spaces;
  std::vector<std::shared_ptr<const PreparedForm>> forms;
  AlignedBuffer arena;
};

struct RunOptions {
  int threads = 0;  // 0: default_threads()
  std::uint64_t seed = 0, iteration = 0;
  const WeightUpdater* updater = nullptr;  // of a training step
  double* step_seconds = nullptr;          // for profiling: one entry for each of steps(), to which time is added
};

struct ProgramMemory {
  Index parameters = 0, prepared = 0, arena = 0, scratch_per_thread = 0, inputs = 0, outputs = 0;
  Index lower_bound = 0, without_release = 0;  // of the arena
  Index logical_bound = 0;                     // the lower bound without rings, unused lanes and alignment
};

// Private memory of the workers of a run, one piece behind another.
struct Scratch {
  std::byte* first = nullptr;
  Index bytes_a_worker = 0;
};

class Program {
 public:
  enum class Purpose { inference, training };  // training: parameters change with every run, so nothing is prepared ahead

  // Training is always strict.
  Program(Graph graph, const Kernels& kernels, Purpose purpose, std::shared_ptr<ArenaPool> arenas, CompileOptions options = {});
  ~Program() { arenas_->release(); }

  // One run, from start to end of its life: borrowed memory comes back with the destructor. Several may exist at once.
  class Session {
   public:
    Session(Program& program, const void* const* inputs, void* const* outputs, const RunOptions& options);
    ~Session();
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;
    void run();     // all steps before the first that writes parameters or running statistics
    void update();  // the others; after run()

   private:
    Scratch scratch() const;
    Program& program_;
    const RunOptions options_;
    const int threads_;
    std::unique_ptr<RunState> state_;
  };

  const Graph& graph() const { return graph_; }
  bool is_ahead(std::size_t node) const { return is_ahead_[node]; }  // evaluated before the runs
  const Kernels& kernels() const { return kernels_; }
  const Storage& storage() const { return storage_; }
  const MemoryPlan& plan() const { return plan_; }
  const std::vector<int>& planned_blocks() const { return planned_; }  // block index of each lifetime of the plan
  ProgramMemory memory() const;
  double made_again() const { return made_again_; }          // multiply-adds of what a training step does twice to fit into its room
  std::vector<std::pair<std::size_t, Index>> forms() const;  // prepared weights: a number that equal ones share, and bytes
  int useful_threads(int asked) const;                       // how many a run uses where `asked` are there; 0: default_threads()

  // What a run does for one node, in one step or in bands.
  struct StepInfo {
    const Node* node;
    const Step* step;  // of all bands together
    Index bands;       // 1: it runs in one piece
  };
  std::vector<StepInfo> steps() const;

 private:
  friend class Session;

  // An image whose ring of zeros must be written; of a band of it, perhaps not what is above and below.
  struct Ring {
    Operand image;
    bool above = true, below = true;
  };
  // A node with its function, and the images whose rings it must write. report: what its time counts for.
  struct BoundStep {
    std::size_t node;
    Step step;
    std::vector<Ring> rings;
    std::size_t report = 0;
  };
  // What is told about a node of a run; its step is not to be run.
  struct Report {
    std::size_t node;
    Step step;
    Index bands = 1;
  };
  // A value that is made of parameters alone (prepared weights), and the steps that make it: the last makes the value itself, the others
  // what it is made from, which is kept no longer than that.
  struct Ahead {
    std::vector<BoundStep> steps;
    std::vector<std::pair<int, Index>> temporaries;  // space and bytes
    int space = 0;
    Index bytes = 0;
    std::string key;
    std::vector<std::shared_ptr<Parameter>> parameters;
  };

  void find_files();
  void find_ahead(Purpose purpose);
  void place();
  void bind();
  void add_step(std::vector<BoundStep>& steps, BoundStep bound, std::size_t report);
  void bind_group(const BandGroup& group);
  BoundStep bind_in_band(const BandGroup& group, std::size_t member, std::size_t band) const;
  Operand operand_in(const BandGroup& group, std::size_t band, ValueId value, RowRange rows) const;
  static void clear_rings(const Ring& ring, const RunContext& run, Index begin, Index end);
  void bind_ahead();
  Ahead ahead_of(int block) const;
  void add_to(Ahead& ahead, std::vector<std::size_t>& added, std::size_t node) const;
  BoundStep bind_node(std::size_t node) const;
  bool made_of_parts(std::size_t node) const;
  Operand operand(ValueId value) const;
  void use_files() const;
  void refresh_forms(RunState& state, int threads);
  void fill_form(const Ahead& ahead, const PreparedForm& form, const RunState& state, std::vector<AlignedBuffer>& buffers,
                 int threads) const;
  void execute(std::span<const BoundStep> steps, const std::vector<std::byte*>& spaces, Scratch scratch, const RunOptions& options,
               int threads) const;
  std::unique_ptr<RunState> take_state();

  Graph graph_;
  const Kernels& kernels_;
  std::shared_ptr<ArenaPool> arenas_;
  std::vector<bool> is_ahead_;
  std::vector<BandGroup> groups_;
  Storage storage_;
  std::vector<int> planned_;
  MemoryPlan plan_;
  std::vector<Location> locations_;       // by block
  std::vector<std::byte*> fixed_spaces_;  // parameters; the others are filled in by each run
  int first_input_ = 1, first_output_ = 1;
  std::vector<BoundStep> main_;
  std::size_t first_update_ = 0;  // of main_; its size if there is none
  std::vector<Report> reports_;
  std::vector<Ahead> ahead_;
  std::vector<std::shared_ptr<FileMapping>> files_;  // that parameters lie in
  bool writes_parameters_;
  Index scratch_ = 0;
  double flops_ = 0, made_again_ = 0;
  std::mutex mutex_;  // guards the free states and the making of forms
  std::vector<std::unique_ptr<RunState>> free_states_;
};

}  // namespace fastcnn
