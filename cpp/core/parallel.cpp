#include "core/parallel.h"

#include <omp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <system_error>
#include <thread>

namespace fastcnn {

namespace {

constexpr int kSpinsPerClockRead = 64;  // about 2 us of pauses, so that the clock is rarely read

// The time that an idle thread spins before it sleeps: FASTCNN_SPIN_MICROSECONDS, 0 to 1000000, read at the first region.
std::chrono::microseconds longest_spin() {
  static const std::chrono::microseconds longest = [] {
    constexpr long kDefault = 200;
    constexpr long kMost = 1000000;
    const char* text = std::getenv("FASTCNN_SPIN_MICROSECONDS");
    char* end = nullptr;
    const long asked = text ? std::strtol(text, &end, 10) : -1;
    const bool is_number = end != text && end && *end == '\0' && asked >= 0;
    return std::chrono::microseconds(is_number ? std::min(asked, kMost) : kDefault);
  }();
  return longest;
}

void pause_core() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

using Epoch = std::atomic<std::uint32_t>;

// Returns when `epoch` differs from `seen`. Spins for a bounded time, then sleeps (std::atomic waits by futex on Linux).
void wait_for_change(const Epoch& epoch, std::uint32_t seen) {
  const std::chrono::microseconds longest = longest_spin();
  const auto start = std::chrono::steady_clock::now();
  do {
    for (int spin = 0; spin < kSpinsPerClockRead; ++spin) {
      if (epoch.load(std::memory_order_acquire) != seen) return;
      pause_core();
    }
  } while (std::chrono::steady_clock::now() - start < longest);
  while (epoch.load(std::memory_order_acquire) == seen) epoch.wait(seen, std::memory_order_acquire);
}

void advance(Epoch& epoch) {
  epoch.fetch_add(1, std::memory_order_seq_cst);
  epoch.notify_all();
}

}  // namespace

class Barrier {
 public:
  void reset(int size) { size_ = size; }

  void wait() {
    const std::uint32_t seen = epoch_.load(std::memory_order_acquire);
    if (arrived_.fetch_add(1, std::memory_order_acq_rel) == size_ - 1) {
      arrived_.store(0, std::memory_order_relaxed);
      advance(epoch_);
    } else {
      wait_for_change(epoch_, seen);
    }
  }

 private:
  alignas(64) std::atomic<int> arrived_{0};
  alignas(64) Epoch epoch_{0};
  int size_ = 1;
};

void Worker::barrier() const {
  if (size_ > 1) barrier_->wait();
}

namespace {

// The open region. Members are numbered from 1; the caller of run() is worker 0. The thread that owns the region shares ownership of the
// team: a closed team lives until its last member has left.
class Team {
 public:
  explicit Team(int wanted_members) : wanted_(wanted_members) {}

  static std::shared_ptr<Team> open(int wanted_members) {
    const auto team = std::make_shared<Team>(wanted_members);
    sigset_t all, before;  // signals go to the application's threads, never to those of the library
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    try {
      std::thread([team] { team->open_region(); }).detach();
    } catch (...) {
      pthread_sigmask(SIG_SETMASK, &before, nullptr);
      throw;
    }
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    wait_for_change(team->ready_, 0);
    return team;
  }

  int wanted() const { return wanted_; }  // may be more than members()
  int members() const { return members_; }

  void run(int size, WorkFunction work, void* context) {
    work_ = work;
    context_ = context;
    size_ = size;
    barrier_.reset(size);
    start_members();
    work(context, Worker(0, size, &barrier_));
    wait_for_members();
  }

  // Ends the region.
  void close() {
    work_ = nullptr;
    start_members();
    wait_for_members();
  }

 private:
  void open_region() {
#pragma omp parallel num_threads(wanted_)
    {
      if (omp_get_thread_num() == 0) {
        members_ = omp_get_num_threads();
        advance(ready_);
      }
      serve(omp_get_thread_num() + 1);
    }
  }

  void serve(int index) {
    for (std::uint32_t seen = 0;; ++seen) {
      wait_for_change(job_, seen);
      const bool last_job = work_ == nullptr;
      if (!last_job && index < size_) work_(context_, Worker(index, size_, &barrier_));
      if (pending_.fetch_sub(1, std::memory_order_acq_rel) == 1) advance(done_);
      if (last_job) return;
    }
  }

  void start_members() {
    pending_.store(members_, std::memory_order_relaxed);
    done_seen_ = done_.load(std::memory_order_relaxed);
    advance(job_);
  }
  void wait_for_members() { wait_for_change(done_, done_seen_); }

  alignas(64) Epoch job_{0};
  alignas(64) Epoch done_{0};
  alignas(64) std::atomic<int> pending_{0};
  alignas(64) Epoch ready_{0};
  Barrier barrier_;
  std::uint32_t done_seen_ = 0;
  WorkFunction work_ = nullptr;
  void* context_ = nullptr;
  int size_ = 1;
  int members_ = 0;
  const int wanted_;
};

// The team of the process. It is not closed at exit: its members may outlive static destructors.
std::shared_ptr<Team>& the_team = *new std::shared_ptr<Team>;
std::atomic<bool> team_is_taken{false};
std::atomic<int> chosen_threads{0};

// Runs in a forked child, which has none of the parent's threads: the next run opens a new team.
void forget_team() {
  the_team.reset();  // not closed: it has no members that could leave it
  team_is_taken.store(false, std::memory_order_relaxed);
}

// The caller has taken the team. Returns nullptr if the system gives no thread.
Team* team_with(int members) {
  static const int registered = pthread_atfork(nullptr, nullptr, forget_team);
  (void)registered;
  if (the_team && the_team->wanted() < members) {
    the_team->close();
    the_team.reset();
  }
  if (!the_team) {
    try {
      the_team = Team::open(members);
    } catch (const std::system_error&) {
      return nullptr;
    }
  }
  return the_team.get();
}

int processors() {
#if defined(__linux__)
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof(set), &set) == 0) return std::max(1, CPU_COUNT(&set));
#endif
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

int initial_threads() {
  const char* text = std::getenv("OMP_NUM_THREADS");
  const int asked = text ? std::atoi(text) : 0;
  return std::clamp(asked > 0 ? asked : processors(), 1, kMaxThreads);
}

}  // namespace

void run_parallel(int threads, WorkFunction work, void* context) {
  threads = std::min(threads, kMaxThreads);
  if (threads > 1 && !team_is_taken.exchange(true, std::memory_order_acquire)) {
    Team* team = team_with(threads - 1);
    if (team) team->run(std::min(threads, team->members() + 1), work, context);
    team_is_taken.store(false, std::memory_order_release);
    if (team) return;
  }
  work(context, Worker(0, 1, nullptr));
}

int default_threads() {
  const int chosen = chosen_threads.load(std::memory_order_relaxed);
  if (chosen > 0) return chosen;
  static const int initial = initial_threads();
  return initial;
}

void set_default_threads(int threads) { chosen_threads.store(std::clamp(threads, 1, kMaxThreads), std::memory_order_relaxed); }

int openmp_version() { return _OPENMP; }

}  // namespace fastcnn
