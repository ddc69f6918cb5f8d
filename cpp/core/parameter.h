// Parameter: the one place where a weight's values live, flat float32 in the order of its shape, with a version that every write raises.
//
// Prepared forms (weights packed for an algorithm and an ISA) hang on the parameter they are made from, so that all programs of all shapes
// share them; they live as long as a program uses them.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "core/buffer.h"
#include "core/shape.h"

namespace fastcnn {

struct PreparedForm {
  AlignedBuffer data;
  std::vector<std::uint64_t> versions;  // of the parameters it was made from, when it was made
};

class Parameter {
 public:
  explicit Parameter(const Shape& shape)
      : shape_(shape), id_(next_id()), values_(static_cast<std::size_t>(shape.elements()) * sizeof(float)) {}

  const Shape& shape() const { return shape_; }
  std::uint64_t id() const { return id_; }
  float* data() const { return values_.floats(); }
  bool requires_grad() const { return requires_grad_; }  // false: frozen, training leaves it as it is
  void set_requires_grad(bool value) { requires_grad_ = value; }
  std::uint64_t version() const { return version_.load(std::memory_order_acquire); }
  void written() { version_.fetch_add(1, std::memory_order_acq_rel); }  // call after every write to data()

  std::shared_ptr<const PreparedForm> form(const std::string& key) {
    const std::lock_guard lock(mutex_);
    const auto found = forms_.find(key);
    return found == forms_.end() ? nullptr : found->second.lock();
  }
  void keep_form(const std::string& key, const std::shared_ptr<const PreparedForm>& form) {
    const std::lock_guard lock(mutex_);
    forms_[key] = form;
  }

 private:
  static std::uint64_t next_id() {
    static std::atomic<std::uint64_t> last{0};
    return ++last;
  }
  Shape shape_;
  std::uint64_t id_;
  AlignedBuffer values_;
  bool requires_grad_ = true;
  std::atomic<std::uint64_t> version_{0};
  std::mutex mutex_;
  std::map<std::string, std::weak_ptr<const PreparedForm>> forms_;
};

}  // namespace fastcnn
