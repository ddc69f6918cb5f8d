// The one exception of the library: `[op] rule. Got value.` Bindings turn it into a Python exception by its kind.
#pragma once

#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <tuple>

namespace fastcnn {

enum class ErrorKind { value, type, unsupported, arithmetic };  // ValueError, TypeError, NotImplementedError, FloatingPointError

// A rule with a short word that stays the same when its text changes, for programs that must know which rule was broken.
struct CodedRule {
  const char* code;
  const char* text;
};

class Error : public std::runtime_error {
 public:
  // rule: a text, one that join() makes, or a CodedRule. got: the value that breaks the rule, as a text; it may be left out.
  template <class Rule, class Got = std::string>
  Error(ErrorKind kind, std::string_view op, const Rule& rule, const Got& got = {})
      : Error(kind, Fields{std::string(op), std::string(rule), std::string(got), ""}) {}
  template <class Got = std::string>
  Error(ErrorKind kind, std::string_view op, const CodedRule& rule, const Got& got = {})
      : Error(kind, Fields{std::string(op), rule.text, std::string(got), rule.code}) {}

  ErrorKind kind() const { return kind_; }
  const std::string& op() const { return fields_.op; }
  const std::string& rule() const { return fields_.rule; }
  const std::string& got() const { return fields_.got; }    // empty: left out
  const std::string& code() const { return fields_.code; }  // empty for most rules

 private:
  struct Fields {
    std::string op, rule, got, code;
  };

  Error(ErrorKind kind, Fields fields) : std::runtime_error(text(fields)), kind_(kind), fields_(std::move(fields)) {}

  static std::string text(const Fields& fields) {
    std::string out = "[" + fields.op + "] " + fields.rule + ".";
    if (!fields.got.empty()) out += " Got " + fields.got + ".";
    return out;
  }

  ErrorKind kind_;
  Fields fields_;
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

// rule: as of Error. It and the parts after it are only turned into text when the rule is broken.
template <class Rule, class... Parts>
void require(bool holds, std::string_view op, const Rule& rule, const Parts&... got) {
  if (!holds) [[unlikely]]
    throw Error(ErrorKind::value, op, rule, join(got...));
}

}  // namespace fastcnn
