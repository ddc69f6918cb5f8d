// Reduction: the axes of a plain value, split into those that are reduced and those that are kept.
//
//   x (2, 3, 4), axis 1 reduced      kept: sizes (2, 4), strides (12, 1)      reduced: sizes (3,), strides (4,)
//
// Axes of size 1 are left out, and neighbouring axes that are walked as one are merged. Sums are computed in double, in an order that
// depends on the shape alone.
#pragma once

#include <algorithm>

#include "ops/op.h"
#include "ops/views/broadcast.h"

namespace fastcnn {

// Some axes of a value, walked in row-major order.
struct Walk {
  std::vector<Index> sizes, strides;

  void add(Index size, Index stride);  // appends an axis, merged with the last one where both are walked as one
  Index count() const;
  Index offset(Index i) const;  // of element i, in row-major order
};

// The last axis of a walk as runs of `length` elements, `stride` apart.
struct Runs {
  Shape outer;
  std::vector<Index> strides;
  Index length = 1, stride = 1;

  explicit Runs(const Walk& walk);
  Index count() const { return length ? outer.elements() : 0; }
  Index first(Index run) const { return offset_of(run, outer, strides); }

  // Calls body(offset) for every element, in order.
  template <class Body>
  void for_each(Body&& body) const {
    for (Index run = 0; run < count(); ++run) {
      const Index start = first(run);
      for (Index i = 0; i < length; ++i) body(start + i * stride);
    }
  }
};

struct Reduction {
  Walk kept, reduced;

  Reduction(const Shape& x, const std::vector<bool>& is_reduced);
  bool keeps_neighbours() const { return !kept.strides.empty() && kept.strides.back() == 1; }
};

// Binds y[o] = output(from, runs): output o is computed from the elements from[i] of x, for the offsets i of `runs`. A unit is one output.
template <class Output>
Step bind_outputs(const Operand& x, const Operand& y, const Reduction& reduction, Output output) {
  return bind_units(y.type.shape.elements(), [=, runs = Runs(reduction.reduced)](const RunContext& run, Index unit) {
    y.data(run)[unit] = static_cast<float>(output(x.data(run) + reduction.kept.offset(unit), runs));
  });
}

struct Sum {  // a Term, see below
  double start = 0;
  double add(double total, double x) const { return total + x; }
  double join(double a, double b) const { return a + b; }
};
inline double itself(double total) { return total; }

// Binds y[o] = finish(total), the total of all elements of x that are reduced to output o. A Term has
//   start              a double: the total of no elements
//   add(total, x)      a double: the total with one more element
//   join(a, b)         a double: the total of two totals
// The loops are plain, for the compiler to vectorize: 8 totals side by side where neighbours are reduced, else up to 64 outputs at once.
template <class Term, class Finish>
Step bind_reduction(const Operand& x, const Operand& y, const Reduction& reduction, Term term, Finish finish);

namespace reducing {

template <class Term>
double total_of_run(const float* x, Index length, Index stride, Term term) {
  double totals[8];
  std::fill_n(totals, 8, term.start);
  Index i = 0;
  if (stride == 1) {
    for (; i + 8 <= length; i += 8)
      for (Index lane = 0; lane < 8; ++lane) totals[lane] = term.add(totals[lane], x[i + lane]);
  }
  for (; i < length; ++i) totals[i % 8] = term.add(totals[i % 8], x[i * stride]);
  double total = term.start;
  for (double lane : totals) total = term.join(total, lane);
  return total;
}

template <class Term, class Finish>
Step single_outputs(const Operand& x, const Operand& y, const Reduction& reduction, Term term, Finish finish) {
  return bind_outputs(x, y, reduction, [=](const float* from, const Runs& runs) {
    double total = term.start;
    for (Index r = 0; r < runs.count(); ++r) total = term.join(total, total_of_run(from + runs.first(r), runs.length, runs.stride, term));
    return finish(total);
  });
}

// A unit is up to 64 neighbouring outputs, whose elements are neighbours, too: 4 cache lines of every row.
template <class Term, class Finish>
Step neighbouring_outputs(const Operand& x, const Operand& y, const Reduction& reduction, Term term, Finish finish) {
  constexpr Index kWidth = 64;
  const Runs rows(reduction.kept), runs(reduction.reduced);
  const Index parts = ceil_div(rows.length, kWidth);
  return bind_units(rows.count() * parts, [=](const RunContext& run, Index unit) {
    const Index start = unit % parts * kWidth, width = std::min(kWidth, rows.length - start);
    const float* from = x.data(run) + rows.first(unit / parts) + start;
    float* to = y.data(run) + unit / parts * rows.length + start;
    double totals[kWidth];
    std::fill_n(totals, kWidth, term.start);
    runs.for_each([&](Index offset) {
      for (Index i = 0; i < width; ++i) totals[i] = term.add(totals[i], from[offset + i]);
    });
    for (Index i = 0; i < width; ++i) to[i] = static_cast<float>(finish(totals[i]));
  });
}

}  // namespace reducing

template <class Term, class Finish>
Step bind_reduction(const Operand& x, const Operand& y, const Reduction& reduction, Term term, Finish finish) {
  Step step = reduction.keeps_neighbours() ? reducing::neighbouring_outputs(x, y, reduction, term, finish)
                                           : reducing::single_outputs(x, y, reduction, term, finish);
  step.flops = elements_of(x);
  return step;
}

}  // namespace fastcnn
