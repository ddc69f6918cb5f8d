// The one exception of the library: `[op] rule. Got value.` Bindings turn it into a Python exception by its kind.
#pragma once

#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <tuple>

namespace fastcnn {

enum class ErrorKind { value, type, unsupported, arithmetic };  // ValueError, TypeError, NotImplementedError, FloatingPointError

class Error : public std::runtime_error {
 public:
  template <class Rule, class Got = std::string>  // all that a std::string can be made of
  Error(ErrorKind kind, std::string_view where, const Rule& rule, const Got& got = {})
      : std::runtime_error(text(where, std::string(rule), std::string(got))), kind_(kind) {}
  ErrorKind kind() const { return kind_; }

 private:
  static std::string text(std::string_view where, const std::string& rule, const std::string& got) {
    std::string out = "[" + std::string(where) + "] " + rule + ".";
    if (!got.empty()) out += " Got " + got + ".";
    return out;
  }
  ErrorKind kind_;
};

// A text in pieces, put together only when it is asked for: rules are written where they are checked, and nearly always hold. It refers to
// its pieces, so it lives no longer than the expression that it stands in.
template <class... Parts>
class Joined {
 public:
  explicit Joined(const Parts&... parts) : parts_(parts...) {}
  operator std::string() const {
    std::ostringstream out;
    std::apply([&](const Parts&... parts) { ((out << parts), ...); }, parts_);
    return out.str();
  }

 private:
  std::tuple<const Parts&...> parts_;
};

// join("groups=", 3, ", in_channels=", 64) -> "groups=3, in_channels=64"
template <class... Parts>
Joined<Parts...> join(const Parts&... parts) {
  return Joined<Parts...>(parts...);
}

// rule: a text, or one that join() makes. It and the parts after it are only turned into text when the rule is broken.
template <class Rule, class... Parts>
void require(bool holds, std::string_view where, const Rule& rule, const Parts&... got) {
  if (!holds) [[unlikely]]
    throw Error(ErrorKind::value, where, rule, join(got...));
}

}  // namespace fastcnn
