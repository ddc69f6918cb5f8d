#include "core/file_mapping.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>

#include "core/error.h"

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace fastcnn {

namespace {

constexpr std::size_t kReadAtOnce = 4 << 20;  // reading takes a millisecond, and then the shortest runs need no check of the file
constexpr std::size_t kPiece = 64 << 20;      // bytes that own() copies at a time, which is the additional memory that it needs

}  // namespace

FileMapping::Status FileMapping::status_of(int descriptor) {
  struct stat status {};
  if (fstat(descriptor, &status) != 0 || !S_ISREG(status.st_mode)) throw Error(ErrorKind::value, "load", "the file must be a plain file");
  return {static_cast<std::uint64_t>(status.st_size), status.st_mtim.tv_sec, status.st_mtim.tv_nsec};
}

FileMapping::FileMapping(int descriptor) : status_(status_of(descriptor)), size_(static_cast<std::size_t>(status_.size)) {
  descriptor_ = fcntl(descriptor, F_DUPFD_CLOEXEC, 0);
  require(descriptor_ >= 0, "load", "the system must give a file descriptor", std::strerror(errno));
#if defined(__linux__)
  if (size_ > kReadAtOnce) {
    void* const memory = mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, descriptor_, 0);
    if (memory != MAP_FAILED) {
      data_ = static_cast<std::byte*>(memory);
      return;
    }
  }
#endif
  try {
    read_all();
  } catch (...) {
    close(descriptor_);
    throw;
  }
}

void FileMapping::read_all() {
  read_ = AlignedBuffer(size_);
  for (std::size_t at = 0; at < size_;) {
    const ssize_t got = pread(descriptor_, read_.data() + at, size_ - at, static_cast<off_t>(at));
    if (got < 0 && errno == EINTR) continue;
    require(got > 0, "load", "the file must be readable, and not shrink while it is read", at, " bytes of ", size_);
    at += static_cast<std::size_t>(got);
  }
  data_ = read_.data();
  owned_ = true;
}

FileMapping::~FileMapping() {
#if defined(__linux__)
  if (!read_.data() && data_) munmap(data_, size_);
#endif
  if (descriptor_ >= 0) close(descriptor_);
}

void FileMapping::check() const {
  if (owned_.load(std::memory_order_acquire)) return;
  const Status now = status_of(descriptor_);
  require(now == status_, "run", "the file that weights were loaded from must stay as it is, or be replaced by another",
          "a file that was written to, of ", now.size, " bytes in place of ", status_.size);
}

// Piece by piece, a copy in fresh pages replaces the pages of the file. Other threads may read meanwhile: they see the same bytes.
void FileMapping::own() {
  if (owned_.load(std::memory_order_acquire)) return;
  const std::lock_guard lock(mutex_);
  if (owned_.load(std::memory_order_relaxed)) return;
  check();
#if defined(__linux__)
  for (std::size_t at = 0; at < size_; at += kPiece) {
    const std::size_t count = std::min(kPiece, size_ - at);
    void* const piece = mmap(nullptr, count, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (piece == MAP_FAILED) throw std::bad_alloc();
    madvise(piece, count, MADV_HUGEPAGE);
    std::memcpy(piece, data_ + at, count);
    if (mremap(piece, count, count, MREMAP_MAYMOVE | MREMAP_FIXED, data_ + at) == MAP_FAILED) {
      munmap(piece, count);
      throw std::bad_alloc();
    }
  }
#endif
  owned_.store(true, std::memory_order_release);
}

void FileMapping::release(const std::byte* bytes, std::size_t count) const {
#if defined(__linux__)
  const std::lock_guard lock(mutex_);
  if (owned_.load(std::memory_order_relaxed)) return;
  static const auto page = static_cast<std::uintptr_t>(sysconf(_SC_PAGESIZE));
  const auto begin = (reinterpret_cast<std::uintptr_t>(bytes) + page - 1) / page * page;
  const auto end = (reinterpret_cast<std::uintptr_t>(bytes) + count) / page * page;
  if (begin < end) madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
#else
  (void)bytes;
  (void)count;
#endif
}

}  // namespace fastcnn
