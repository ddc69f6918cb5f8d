// reduce(x) -> y: one number for all elements along some axes: sum, mean, max, min, l1 (sum of |x|), l2 (root of the sum of x^2),
// sum_square, product or log_sum_exp. y has the shape of x without these axes, or with size 1 there if keepdims. All values are plain.
// reduce_backward(dy, x, y) -> dx for the kinds that are not linear:
//
//   max, min      dy / n for each of the n elements that are equal to y       l1            dy sign(x)
//   l2            dy x / y, 0 where y is 0                                    sum_square    2 dy x
//   product       dy times the product of the others                          log_sum_exp   dy e^(x - y)
//
// Attributes of both: kind, axes, keepdims. For no elements a sum is 0, a product 1 and a maximum -infinity; a mean is an error.
#include <cmath>
#include <limits>

#include "ops/ops.h"
#include "ops/views/reduction.h"

namespace fastcnn {

namespace {

enum class Kind { sum, mean, max, min, l1, l2, sum_square, product, log_sum_exp };
constexpr const char* kKinds[] = {"sum", "mean", "max", "min", "l1", "l2", "sum_square", "product", "log_sum_exp"};
constexpr double kInfinity = std::numeric_limits<double>::infinity();

Kind kind_of(const Attributes& attributes, std::string_view op) {
  const std::string& name = attributes.text("kind");
  for (int i = 0; i < 9; ++i)
    if (name == kKinds[i]) return static_cast<Kind>(i);
  throw Error(ErrorKind::value, op, "kind must be sum, mean, max, min, l1, l2, sum_square, product or log_sum_exp", name);
}

// For each axis of `shape`, whether the attribute "axes" names it. Negative numbers there count from the end.
std::vector<bool> reduced_axes(const Attributes& attributes, const Shape& shape, std::string_view op) {
  const Index rank = shape.rank();
  std::vector<bool> is_reduced(static_cast<std::size_t>(rank), false);
  for (Index axis : attributes.integers("axes")) {
    require(axis >= -rank && axis < rank, op, join("axes must be between ", -rank, " and ", rank - 1), "axis ", axis);
    const auto at = static_cast<std::size_t>(axis < 0 ? axis + rank : axis);
    require(!is_reduced[at], op, "axes must name an axis once", "axis ", axis);
    is_reduced[at] = true;
  }
  return is_reduced;
}

Shape reduced_shape(const Shape& x, const std::vector<bool>& is_reduced, bool keepdims) {
  std::vector<Index> sizes;
  for (int i = 0; i < x.rank(); ++i) {
    if (!is_reduced[static_cast<std::size_t>(i)])
      sizes.push_back(x[i]);
    else if (keepdims)
      sizes.push_back(1);
  }
  return Shape(sizes);
}

std::vector<TensorType> infer(const NodeView& node) {
  const Shape& x = node.input(0).shape;
  const std::vector<bool> is_reduced = reduced_axes(node.attributes, x, "reduce");
  const Shape y = reduced_shape(x, is_reduced, node.attributes.flag("keepdims"));
  if (kind_of(node.attributes, "reduce") == Kind::mean)
    require(x.elements() > 0 || y.elements() == 0, "reduce", "the mean of nothing is not defined", x);
  return {{.shape = y}};
}

// ---- forward: the terms of the kinds beside Sum (ops/views/reduction.h)

struct Magnitudes : Sum {
  double add(double total, double x) const { return total + std::abs(x); }
};
struct Squares : Sum {
  double add(double total, double x) const { return total + x * x; }
};
struct Product {
  double start = 1;
  double add(double total, double x) const { return total * x; }
  double join(double a, double b) const { return a * b; }
};
struct Largest {  // a NaN counts as larger than anything; in Smallest as smaller
  double start = -kInfinity;
  double add(double most, double x) const { return x > most || x != x ? x : most; }
  double join(double a, double b) const { return add(a, b); }
};
struct Smallest {
  double start = kInfinity;
  double add(double least, double x) const { return x < least || x != x ? x : least; }
  double join(double a, double b) const { return add(a, b); }
};

// log of the sum of e^x = m + log of the sum of e^(x - m), where m is the maximum, so that no power overflows.
Step bind_log_sum_exp(const Operand& x, const Operand& y, const Reduction& reduction) {
  Step step = bind_outputs(x, y, reduction, [](const float* from, const Runs& runs) {
    double most = Largest().start;
    double total = 0;
    runs.for_each([&](Index offset) { most = Largest().add(most, from[offset]); });
    if (!std::isfinite(most)) return most;
    runs.for_each([&](Index offset) { total += std::exp(from[offset] - most); });
    return most + std::log(total);
  });
  step.flops = 10 * elements_of(x);
  return step;
}

Step bind(const BindScope& scope) {
  const Operand x = scope.inputs[0], y = scope.outputs[0];
  const Reduction reduction(x.type.shape, reduced_axes(scope.attributes, x.type.shape, "reduce"));
  const double terms = static_cast<double>(reduction.reduced.count());
  switch (kind_of(scope.attributes, "reduce")) {
    case Kind::sum: return bind_reduction(x, y, reduction, Sum{}, itself);
    case Kind::mean: return bind_reduction(x, y, reduction, Sum{}, [terms](double total) { return total / terms; });
    case Kind::max: return bind_reduction(x, y, reduction, Largest{}, itself);
    case Kind::min: return bind_reduction(x, y, reduction, Smallest{}, itself);
    case Kind::l1: return bind_reduction(x, y, reduction, Magnitudes{}, itself);
    case Kind::l2: return bind_reduction(x, y, reduction, Squares{}, [](double total) { return std::sqrt(total); });
    case Kind::sum_square: return bind_reduction(x, y, reduction, Squares{}, itself);
    case Kind::product: return bind_reduction(x, y, reduction, Product{}, itself);
    case Kind::log_sum_exp: return bind_log_sum_exp(x, y, reduction);
  }
  return {};
}

// ---- backward

void backward(GradientScope& scope) {
  if (!scope.wanted[0]) return;
  const Kind kind = kind_of(scope.attributes, "reduce");
  const Shape& x = scope.graph.type(scope.inputs[0]).shape;
  const ValueId dy = scope.output_gradients[0];
  if (kind != Kind::sum && kind != Kind::mean)
    return scope.give(0, "reduce_backward", {dy, scope.inputs[0], scope.outputs[0]}, scope.attributes);
  const std::vector<bool> is_reduced = reduced_axes(scope.attributes, x, "reduce");
  const double terms = static_cast<double>(Reduction(x, is_reduced).reduced.count());
  const std::vector<Index> sizes = x.sizes();  // a copy: `x` may move when the graph grows
  ValueId gradient = scope.graph.add_one("reshape", {dy}, {{"shape", reduced_shape(x, is_reduced, true).sizes()}});
  if (kind == Kind::mean) gradient = scope.graph.add_one("scale_shift", {gradient}, {{"scale", 1 / terms}, {"shift", 0.0}});
  scope.input_gradients[0] = scope.graph.add_one("expand", {gradient}, {{"shape", sizes}});
}

std::vector<TensorType> infer_backward(const NodeView& node) {
  const char* op = "reduce_backward";
  const Shape &dy = node.input(0).shape, &x = node.input(1).shape, &y = node.input(2).shape;
  const Kind kind = kind_of(node.attributes, op);
  require(kind != Kind::sum && kind != Kind::mean, op, "sums and means have no need of it", kKinds[static_cast<int>(kind)]);
  require(y == reduced_shape(x, reduced_axes(node.attributes, x, op), node.attributes.flag("keepdims")), op,
          "y must have the shape of the output", y);
  check_gradient(op, dy, y, "output");
  return {{.shape = x}};
}

// The gradients of all elements that are reduced to one output. They lie at the offsets of `runs`, in x and in dx.
struct ElementsOfOutput {
  const Runs& runs;
  const float* x;
  float* dx;
  double dy, y;

  void write(Kind kind) const {
    switch (kind) {
      case Kind::max:
      case Kind::min: return ties();
      case Kind::l1: return each([&](double v) { return v > 0 ? dy : v < 0 ? -dy : 0; });
      case Kind::l2: return each([&](double v) { return y == 0 ? 0 : dy * v / y; });
      case Kind::sum_square: return each([&](double v) { return 2 * dy * v; });
      case Kind::product: return product();
      case Kind::log_sum_exp: return each([&](double v) { return dy * std::exp(v - y); });
      default: return;
    }
  }

 private:
  template <class Function>
  void each(Function&& function) const {
    runs.for_each([&](Index at) { dx[at] = static_cast<float>(function(static_cast<double>(x[at]))); });
  }
  void ties() const {
    double equal = 0;
    runs.for_each([&](Index at) { equal += x[at] == y; });
    each([&](double v) { return v == y ? dy / equal : 0; });
  }
  // The product of the others is the product divided by x. Zeros are counted apart: with one zero only its own gradient is not 0.
  void product() const {
    double zeros = 0;
    double others = 1;
    runs.for_each([&](Index at) {
      if (x[at] == 0)
        ++zeros;
      else
        others *= x[at];
    });
    each([&](double v) { return v == 0 ? (zeros > 1 ? 0 : dy * others) : zeros > 0 ? 0 : dy * (others / v); });
  }
};

// A unit is all elements that are reduced to one output.
Step bind_backward(const BindScope& scope) {
  const Operand dy = scope.inputs[0], x = scope.inputs[1], y = scope.inputs[2], dx = scope.outputs[0];
  const Reduction reduction(x.type.shape, reduced_axes(scope.attributes, x.type.shape, "reduce_backward"));
  const Runs runs(reduction.reduced);
  const Kind kind = kind_of(scope.attributes, "reduce_backward");
  Step step = bind_units(y.type.shape.elements(), [=](const RunContext& run, Index unit) {
    const Index at = reduction.kept.offset(unit);
    ElementsOfOutput{runs, x.data(run) + at, dx.data(run) + at, dy.data(run)[unit], y.data(run)[unit]}.write(kind);
  });
  step.flops = 2 * elements_of(x);
  return step;
}

}  // namespace

const Op k_reduce = {.name = "reduce", .inputs = "x", .infer = infer, .layout = want_plain, .bind = bind, .backward = backward};
const Op k_reduce_backward = {
    .name = "reduce_backward", .inputs = "dy x y", .infer = infer_backward, .layout = want_plain, .bind = bind_backward};

}  // namespace fastcnn
