// ArenaPool: the memory of runs. A run borrows one arena for as long as it lasts. Programs of one model share a pool, so that the largest
// arena alone is resident, once for each run that is going on at the same time.
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

  // Frees the arenas that are not borrowed. Called when a program goes, and with it perhaps the need for arenas of this size.
  void release() {
    const std::lock_guard lock(mutex_);
    free_.clear();
  }

 private:
  std::mutex mutex_;
  std::vector<AlignedBuffer> free_;
};

}  // namespace fastcnn
