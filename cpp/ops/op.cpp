#include "ops/op.h"

#include <algorithm>
#include <unordered_map>

#include "ops/ops.h"

namespace fastcnn {

const std::vector<const Op*>& all_ops() {
  static const std::vector<const Op*> ops = {
#define FASTCNN_OP(name) &k_##name,
#include "ops/ops.inc"
#undef FASTCNN_OP
  };
  return ops;
}

const Op& find_op(std::string_view name) {
  static const std::unordered_map<std::string_view, const Op*> by_name = [] {
    std::unordered_map<std::string_view, const Op*> map;
    for (const Op* op : all_ops()) map[op->name] = op;
    return map;
  }();
  const auto found = by_name.find(name);
  if (found != by_name.end()) return *found->second;
  throw Error(ErrorKind::unsupported, "graph", "there is no operator of this name", name);
}

namespace {

void check_input(const Op& op, const NodeView& node, std::size_t index, std::string_view name, char mark) {
  if (!node.has_input(index)) {
    require(mark == '?', op.name, join("input '", name, "' must be given"));
    return;
  }
  if (mark == '*') return;
  const DType wanted = mark == '#' ? DType::i32 : DType::f32, got = node.input(index).dtype;
  if (got != wanted) throw Error(ErrorKind::type, op.name, join("input '", name, "' must be ", name_of(wanted)), name_of(got));
}

}  // namespace

std::size_t input_count(const Op& op) {
  const std::string_view names = op.inputs;
  return static_cast<std::size_t>(std::count(names.begin(), names.end(), ' ')) + 1;
}

void check_inputs(const Op& op, const NodeView& node) {
  std::string_view rest = op.inputs;
  std::size_t index = 0;
  for (; !rest.empty(); ++index) {
    const std::size_t end = std::min(rest.find(' '), rest.size());
    std::string_view name = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (name.ends_with("...")) {
      name.remove_suffix(3);
      require(!node.inputs.empty(), op.name, "there must be at least one input");
      const bool any = name.ends_with('*');
      if (any) name.remove_suffix(1);
      for (std::size_t i = 0; i < node.inputs.size(); ++i) check_input(op, node, i, name, any ? '*' : ' ');
      return;
    }
    const char mark = name.back();
    if (mark == '?' || mark == '#' || mark == '*') name.remove_suffix(1);
    check_input(op, node, index, name, mark);
  }
  require(node.inputs.size() <= index, op.name, join("there must be at most ", index, " inputs"), node.inputs.size());
}

LayoutWish want_all(const NodeView& node, Want want) {
  return {std::vector<Want>(node.inputs.size(), want), std::vector<Want>(node.outputs.size(), want)};
}

LayoutWish want_image_but_plain(const NodeView& node, std::initializer_list<std::size_t> plain) {
  LayoutWish wish = want_image(node);
  for (std::size_t i : plain)
    if (i < wish.inputs.size()) wish.inputs[i] = Want::plain;
  return wish;
}

}  // namespace fastcnn
