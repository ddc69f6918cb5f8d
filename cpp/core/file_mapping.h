// FileMapping: a file's bytes as memory that is only read, so that weights need no copy of their own. What is never touched is never read.
//
// The file must stay as it is: check() says so before each use, by its size and time, for memory behind the end of a file that was cut
// kills the process. A file that is replaced by another under its name, as save() does, is no change of this one. Whoever wants to write
// calls own() first: then the bytes are memory like any other, at the same addresses, and the file is needed no more. Small files are read
// at once.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>

#include "core/buffer.h"

namespace fastcnn {

class FileMapping {
 public:
  explicit FileMapping(int descriptor);  // of a plain file; stays the caller's
  ~FileMapping();
  FileMapping(const FileMapping&) = delete;
  FileMapping& operator=(const FileMapping&) = delete;

  const std::byte* data() const { return data_; }
  std::size_t size() const { return size_; }
  bool holds(const void* bytes) const { return bytes >= data_ && bytes < data_ + size_; }

  void check() const;                                             // Error if the file was changed since it was opened
  void own();                                                     // std::bad_alloc, or Error as check()
  void release(const std::byte* bytes, std::size_t count) const;  // not needed for now: resident memory may shrink

 private:
  void read_all();
  struct Status {
    std::uint64_t size;
    std::int64_t seconds, nanoseconds;
    bool operator==(const Status&) const = default;
  };
  static Status status_of(int descriptor);

  int descriptor_ = -1;
  Status status_{};
  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
  AlignedBuffer read_;  // what was read at once
  std::atomic<bool> owned_{false};
  mutable std::mutex mutex_;  // own() and release() exclude each other
};

}  // namespace fastcnn
