// Op: the contract between one operator's file and everything above it (graph, passes, runtime).
//
// A file of cpp/ops defines one op with its backward, as constants of type Op:
//   infer     shapes and types of the outputs from those of the inputs; every rule that can be broken is checked here, with the op's name
//   layout    which layout each operand wants
//   ring      how many pixels of zeros around an image input are read
//   choose    picks an algorithm for this ISA and replaces operands by prepared ones (packed weights)
//   backward  appends the nodes that compute the gradients of the inputs
//   bind      turns the node into a Step: all decisions made, nothing left to do but run
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

// A node that makes some rows of its output alone: the same op, with these attributes, on images that are cut to rows of them.
struct Band {
  struct Input {
    RowRange rows;   // what the image is cut to
    Index halo = 0;  // rows above and below that are read as its ring is
  };
  Attributes attributes;
  std::vector<std::optional<Input>> inputs;  // nothing: all of it is read, whatever rows are made
};

// Bands begin at multiples of `group`, where the op computes rows in groups: so it computes the same bits as for the whole. Those of
// fewer than `least` rows are slow.
struct BandSizes {
  Index group = 1, least = 1;
};

// The layout that an operand must have. `same`: element-wise ops take any, but one block for all of their `same` operands;
// rank-4 values among them decide (image if one of them is an image already).
enum class Want { plain, image, narrow, same };  // narrow: an image with block 1

struct LayoutWish {
  std::vector<Want> inputs;
  std::vector<Want> outputs;
};

// The graph seen by `choose` and `backward`: append nodes, learn types.
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
  std::vector<ValueId>& input_gradients;  // to be filled where wanted; kNoValue means zero

  // Where the gradient of input i is wanted, appends `op`, whose output it is.
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

// A gradient has the shape of its value. what: "input" or "output", the value's name in the error.
inline void check_gradient(std::string_view op, const Shape& gradient, const Shape& value, const char* what) {
  require(gradient == value, op, join("the gradient must have the shape of the ", what), "gradient ", gradient, ", ", what, " ", value);
}

// Algorithms by the text of the problem that they are to solve, and under "*" one for all others: what was measured goes before the cost
// model, if it can run.
using Choices = std::map<std::string, std::string>;

// What is asked of a program. small, for inference: as little memory as may be; no weights that are larger than they are packed for direct
// sums are kept between runs. budget, for a training step: bytes that its values should need at a time, by an estimate; values of the
// forward pass that do not fit are recomputed for the backward pass.
struct CompileOptions {
  bool strict = false;  // only algorithms with the error of direct summation
  bool small = false;
  Choices choices = {};
  std::optional<Index> budget = {};
};

// One node while algorithms are chosen. attributes and inputs may be replaced.
struct ChoiceScope {
  GraphEditor& graph;
  int lanes;  // of the ISA
  const CompileOptions& options;
  bool cold;  // the parameters of the graph are more than a cache holds
  // Which inputs come from outside or from an op that makes plain values: an image layout of them costs a copy in any case.
  std::vector<bool> plain;
  Attributes& attributes;
  std::vector<ValueId>& inputs;
  const std::vector<ValueId>& outputs;
};

// A node with its final layouts and places.
struct BindScope {
  const Kernels& kernels;
  const Attributes& attributes;
  std::vector<Operand> inputs;
  std::vector<Operand> outputs;
};

struct Op {
  const char* name;
  // Names of the inputs: "x weight bias?". ? may be left out, ... stands for any number; # is int32, * of any type, the others float32.
  const char* inputs;
  std::vector<TensorType> (*infer)(const NodeView&);
  LayoutWish (*layout)(const NodeView&);
  Step (*bind)(const BindScope&);
  void (*backward)(GradientScope&) = nullptr;                 // nullptr: training through this op raises, by name
  int (*ring)(const NodeView&, std::size_t input) = nullptr;  // nullptr: reads no ring
  void (*choose)(ChoiceScope&) = nullptr;
  // How a node with its final layouts makes the rows `made` of its one output; nullptr, or nothing: not in bands.
  std::optional<Band> (*band)(const NodeView&, RowRange made) = nullptr;
  BandSizes (*band_sizes)(const NodeView&) = nullptr;  // nullptr: any
  std::vector<std::size_t> in_place = {};  // inputs whose memory output 0 may take over when they die here and the types are equal
  bool (*works_in_place)(const NodeView&) = nullptr;  // where not every node of the op may; nullptr: all may
  bool alias = false;                                 // output 0 is input 0 under another shape: no step, no copy (plain layouts)
  bool random = false;                                // every run makes other values
  bool update = false;  // writes into its first input, a parameter or buffer, when the loss has been found finite
};

std::size_t input_count(const Op& op);  // the number of names in Op::inputs

// Checks number, presence and element types of a node's inputs against Op::inputs.
void check_inputs(const Op& op, const NodeView& node);

const Op& find_op(std::string_view name);  // Error if there is none
const std::vector<const Op*>& all_ops();

// Layout wishes that most ops have.
LayoutWish want_all(const NodeView& node, Want want);
inline LayoutWish want_plain(const NodeView& node) { return want_all(node, Want::plain); }
inline LayoutWish want_same(const NodeView& node) { return want_all(node, Want::same); }
inline LayoutWish want_image(const NodeView& node) { return want_all(node, Want::image); }
// Images, but for these inputs, where they are among the node's.
LayoutWish want_image_but_plain(const NodeView& node, std::initializer_list<std::size_t> plain);

// Bands of ops that work element by element, NumPy's broadcasting of inputs included.
std::optional<Band> band_elementwise(const NodeView& node, RowRange made);

}  // namespace fastcnn
