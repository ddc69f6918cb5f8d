// matmul: y(..., M, N) = a(..., M, K) b(..., K, N), the axes before the last two broadcast by NumPy's rules.
//
// Attributes, both false if left out: transpose_a, transpose_b: that operand is stored with its last two axes exchanged. One at most may
// be.
#include "kernels/kernels.h"
#include "ops/ops.h"
#include "ops/products/product_grid.h"
#include "ops/views/broadcast.h"

namespace fastcnn {

namespace {

bool is_set(const Attributes& attributes, const char* name) { return attributes.has(name) && attributes.flag(name); }

struct Geometry {
  Index M, K, N;
  Shape batch;  // of the result
  Index batches;
  std::vector<Index> a_strides, b_strides;  // from matrix to matrix along the axes of the batch, in matrices
  bool transpose_a, transpose_b;

  Index a_matrix(Index i) const { return offset_of(i, batch, a_strides) * M * K; }
  Index b_matrix(Index i) const { return offset_of(i, batch, b_strides) * K * N; }
};

Shape without_matrix(const Shape& shape) {
  std::vector<Index> sizes = shape.sizes();
  sizes.resize(sizes.size() - 2);
  return Shape(sizes);
}

Geometry geometry(const Attributes& attributes, const Shape& a, const Shape& b) {
  require(a.rank() >= 2 && b.rank() >= 2, "matmul", "both inputs must have at least 2 axes", a, " and ", b);
  Geometry g{};
  g.transpose_a = is_set(attributes, "transpose_a"), g.transpose_b = is_set(attributes, "transpose_b");
  require(!g.transpose_a || !g.transpose_b, "matmul", "at most one input may be transposed");
  g.M = a[g.transpose_a ? -1 : -2], g.K = a[g.transpose_a ? -2 : -1], g.N = b[g.transpose_b ? -2 : -1];
  require(b[g.transpose_b ? -1 : -2] == g.K, "matmul", "the columns of a must be as many as the rows of b", a, " and ", b);
  const Shape a_batch = without_matrix(a), b_batch = without_matrix(b);
  g.batch = broadcast_shapes(a_batch, b_batch, "matmul");
  g.batches = g.batch.elements();
  g.a_strides = broadcast_strides(a_batch, g.batch), g.b_strides = broadcast_strides(b_batch, g.batch);
  if (b_batch.elements() == 1 && a_batch == g.batch && !g.transpose_a) {  // one b for all: the rows of all matrices are rows of one
    g.M *= g.batches, g.batches = 1;
    g.batch = Shape(), g.a_strides.clear(), g.b_strides.clear();
  }
  return g;
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

// Rows of b are walked beside one another: c += a column x row.
Step bind_products(const BindScope& scope, const Geometry& g) {
  const Operand a = scope.inputs[0], b = scope.inputs[1], y = scope.outputs[0];
  const ProductGrid grid = grid_of_products(g.M, g.N);
  MultiplyRows common{};
  common.k = g.K, common.b_stride = g.N, common.c_stride = g.N;
  common.a_row = g.transpose_a ? 1 : g.K, common.a_column = g.transpose_a ? g.M : 1;
  Step step;
  step.units = g.batches * grid.units();
  step.algorithm = "products";
  step.run = [=, multiply_rows = scope.kernels.multiply_rows](const RunContext& run, Index begin, Index end) {
    for (Index unit = begin; unit < end; ++unit) {
      const Index matrix = unit / grid.units(), part = unit % grid.units();
      const Index row = grid.first_row(part), column = grid.first_column(part);
      MultiplyRows args = common;
      args.a = a.data(run) + g.a_matrix(matrix) + row * common.a_row;
      args.b = b.data(run) + g.b_matrix(matrix) + column;
      args.c = y.data(run) + (matrix * g.M + row) * g.N + column;
      args.m = grid.rows_of(part), args.n = grid.columns_of(part);
      multiply_rows(args);
    }
  };
  return step;
}

// b transposed, as a linear layer has its weights: dot products of rows.
Step bind_dot_products(const BindScope& scope, const Geometry& g) {
  const Operand a = scope.inputs[0], b = scope.inputs[1], y = scope.outputs[0];
  const ProductGrid grid = grid_of_dot_products(g.M, g.N, g.K);
  LinearRows common{};
  common.inputs = g.K, common.x_stride = g.K, common.weights_stride = g.K, common.y_stride = g.N;
  Step step;
  step.units = g.batches * grid.units();
  step.algorithm = "dot_products";
  step.run = [=, linear_rows = scope.kernels.linear_rows](const RunContext& run, Index begin, Index end) {
    for (Index unit = begin; unit < end; ++unit) {
      const Index matrix = unit / grid.units(), part = unit % grid.units();
      const Index row = grid.first_row(part), output = grid.first_column(part);
      LinearRows args = common;
      args.x = a.data(run) + g.a_matrix(matrix) + row * g.K;
      args.weights = b.data(run) + g.b_matrix(matrix) + output * g.K;
      args.y = y.data(run) + (matrix * g.M + row) * g.N + output;
      args.rows = grid.rows_of(part), args.outputs = grid.columns_of(part);
      linear_rows(args);
    }
  };
  return step;
}

Step bind(const BindScope& scope) {
  const Geometry g = geometry(scope.attributes, scope.inputs[0].type.shape, scope.inputs[1].type.shape);
  const bool row = g.transpose_b || (g.N == 1 && !g.transpose_a);  // a single column lies in memory as a single row does
  Step step = row ? bind_dot_products(scope, g) : bind_products(scope, g);
  step.flops = 2.0 * static_cast<double>(g.batches * g.M * g.N) * static_cast<double>(g.K);
  return step;
}

// ---- backward: with A and B the matrices as they are multiplied, dA = dy B^T and dB = A^T dy

ValueId product(GraphEditor& graph, ValueId a, ValueId b, bool transpose_a, bool transpose_b) {
  return graph.add_one("matmul", {a, b}, {{"transpose_a", transpose_a}, {"transpose_b", transpose_b}});
}

// All matrices of a value below one another, as one.
ValueId stacked(GraphEditor& graph, ValueId value) {
  const Shape& shape = graph.type(value).shape;
  if (shape.rank() == 2) return value;
  const Index columns = shape[-1], rows = without_matrix(shape).elements() * shape[-2];
  return graph.add_one("reshape", {value}, {{"shape", std::vector<Index>{rows, columns}}});
}

ValueId reduced(GraphEditor& graph, ValueId gradient, const std::vector<Index>& sizes) {
  return graph.type(gradient).shape == Shape(sizes) ? gradient : graph.add_one("reduce_to", {gradient}, {{"shape", sizes}});
}

ValueId gradient_of_b(GradientScope& scope, bool transpose_a, bool transpose_b) {
  GraphEditor& graph = scope.graph;
  ValueId a = scope.inputs[0], dy = scope.output_gradients[0];
  const std::vector<Index> a_sizes = graph.type(a).shape.sizes(), sizes = graph.type(scope.inputs[1]).shape.sizes();
  const bool shared = sizes.size() == 2 && !transpose_a;  // one b for all matrices: the sum over them is part of the product
  if (shared) a = stacked(graph, a), dy = stacked(graph, dy);
  const ValueId gradient = transpose_b ? product(graph, dy, a, true, transpose_a) : product(graph, a, dy, !transpose_a, false);
  return reduced(graph, gradient, sizes);
}

void backward(GradientScope& scope) {
  const bool transpose_a = is_set(scope.attributes, "transpose_a"), transpose_b = is_set(scope.attributes, "transpose_b");
  const ValueId a = scope.inputs[0], b = scope.inputs[1], dy = scope.output_gradients[0];
  if (scope.wanted[0]) {
    const std::vector<Index> sizes = scope.graph.type(a).shape.sizes();
    const ValueId gradient =
        transpose_a ? product(scope.graph, b, dy, transpose_b, true) : product(scope.graph, dy, b, false, !transpose_b);
    scope.input_gradients[0] = reduced(scope.graph, gradient, sizes);
  }
  if (scope.wanted[1]) scope.input_gradients[1] = gradient_of_b(scope, transpose_a, transpose_b);
}

}  // namespace

const Op k_matmul = {.name = "matmul", .inputs = "a b", .infer = infer, .layout = want_plain, .bind = bind, .backward = backward};

}  // namespace fastcnn
