// Functions of two numbers, element by element with NumPy's broadcasting, in any layout; y has the broadcast shape of a and b.
//   add, subtract, multiply, divide, minimum, maximum, power(a, b) -> y
//   compare(a, b) -> y, 1 where the comparison holds and else 0. Attribute "kind"; no gradient
//   binary_slope(a, b) -> y, a derivative that is no product of values which exist in the forward pass. Attribute "kind"
#include "kernels/kernels.h"
#include "ops/ops.h"
#include "ops/views/broadcast.h"
#include "ops/views/broadcast_rows.h"

namespace fastcnn {

namespace {

constexpr const char* kNames[] = {"add", "subtract", "multiply", "divide", "minimum", "maximum", "power"};  // BinaryKind's order

template <BinaryKind Kind>
std::vector<TensorType> infer(const NodeView& node) {
  return {{.shape = broadcast_shapes(node.input(0).shape, node.input(1).shape, kNames[static_cast<int>(Kind)])}};
}

Step bind_kind(const BindScope& scope, BinaryKind kind, bool swapped = false) {
  const Operand a = scope.inputs[swapped ? 1 : 0], b = scope.inputs[swapped ? 0 : 1], y = scope.outputs[0];
  return bind_broadcast_rows(y, {a, b}, scope.kernels.lanes, [kind, binary = scope.kernels.binary](const auto& row, const auto& input) {
    binary({kind, row.y, input(0), input(1), row.length});
  });
}

template <BinaryKind Kind>
Step bind(const BindScope& scope) {
  return bind_kind(scope, Kind);
}

// ---- gradients: each is summed to the shape of its operand. Where both operands are one value, gradient() adds the two gradients.

void give(GradientScope& scope, std::size_t operand, ValueId gradient) {
  scope.input_gradients[operand] = reduced_to(scope.graph, gradient, scope.graph.type(scope.inputs[operand]).shape);
}

ValueId negative(GraphEditor& graph, ValueId value) { return graph.add_one("scale_shift", {value}, {{"scale", -1.0}, {"shift", 0.0}}); }

void backward_add(GradientScope& scope) {
  for (std::size_t i = 0; i < 2; ++i)
    if (scope.wanted[i]) give(scope, i, scope.output_gradients[0]);
}

void backward_subtract(GradientScope& scope) {
  if (scope.wanted[0]) give(scope, 0, scope.output_gradients[0]);
  if (scope.wanted[1]) give(scope, 1, negative(scope.graph, scope.output_gradients[0]));
}

void backward_multiply(GradientScope& scope) {
  for (std::size_t i = 0; i < 2; ++i)
    if (scope.wanted[i]) give(scope, i, scope.graph.add_one("multiply", {scope.output_gradients[0], scope.inputs[1 - i]}));
}

// y = a / b:  da = dy / b,  db = -da y
void backward_divide(GradientScope& scope) {
  const ValueId da = scope.graph.add_one("divide", {scope.output_gradients[0], scope.inputs[1]});
  if (scope.wanted[0]) give(scope, 0, da);
  if (scope.wanted[1]) give(scope, 1, negative(scope.graph, scope.graph.add_one("multiply", {da, scope.outputs[0]})));
}

// dy times a slope that is a function of two operands.
void give_slope(GradientScope& scope, std::size_t operand, const char* kind, ValueId a, ValueId b) {
  if (!scope.wanted[operand]) return;
  const ValueId slope = scope.graph.add_one("binary_slope", {a, b}, {{"kind", std::string(kind)}});
  give(scope, operand, scope.graph.add_one("multiply", {scope.output_gradients[0], slope}));
}

// The smaller operand gets the gradient; equal operands get half each.
void backward_minimum(GradientScope& scope) {
  give_slope(scope, 0, "minimum", scope.inputs[0], scope.inputs[1]);
  give_slope(scope, 1, "minimum", scope.inputs[1], scope.inputs[0]);
}

void backward_maximum(GradientScope& scope) {
  give_slope(scope, 0, "minimum", scope.inputs[1], scope.inputs[0]);
  give_slope(scope, 1, "minimum", scope.inputs[0], scope.inputs[1]);
}

void backward_power(GradientScope& scope) {
  give_slope(scope, 0, "power", scope.inputs[0], scope.inputs[1]);
  give_slope(scope, 1, "exponent", scope.inputs[0], scope.inputs[1]);
}

// ---- compare, binary_slope: kinds by name; "greater" is "less" with the operands exchanged

struct NamedKind {
  const char* name;
  BinaryKind kind;
  bool swapped = false;
};

constexpr NamedKind kComparisons[] = {{"equal", BinaryKind::equal},
                                      {"less", BinaryKind::less},
                                      {"less_equal", BinaryKind::less_equal},
                                      {"greater", BinaryKind::less, true},
                                      {"greater_equal", BinaryKind::less_equal, true}};

constexpr NamedKind kSlopes[] = {
    {"minimum", BinaryKind::minimum_slope}, {"power", BinaryKind::power_slope}, {"exponent", BinaryKind::exponent_slope}};

template <std::size_t Count>
const NamedKind& find(const NamedKind (&kinds)[Count], const Attributes& attributes, const char* op) {
  for (const NamedKind& known : kinds)
    if (attributes.text("kind") == known.name) return known;
  throw Error(ErrorKind::value, op, "there is no kind of this name", attributes.text("kind"));
}

std::vector<TensorType> infer_compare(const NodeView& node) {
  find(kComparisons, node.attributes, "compare");
  return {{.shape = broadcast_shapes(node.input(0).shape, node.input(1).shape, "compare")}};
}

Step bind_compare(const BindScope& scope) {
  const NamedKind& found = find(kComparisons, scope.attributes, "compare");
  return bind_kind(scope, found.kind, found.swapped);
}

std::vector<TensorType> infer_slope(const NodeView& node) {
  find(kSlopes, node.attributes, "binary_slope");
  return {{.shape = broadcast_shapes(node.input(0).shape, node.input(1).shape, "binary_slope")}};
}

Step bind_slope(const BindScope& scope) { return bind_kind(scope, find(kSlopes, scope.attributes, "binary_slope").kind); }

template <BinaryKind Kind>
Op op_of(void (*backward)(GradientScope&)) {
  return {.name = kNames[static_cast<int>(Kind)],
          .inputs = "a b",
          .infer = infer<Kind>,
          .layout = broadcast_layout,
          .bind = bind<Kind>,
          .backward = backward,
          .band = band_elementwise,
          .in_place = {0, 1}};
}

}  // namespace

const Op k_add = op_of<BinaryKind::add>(backward_add);
const Op k_subtract = op_of<BinaryKind::subtract>(backward_subtract);
const Op k_multiply = op_of<BinaryKind::multiply>(backward_multiply);
const Op k_divide = op_of<BinaryKind::divide>(backward_divide);
const Op k_minimum = op_of<BinaryKind::minimum>(backward_minimum);
const Op k_maximum = op_of<BinaryKind::maximum>(backward_maximum);
const Op k_power = op_of<BinaryKind::power>(backward_power);
const Op k_compare = {
    .name = "compare", .inputs = "a b", .infer = infer_compare, .layout = broadcast_layout, .bind = bind_compare, .in_place = {0, 1}};
const Op k_binary_slope = {
    .name = "binary_slope", .inputs = "a b", .infer = infer_slope, .layout = broadcast_layout, .bind = bind_slope, .in_place = {0, 1}};

}  // namespace fastcnn
