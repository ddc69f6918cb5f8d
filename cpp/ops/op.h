// Op: the contract between the file of an operator and everything above it (graph, passes, runtime).
//
// A file of cpp/ops defines one op and the ops of its backward pass, as constants of type Op:
//   infer     shapes and types of the outputs from those of the inputs; checks every rule of the op and names the op in each error
//   layout    the layout that each operand must have
//   ring      how many pixels of zeros around an image input are read
//   choose    picks an algorithm for this ISA and replaces operands by prepared ones (packed weights)
//   backward  appends the nodes that compute the gradients of the inputs
//   bind      turns the node into a Step; all decisions are made here
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/tensor.h"
#include "ops/attributes.h"
#include "ops/step.h"

namespace fastcnn {

using ValueId = int;
constexpr ValueId kNoValue = -1;  // an optional input that is left out

// What an op sees of a node: types, never data.
struct NodeView {
  const Attributes& attributes;
  std::vector<const TensorType*> inputs;   // nullptr: left out
  std::vector<const TensorType*> outputs;  // empty during infer

  const TensorType& input(std::size_t i) const { return *inputs[i]; }
  const TensorType& output(std::size_t i) const { return *outputs[i]; }
  bool has_input(std::size_t i) const { return i < inputs.size() && inputs[i] != nullptr; }
};

// Rows begin .. end - 1 of an image.
struct RowRange {
  Index begin = 0, end = 0;
  bool empty() const { return begin >= end; }
  Index count() const { return end - begin; }
};

// A node that computes only some rows of its output: the same op, with these attributes, on images that are cut to some of their rows.
struct Band {
  struct Input {
    RowRange rows;   // the rows that the image is cut to
    Index halo = 0;  // rows above and below that are read like a ring
  };
  Attributes attributes;
  std::vector<std::optional<Input>> inputs;  // nothing: all of the input is read, whatever rows are computed
};

// Bands begin at multiples of `group`, where the op begins a group of rows anyway, so the bits are those of the whole. Bands of fewer than
// `least` rows are slow.
struct BandSizes {
  Index group = 1, least = 1;
};

// The layout that an operand must have. `same`: any layout, but one block for all `same` operands of the node. Their values of rank 4
// decide: images if one of them is an image already.
enum class Want { plain, image, narrow, same };  // narrow: an image with block 1

struct LayoutWish {
  std::vector<Want> inputs;
  std::vector<Want> outputs;
};

// The graph as `choose` and `backward` see it: they append nodes and read types.
class GraphEditor {
 public:
  virtual ~GraphEditor() = default;
  virtual std::vector<ValueId> add(std::string_view op, std::vector<ValueId> inputs, Attributes attributes) = 0;
  virtual const TensorType& type(ValueId value) const = 0;

  ValueId add_one(std::string_view op, std::vector<ValueId> inputs, Attributes attributes = {}) {
    return add(op, std::move(inputs), std::move(attributes)).front();
  }
};

// One node in the backward pass. Gradients of outputs that nobody used are kNoValue; at least one is given.
struct GradientScope {
  GraphEditor& graph;
  const Attributes& attributes;
  const std::vector<ValueId>& inputs;
  const std::vector<ValueId>& outputs;
  const std::vector<ValueId>& output_gradients;
  const std::vector<bool>& wanted;        // which inputs need a gradient
  std::vector<ValueId>& input_gradients;  // `backward` fills these where wanted; kNoValue means zero

  // Appends `op`, whose output is the gradient of input i, if that gradient is wanted.
  void give(std::size_t i, std::string_view op, std::vector<ValueId> op_inputs, Attributes op_attributes = {}) {
    if (wanted[i]) input_gradients[i] = graph.add_one(op, std::move(op_inputs), std::move(op_attributes));
  }
  // Appends `op`, whose outputs are the gradients of the first inputs.
  void give_all(std::string_view op, std::vector<ValueId> op_inputs, Attributes op_attributes = {}) {
    const std::vector<ValueId> gradients = graph.add(op, std::move(op_inputs), std::move(op_attributes));
    for (std::size_t i = 0; i < gradients.size(); ++i)
      if (wanted[i]) input_gradients[i] = gradients[i];
  }
};

// Checks that a gradient has the shape of its value. what: the name of the value in the error, "input" or "output".
inline void check_gradient(std::string_view op, const Shape& gradient, const Shape& value, const char* what) {
  require(gradient == value, op, join("the gradient must have the shape of the ", what), "gradient ", gradient, ", ", what, " ", value);
}

// The measured choice of algorithms: a name for the text of each problem, and under "*" one for all others. It overrides the cost model
// where the algorithm can run.
using Choices = std::map<std::string, std::string>;

// What is asked of a program.
struct CompileOptions {
  bool strict = false;  // only algorithms with the error of direct summation
  bool small = false;   // inference in little memory: no weights larger than those packed for direct sums are kept between runs
  Choices choices = {};
  // Training within a budget: the bytes that the values of a step should need at a time, by an estimate. Values that do not fit are
  // recomputed in the backward pass.
  std::optional<Index> budget = {};
};

// One node while algorithms are chosen. attributes and inputs may be replaced.
struct ChoiceScope {
  GraphEditor& graph;
  int lanes;  // of the ISA
  const CompileOptions& options;
  bool cold;  // the parameters of the graph do not fit in a cache
  // Which inputs come from outside or from an op that computes plain values. An image layout of these always costs a copy.
  std::vector<bool> plain;
  Attributes& attributes;
  std::vector<ValueId>& inputs;
  const std::vector<ValueId>& outputs;
};

// A node with its final layouts and memory.
struct BindScope {
  const Kernels& kernels;
  const Attributes& attributes;
  std::vector<Operand> inputs;
  std::vector<Operand> outputs;
};

struct Op {
  const char* name;
  // Names of the inputs: "x weight bias?". A mark behind a name: ? may be left out, ... any number of inputs, # int32, * any type; else
  // float32.
  const char* inputs;
  std::vector<TensorType> (*infer)(const NodeView&);
  LayoutWish (*layout)(const NodeView&);
  Step (*bind)(const BindScope&);
  void (*backward)(GradientScope&) = nullptr;                 // nullptr: training through this op raises, by name
  int (*ring)(const NodeView&, std::size_t input) = nullptr;  // nullptr: reads no ring
  void (*choose)(ChoiceScope&) = nullptr;
  // How a node with its final layouts computes the rows `made` of its one output. nullptr, or no value: it does not run in bands.
  std::optional<Band> (*band)(const NodeView&, RowRange made) = nullptr;
  BandSizes (*band_sizes)(const NodeView&) = nullptr;  // nullptr: any
  std::vector<std::size_t> in_place = {};  // inputs whose memory output 0 may reuse if their lifetime ends here and the types are equal
  bool (*works_in_place)(const NodeView&) = nullptr;  // whether this node may; nullptr: every node of the op may
  bool alias = false;                                 // output 0 is input 0 under another shape: no step, no copy (plain layouts)
  bool random = false;                                // every run computes other values
  bool update = false;                                // writes into its first input, a parameter or buffer, once the loss was found finite
};

std::size_t input_count(const Op& op);  // the number of names in Op::inputs

// Checks the inputs of a node against Op::inputs: their number, which are given, and their element types.
void check_inputs(const Op& op, const NodeView& node);

const Op& find_op(std::string_view name);  // Error if there is none
const std::vector<const Op*>& all_ops();

// Layout wishes that many ops have.
LayoutWish want_all(const NodeView& node, Want want);
inline LayoutWish want_plain(const NodeView& node) { return want_all(node, Want::plain); }
inline LayoutWish want_same(const NodeView& node) { return want_all(node, Want::same); }
inline LayoutWish want_image(const NodeView& node) { return want_all(node, Want::image); }
// All images except the inputs `plain`. Entries of `plain` beyond the inputs of the node are ignored.
LayoutWish want_image_but_plain(const NodeView& node, std::initializer_list<std::size_t> plain);

// Bands of element-wise ops, also of those that broadcast their inputs.
std::optional<Band> band_elementwise(const NodeView& node, RowRange made);

}  // namespace fastcnn
