// Parameter: the only place of a weight's values, flat float32 in the order of its shape, with a version that every write raises. The
// values lie in memory of its own or, until the first write, in the file that they were loaded from.
//
// The parameter also knows the prepared forms that are made from it (weights packed for an algorithm and an ISA), so that all programs of
// all shapes share them. A form lives as long as a program uses it.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/file_mapping.h"
#include "core/shape.h"

namespace fastcnn {

struct PreparedForm {
  std::shared_ptr<const AlignedBuffer> memory;  // of all forms that were made at the same time
  std::byte* data = nullptr;
  std::vector<std::uint64_t> versions;  // the versions of the parameters that it was made from
};

class Parameter {
 public:
  explicit Parameter(const Shape& shape)
      : shape_(shape), id_(next_id()), values_(static_cast<std::size_t>(shape.elements()) * sizeof(float)), data_(values_.floats()) {}
  // values: flat floats inside the file, aligned to a float.
  Parameter(const Shape& shape, std::shared_ptr<FileMapping> file, const std::byte* values) : shape_(shape), id_(next_id()) {
    move_to(std::move(file), values);
  }

  const Shape& shape() const { return shape_; }
  std::uint64_t id() const { return id_; }
  std::size_t bytes() const { return static_cast<std::size_t>(shape_.elements()) * sizeof(float); }
  // Flat, in the order of the shape. Call own() before writing, and file()->check() before reading values of a file.
  float* data() const { return data_; }
  const std::shared_ptr<FileMapping>& file() const { return file_; }  // nullptr: memory of its own
  void own() {
    if (file_) file_->own();
  }
  // Takes other values without a copy. Only before a graph has the parameter, because programs remember the address of the values.
  void move_to(std::shared_ptr<FileMapping> file, const std::byte* values) {
    require(!in_graph_, "Parameter", "values may move only before a graph has the parameter");
    file_ = std::move(file);
    data_ = reinterpret_cast<float*>(const_cast<std::byte*>(values));
    values_ = AlignedBuffer();
    written();
  }
  void enter_graph() { in_graph_ = true; }
  bool requires_grad() const { return requires_grad_; }  // false: frozen, training does not change it
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
  std::shared_ptr<FileMapping> file_;
  float* data_ = nullptr;
  bool in_graph_ = false;
  bool requires_grad_ = true;
  std::atomic<std::uint64_t> version_{0};
  std::mutex mutex_;
  std::map<std::string, std::weak_ptr<const PreparedForm>> forms_;
};

}  // namespace fastcnn
