// A library to preload: it replaces malloc and mmap and counts. All calls are counted. Bytes are counted while the memory is held, for
// calls from one range of addresses, the code of fastcnn's extension module. Linux with glibc.
#include <pthread.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>

extern "C" {

void* __libc_malloc(size_t);
void* __libc_calloc(size_t, size_t);
void* __libc_realloc(void*, size_t);
void* __libc_memalign(size_t, size_t);
void __libc_free(void*);

}  // extern "C"

namespace {

std::atomic<uintptr_t> watched_begin{0}, watched_end{0};
std::atomic<int64_t> calls{0}, held{0}, most{0};

bool watched(void* caller) {
  const auto at = reinterpret_cast<uintptr_t>(caller);
  return at >= watched_begin.load(std::memory_order_relaxed) && at < watched_end.load(std::memory_order_relaxed);
}

void hold(int64_t bytes) {
  const int64_t now = held.fetch_add(bytes) + bytes;
  for (int64_t before = most.load(); before < now && !most.compare_exchange_weak(before, now);) {
  }
}

// The watched blocks of malloc and their sizes, because free gets none: a hash table with linear probing.
constexpr size_t kPlaces = size_t{1} << 16;
struct Place {
  std::atomic<uintptr_t> block{0};  // 0: never used; 1: free again
  int64_t bytes = 0;
};
Place table[kPlaces];

size_t place_of(uintptr_t block) { return (block >> 4) * size_t{0x9E3779B97F4A7C15} >> 48; }

void keep(void* memory, size_t bytes) {
  const auto block = reinterpret_cast<uintptr_t>(memory);
  for (size_t i = 0, at = place_of(block); i < kPlaces; ++i, at = (at + 1) % kPlaces) {
    uintptr_t free = table[at].block.load();
    if (free > 1 || !table[at].block.compare_exchange_strong(free, block)) continue;
    table[at].bytes = static_cast<int64_t>(bytes);
    hold(table[at].bytes);
    return;
  }
}

void forget(void* memory) {
  const auto block = reinterpret_cast<uintptr_t>(memory);
  for (size_t i = 0, at = place_of(block); i < kPlaces; ++i, at = (at + 1) % kPlaces) {
    const uintptr_t there = table[at].block.load();
    if (there == 0) return;
    if (there != block) continue;
    hold(-table[at].bytes);
    table[at].block.store(1);
    return;
  }
}

void* counted(void* memory, size_t bytes, void* caller) {
  calls.fetch_add(1, std::memory_order_relaxed);
  if (memory && watched(caller)) keep(memory, bytes);
  return memory;
}

size_t whole_pages(size_t bytes) {
  const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  return (bytes + page - 1) / page * page;
}

}  // namespace

extern "C" {

void* malloc(size_t bytes) { return counted(__libc_malloc(bytes), bytes, __builtin_return_address(0)); }

void* calloc(size_t count, size_t bytes) { return counted(__libc_calloc(count, bytes), count * bytes, __builtin_return_address(0)); }

void* realloc(void* old, size_t bytes) {
  if (old) forget(old);
  return counted(__libc_realloc(old, bytes), bytes, __builtin_return_address(0));
}

void* memalign(size_t alignment, size_t bytes) { return counted(__libc_memalign(alignment, bytes), bytes, __builtin_return_address(0)); }

void* aligned_alloc(size_t alignment, size_t bytes) {
  return counted(__libc_memalign(alignment, bytes), bytes, __builtin_return_address(0));
}

int posix_memalign(void** memory, size_t alignment, size_t bytes) {
  *memory = counted(__libc_memalign(alignment, bytes), bytes, __builtin_return_address(0));
  return *memory ? 0 : ENOMEM;
}

void free(void* memory) {
  if (!memory) return;
  forget(memory);
  __libc_free(memory);
}

void* mmap(void* address, size_t bytes, int protection, int flags, int file, off_t offset) {
  void* const memory = reinterpret_cast<void*>(syscall(SYS_mmap, address, bytes, protection, flags, file, offset));
  calls.fetch_add(1, std::memory_order_relaxed);
  if (memory != MAP_FAILED && (flags & MAP_ANONYMOUS) && watched(__builtin_return_address(0)))
    hold(static_cast<int64_t>(whole_pages(bytes)));
  return memory;
}

int munmap(void* address, size_t bytes) {
  if (watched(__builtin_return_address(0))) hold(-static_cast<int64_t>(whole_pages(bytes)));
  return static_cast<int>(syscall(SYS_munmap, address, bytes));
}

// From now on counts bytes for calls from code in begin .. end - 1; sets the counts of bytes to 0.
void memory_counter_watch(uintptr_t begin, uintptr_t end) {
  watched_begin.store(begin);
  watched_end.store(end);
  held.store(0);
  most.store(0);
}

int64_t memory_counter_calls() { return calls.load(); }
int64_t memory_counter_held() { return held.load(); }
int64_t memory_counter_most() { return most.load(); }
void memory_counter_forget_most() { most.store(held.load()); }

}  // extern "C"
