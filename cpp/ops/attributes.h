// Attributes of a node: a map from names to integers, numbers, flags, texts, or lists of integers or numbers. They are checked once, when
// the op infers its shapes.
#pragma once

#include <map>
#include <string>
#include <variant>
#include <vector>

#include "core/shape.h"

namespace fastcnn {

using Attribute = std::variant<bool, Index, double, std::string, std::vector<Index>, std::vector<double>>;

class Attributes {
 public:
  Attributes() = default;
  Attributes(std::initializer_list<std::pair<const std::string, Attribute>> items) : items_(items) {}

  bool has(const std::string& name) const { return items_.count(name) > 0; }
  void set(const std::string& name, Attribute value) { items_[name] = std::move(value); }
  const std::map<std::string, Attribute>& items() const { return items_; }

  Index integer(const std::string& name) const { return get<Index>(name, "an integer"); }
  bool flag(const std::string& name) const { return get<bool>(name, "a bool"); }
  const std::string& text(const std::string& name) const { return get<std::string>(name, "a string"); }
  const std::vector<Index>& integers(const std::string& name) const { return get<std::vector<Index>>(name, "a list of integers"); }
  double number(const std::string& name) const {  // an integer is a number too
    const auto found = items_.find(name);
    if (found != items_.end() && std::holds_alternative<Index>(found->second)) return static_cast<double>(std::get<Index>(found->second));
    return get<double>(name, "a number");
  }

  std::vector<double> numbers(const std::string& name) const {  // a list of integers is one of numbers too
    const auto found = items_.find(name);
    if (found != items_.end() && std::holds_alternative<std::vector<Index>>(found->second)) {
      const std::vector<Index>& list = std::get<std::vector<Index>>(found->second);
      return {list.begin(), list.end()};
    }
    return get<std::vector<double>>(name, "a list of numbers");
  }

  // The list `name`. It must have `count` entries, each at least `least`.
  const std::vector<Index>& integers(const std::string& name, std::size_t count, Index least, std::string_view op) const {
    const std::vector<Index>& list = integers(name);
    require(list.size() == count, op, join(name, " must have ", count, " entries"), list.size());
    for (Index entry : list) {
      require(entry >= least, op, join(name, " must be at least ", least), name, "=", entry);
      require(entry < (Index{1} << 31), op, join(name, " must be below 2^31"), name, "=", entry);
    }
    return list;
  }

 private:
  template <class T>
  const T& get(const std::string& name, const char* kind) const {
    const auto found = items_.find(name);
    require(found != items_.end(), "attributes", join("attribute '", name, "' is missing"));
    const T* value = std::get_if<T>(&found->second);
    require(value != nullptr, "attributes", join("attribute '", name, "' must be ", kind));
    return *value;
  }
  std::map<std::string, Attribute> items_;
};

}  // namespace fastcnn
