// FileMapping: a file's bytes as read-only memory, so that weights need no copy. Bytes that are never touched are never read from the file.
//
// The file must not change: check() tests its size and time before each use, because an access beyond the end of a truncated file kills the
// process. Replacing the file by another of the same name, as save() does, does not change this one. A writer calls own() first: then the
// bytes are ordinary memory at the same addresses, and the file is no longer needed. Small files are read when the mapping is made.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>

#include "core/buffer.h"

namespace fastcnn {

class FileMapping {
 public:
  explicit FileMapping(int descriptor);  // of a plain file; the caller still closes it
  ~FileMapping();
  FileMapping(const FileMapping&) = delete;
  FileMapping& operator=(const FileMapping&) = delete;

  const std::byte* data() const { return data_; }
  std::size_t size() const { return size_; }
  bool holds(const void* bytes) const { return bytes >= data_ && bytes < data_ + size_; }

  void check() const;                                             // Error if the file was changed since it was opened
  void own();                                                     // std::bad_alloc, or Error as check()
  void release(const std::byte* bytes, std::size_t count) const;  // gives back the pages: they are read again when needed

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
  AlignedBuffer read_;  // the bytes of a small file
  std::atomic<bool> owned_{false};
  mutable std::mutex mutex_;  // own() and release() exclude each other
};

}  // namespace fastcnn
