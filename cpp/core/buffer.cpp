#include "core/buffer.h"

#include <cstdlib>
#include <cstring>
#include <new>

#if defined(__linux__)
#include <sys/mman.h>
#include <unistd.h>
#endif

namespace fastcnn {

namespace {

constexpr std::size_t kCacheLine = 64;
constexpr std::size_t kHugePage = std::size_t{2} << 20;

std::size_t rounded(std::size_t bytes) {
  const std::size_t lines = bytes / kCacheLine + (bytes % kCacheLine != 0);
  if (lines > SIZE_MAX / kCacheLine) throw std::bad_alloc();
  return lines * kCacheLine;
}

#if defined(__linux__)
// Fresh pages are zero: the kernel clears a page when a thread first touches it, and memory that nobody touches costs nothing. Pages that
// were mapped only for the alignment are given back.
std::byte* pages(std::size_t bytes) {
  const std::size_t asked = bytes + kHugePage;
  if (asked < bytes) throw std::bad_alloc();
  void* const memory = mmap(nullptr, asked, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  static const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  const std::size_t before = (kHugePage - reinterpret_cast<std::uintptr_t>(memory) % kHugePage) % kHugePage;
  std::byte* const data = static_cast<std::byte*>(memory) + before;
  const std::size_t used = (bytes + page - 1) / page * page;
  if (before > 0) munmap(memory, before);
  if (asked - before > used) munmap(data + used, asked - before - used);
  madvise(data, bytes, MADV_HUGEPAGE);
  return data;
}
#endif

}  // namespace

AlignedBuffer::AlignedBuffer(std::size_t bytes) : size_(bytes) {
  if (bytes == 0) return;
#if defined(__linux__)
  if (bytes >= kHugePage) {
    data_ = pages(bytes);
    return;
  }
#endif
  void* memory = nullptr;
  if (posix_memalign(&memory, kCacheLine, rounded(bytes)) != 0) throw std::bad_alloc();
  data_ = static_cast<std::byte*>(memory);
  std::memset(data_, 0, rounded(bytes));
}

AlignedBuffer::~AlignedBuffer() {
#if defined(__linux__)
  if (size_ >= kHugePage) {
    munmap(data_, size_);
    return;
  }
#endif
  std::free(data_);
}

}  // namespace fastcnn
