// matmul(a, b) -> y(..., M, N) = a(..., M, K) b(..., K, N). The axes before the last two are broadcast by NumPy's rules. All are plain.
//
// Attributes: transpose_a, transpose_b, false if left out: the operand is stored with its last two axes exchanged. At most one may be true.
#include "ops/ops.h"
#include "ops/products/product_steps.h"

namespace fastcnn {

namespace {

bool is_set(const Attributes& attributes, const char* name) { return attributes.has(name) && attributes.flag(name); }

Shape without_matrix(const Shape& shape) {
  std::vector<Index> sizes = shape.sizes();
  sizes.resize(sizes.size() - 2);
  return Shape(sizes);
}

struct Geometry {
  Products products;
  bool transpose_a, transpose_b;
};

Geometry geometry(const Attributes& attributes, const Shape& a, const Shape& b) {
  require(a.rank() >= 2 && b.rank() >= 2, "matmul", "both inputs must have at least 2 axes", a, " and ", b);
  const bool transpose_a = is_set(attributes, "transpose_a"), transpose_b = is_set(attributes, "transpose_b");
  require(!transpose_a || !transpose_b, "matmul", "at most one input may be transposed");
  Products p{.M = a[transpose_a ? -1 : -2], .N = b[transpose_b ? -2 : -1], .K = a[transpose_a ? -2 : -1]};
  require(b[transpose_b ? -1 : -2] == p.K, "matmul", "the columns of a must be as many as the rows of b", a, " and ", b);
  const Shape a_batch = without_matrix(a), b_batch = without_matrix(b);
  p.batch = broadcast_shapes(a_batch, b_batch, "matmul");
  if (b_batch.elements() == 1 && a_batch == p.batch && !transpose_a) {  // one b for all: all matrices of a are one, row below row
    p.M *= p.batch.elements();
    p.batch = Shape();
  } else {
    p.a = {p.M * p.K, broadcast_strides(a_batch, p.batch)};
    p.b = {p.K * p.N, broadcast_strides(b_batch, p.batch)};
  }
  return {p, transpose_a, transpose_b};
}

Shape result_shape(const Attributes& attributes, const Shape& a, const Shape& b) {
  geometry(attributes, a, b);
  std::vector<Index> sizes = broadcast_shapes(without_matrix(a), without_matrix(b), "matmul").sizes();
  sizes.push_back(a[is_set(attributes, "transpose_a") ? -1 : -2]);
  sizes.push_back(b[is_set(attributes, "transpose_b") ? -2 : -1]);
  return Shape(sizes);
}

std::vector<TensorType> infer(const NodeView& node) {
  return {{.shape = result_shape(node.attributes, node.input(0).shape, node.input(1).shape)}};
}

Step bind(const BindScope& scope) {
  const Operand a = scope.inputs[0], b = scope.inputs[1], y = scope.outputs[0];
  const auto [p, transpose_a, transpose_b] = geometry(scope.attributes, a.type.shape, b.type.shape);
  if (transpose_b || (p.N == 1 && !transpose_a))  // a single column lies in memory as a single row does
    return bind_dot_products(scope.kernels, p, a, b, Operand{}, y);
  return bind_products(scope.kernels, p, a, b, y, transpose_a ? 1 : p.K, transpose_a ? p.M : 1);
}

// ---- backward: dA = dy B^T and dB = A^T dy, where A and B are the matrices as they are multiplied

ValueId product(GraphEditor& graph, ValueId a, ValueId b, bool transpose_a, bool transpose_b) {
  return graph.add_one("matmul", {a, b}, {{"transpose_a", transpose_a}, {"transpose_b", transpose_b}});
}

// All matrices of a value, one below another, as one matrix.
ValueId stacked(GraphEditor& graph, ValueId value) {
  const Shape& shape = graph.type(value).shape;
  if (shape.rank() == 2) return value;
  const Index columns = shape[-1], rows = without_matrix(shape).elements() * shape[-2];
  return graph.add_one("reshape", {value}, {{"shape", std::vector<Index>{rows, columns}}});
}

ValueId gradient_of_b(GradientScope& scope, bool transpose_a, bool transpose_b) {
  GraphEditor& graph = scope.graph;
  ValueId a = scope.inputs[0], dy = scope.output_gradients[0];
  const Shape shape = graph.type(scope.inputs[1]).shape;
  if (shape.rank() == 2 && !transpose_a) {  // one b for all matrices of a: the product sums over them
    a = stacked(graph, a);
    dy = stacked(graph, dy);
  }
  const ValueId gradient = transpose_b ? product(graph, dy, a, true, transpose_a) : product(graph, a, dy, !transpose_a, false);
  return reduced_to(graph, gradient, shape);
}

void backward(GradientScope& scope) {
  const bool transpose_a = is_set(scope.attributes, "transpose_a"), transpose_b = is_set(scope.attributes, "transpose_b");
  const ValueId a = scope.inputs[0], b = scope.inputs[1], dy = scope.output_gradients[0];
  if (scope.wanted[0]) {
    const ValueId gradient =
        transpose_a ? product(scope.graph, b, dy, transpose_b, true) : product(scope.graph, dy, b, false, !transpose_b);
    scope.input_gradients[0] = reduced_to(scope.graph, gradient, scope.graph.type(a).shape);
  }
  if (scope.wanted[1]) scope.input_gradients[1] = gradient_of_b(scope, transpose_a, transpose_b);
}

}  // namespace

const Op k_matmul = {.name = "matmul", .inputs = "a b", .infer = infer, .layout = want_plain, .bind = bind, .backward = backward};

}  // namespace fastcnn
