#include "ops/op.h"

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
  for (const Op* op : all_ops())
    if (name == op->name) return *op;
  throw Error(ErrorKind::unsupported, "graph", "there is no operator of this name", name);
}

LayoutWish want_all(const NodeView& node, Want want) {
  return {std::vector<Want>(node.inputs.size(), want), std::vector<Want>(node.outputs.size(), want)};
}

}  // namespace fastcnn
