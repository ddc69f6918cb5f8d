// ProductGrid: how the result of a matrix product is cut into work units: rows x columns in chunks of a fixed size.
#pragma once

#include <algorithm>

#include "core/shape.h"

namespace fastcnn {

struct ProductGrid {
  Index rows, columns, rows_a_unit, columns_a_unit;

  Index across() const { return ceil_div(columns, columns_a_unit); }
  Index units() const { return ceil_div(rows, rows_a_unit) * across(); }
  Index first_row(Index unit) const { return unit / across() * rows_a_unit; }
  Index first_column(Index unit) const { return unit % across() * columns_a_unit; }
  Index rows_of(Index unit) const { return std::min(rows_a_unit, rows - first_row(unit)); }
  Index columns_of(Index unit) const { return std::min(columns_a_unit, columns - first_column(unit)); }
};

// For linear_rows: 32 KB of weights stay in L1 while up to 16 rows of x pass by; outputs in fours, as the kernel takes them.
inline ProductGrid grid_of_dot_products(Index rows, Index outputs, Index inputs) {
  return {rows, outputs, 16, std::clamp(round_up((32 << 10) / (std::max(inputs, Index{1}) * 4), 4), Index{4}, Index{256})};
}

// For multiply_rows: 48 rows are 8 kernel tiles of 6, 256 columns one KB of b's row.
inline ProductGrid grid_of_products(Index rows, Index columns) { return {rows, columns, 48, 256}; }

}  // namespace fastcnn
