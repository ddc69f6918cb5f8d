// Threads. The only part of the library that knows OpenMP; all other parts see run_parallel and Worker.
//
// A team is one OpenMP region that stays open: its members wait for work by a bounded spin (0.2 ms) and then sleep in the kernel (futex),
// so that an idle team costs nothing. A thread of the library owns the region, so that the waiting of libgomp is never used: it spins for
// milliseconds and hangs in a forked child. The caller is worker 0.
#pragma once

#include <type_traits>

namespace fastcnn {

class Barrier;

// One member of a running team.
class Worker {
 public:
  Worker(int index, int size, Barrier* barrier) : index_(index), size_(size), barrier_(barrier) {}
  int index() const { return index_; }
  int size() const { return size_; }
  void barrier() const;  // returns when every worker of the team has arrived

 private:
  int index_, size_;
  Barrier* barrier_;
};

using WorkFunction = void (*)(void* context, const Worker& worker);

// Calls work(context, worker) on at most `threads` workers at once and returns when all are done. There are fewer workers (at least one)
// when the team is busy with another caller or the system gives no more threads: work must be correct for any team size. It must not throw.
void run_parallel(int threads, WorkFunction work, void* context);

template <class Body>
void run_parallel(int threads, Body&& body) {
  using Plain = std::remove_reference_t<Body>;
  run_parallel(threads, [](void* context, const Worker& worker) { (*static_cast<Plain*>(context))(worker); }, &body);
}

// The number of threads where a caller gives none: that of set_default_threads, else OMP_NUM_THREADS, else the number of processors that
// this process may run on.
int default_threads();
void set_default_threads(int threads);

constexpr int kMaxThreads = 256;

int openmp_version();  // yyyymm of the specification that the compiler follows

}  // namespace fastcnn
