// ArenaPool: the memory of runs. A run borrows one arena for as long as it lasts; programs of one model share a pool, so that what is
// resident is the largest arena, once for each run that is going on at the same time.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "core/buffer.h"

namespace fastcnn {

class ArenaPool {
 public:
  AlignedBuffer borrow(std::size_t bytes) {
    AlignedBuffer arena;
    {
      const std::lock_guard lock(mutex_);
      if (!free_.empty()) {
        arena = std::move(free_.back());
        free_.pop_back();
      }
    }
    if (arena.size() < bytes) {
      arena = AlignedBuffer();  // given back before the larger one is asked for
      arena = AlignedBuffer(bytes);
    }
    return arena;
  }

  void give_back(AlignedBuffer arena) {
    const std::lock_guard lock(mutex_);
    free_.push_back(std::move(arena));
  }

  // A program has gone, and perhaps the need for an arena as large as these.
  void release() {
    const std::lock_guard lock(mutex_);
    free_.clear();
  }

 private:
  std::mutex mutex_;
  std::vector<AlignedBuffer> free_;
};

// Memory from a pool, for as long as this lives. What was borrowed last and is given back first is what the next borrows first.
class Borrowed {
 public:
  Borrowed(ArenaPool& pool, std::size_t bytes) : pool_(pool), memory_(pool.borrow(bytes)) {}
  ~Borrowed() { pool_.give_back(std::move(memory_)); }
  Borrowed(const Borrowed&) = delete;
  Borrowed& operator=(const Borrowed&) = delete;
  float* floats() const { return memory_.floats(); }

 private:
  ArenaPool& pool_;
  AlignedBuffer memory_;
};

}  // namespace fastcnn
