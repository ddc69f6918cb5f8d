#include "ops/products/product_steps.h"

#include <algorithm>

namespace fastcnn {

namespace {

// How each result is cut into units.
struct Grid {
  Index rows, columns, rows_a_unit, columns_a_unit;

  Index across() const { return ceil_div(columns, columns_a_unit); }
  Index units() const { return ceil_div(rows, rows_a_unit) * across(); }
};

// For linear_rows: 32 KB of weights stay in L1 while up to 16 rows of a pass by; outputs in fours, as the kernel takes them.
Grid grid_of_dot_products(const Products& p) {
  return {p.M, p.N, 16, std::clamp(round_up((32 << 10) / (std::max(p.K, Index{1}) * 4), 4), Index{4}, Index{256})};
}

// For multiply_rows: 48 rows are 8 kernel tiles of 6, 256 columns one KB of a row of b.
Grid grid_of_products(const Products& p) { return {p.M, p.N, 48, 256}; }

// Rows and columns of one result.
struct Part {
  Index matrix, row, column, rows, columns;
};

// body(run, part). A unit is a part.
template <class Body>
Step bind_parts(const Products& p, const Grid& grid, const char* algorithm, Body body) {
  Step step = bind_units(p.batch.elements() * grid.units(), [=](const RunContext& run, Index unit) {
    const Index matrix = unit / grid.units(), at = unit % grid.units();
    const Index row = at / grid.across() * grid.rows_a_unit, column = at % grid.across() * grid.columns_a_unit;
    body(run, Part{matrix, row, column, std::min(grid.rows_a_unit, grid.rows - row), std::min(grid.columns_a_unit, grid.columns - column)});
  });
  step.flops = 2.0 * static_cast<double>(p.batch.elements() * p.M * p.N) * static_cast<double>(p.K);
  step.algorithm = algorithm;
  return step;
}

}  // namespace

Step bind_products(const Kernels& kernels, const Products& p, const Operand& a, const Operand& b, const Operand& c, Index a_row,
                   Index a_column) {
  return bind_parts(p, grid_of_products(p), "products",
                    [=, multiply_rows = kernels.multiply_rows](const RunContext& run, const Part& part) {
                      multiply_rows({.a = a.data(run) + p.a_start(part.matrix) + part.row * a_row,
                                     .b = b.data(run) + p.b_start(part.matrix) + part.column,
                                     .c = c.data(run) + (part.matrix * p.M + part.row) * p.N + part.column,
                                     .m = part.rows,
                                     .n = part.columns,
                                     .k = p.K,
                                     .a_row = a_row,
                                     .a_column = a_column,
                                     .b_stride = p.N,
                                     .c_stride = p.N});
                    });
}

Step bind_dot_products(const Kernels& kernels, const Products& p, const Operand& a, const Operand& b, const Operand& bias, const Operand& c,
                       Activation activation) {
  return bind_parts(p, grid_of_dot_products(p), "dot_products",
                    [=, linear_rows = kernels.linear_rows](const RunContext& run, const Part& part) {
                      linear_rows({.x = a.data(run) + p.a_start(part.matrix) + part.row * p.K,
                                   .weights = b.data(run) + p.b_start(part.matrix) + part.column * p.K,
                                   .bias = bias.given ? bias.data(run) + part.column : nullptr,
                                   .y = c.data(run) + (part.matrix * p.M + part.row) * p.N + part.column,
                                   .rows = part.rows,
                                   .outputs = part.columns,
                                   .inputs = p.K,
                                   .x_stride = p.K,
                                   .weights_stride = p.K,
                                   .y_stride = p.N,
                                   .activation = activation});
                    });
}

}  // namespace fastcnn
