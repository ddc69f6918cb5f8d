// The one exception of the library: `[op] rule. Got value.` Bindings turn it into a Python exception by its kind.
#pragma once

#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>

namespace fastcnn {

enum class ErrorKind { value, type, unsupported, arithmetic };  // ValueError, TypeError, NotImplementedError, FloatingPointError

class Error : public std::runtime_error {
 public:
  Error(ErrorKind kind, std::string_view where, std::string_view rule, std::string_view got = {})
      : std::runtime_error(text(where, rule, got)), kind_(kind) {}
  ErrorKind kind() const { return kind_; }

 private:
  static std::string text(std::string_view where, std::string_view rule, std::string_view got) {
    std::string out = "[" + std::string(where) + "] " + std::string(rule) + ".";
    if (!got.empty()) out += " Got " + std::string(got) + ".";
    return out;
  }
  ErrorKind kind_;
};

// join("groups=", 3, ", in_channels=", 64) -> "groups=3, in_channels=64"
template <class... Parts>
std::string join(const Parts&... parts) {
  std::ostringstream out;
  ((out << parts), ...);
  return out.str();
}

// The parts after `rule` are only turned into text when the rule is broken.
template <class... Parts>
void require(bool holds, std::string_view where, std::string_view rule, const Parts&... got) {
  if (!holds) [[unlikely]]
    throw Error(ErrorKind::value, where, rule, join(got...));
}

}  // namespace fastcnn
