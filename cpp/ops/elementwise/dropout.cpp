// dropout(x) -> y = x / (1 - p) or, with probability p, 0; element by element, in any layout. dropout_backward(dy) -> dx applies the same
// mask in the same way, so it is the same code.
//
// Attributes: p; stream, a number that differs between the layers of a network. The mask is a function of the seed of the run, the training
// step, the stream and the row-major index of the element in (N, C, H, W). It does not depend on layout, ISA or number of threads.
#include "kernels/kernels.h"
#include "ops/ops.h"
#include "ops/views/rows.h"

namespace fastcnn {

namespace {

// A bijection of 64 bits in which every input bit changes all output bits: the finalizer of splitmix64 (Steele, Lea and Flood, 2014).
std::uint64_t mixed(std::uint64_t z) {
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

std::uint64_t key_of(const RunContext& run, Index stream) {
  constexpr std::uint64_t kGolden = 0x9e3779b97f4a7c15u;  // keeps small seeds, steps and streams away from 0, which mixed() maps to 0
  return mixed(mixed(mixed(run.seed + kGolden) + run.iteration + kGolden) + static_cast<std::uint64_t>(stream) + kGolden);
}

template <const char* op>
std::vector<TensorType> infer(const NodeView& node) {
  const double p = node.attributes.number("p");
  require(p >= 0 && p <= 1, op, "p must be from 0 to 1", "p=", p);
  node.attributes.integer("stream");
  const Shape& x = node.input(0).shape;
  require(x.elements() <= Index{1} << 32, op, "a value must have at most 2^32 elements", x);  // the index of a random number has 32 bits
  return {{.shape = x}};
}

// A unit is a row (ops/views/rows.h). In an image a vector holds the channels of one pixel, so the indices of its lanes are H * W apart.
Step bind(const BindScope& scope) {
  const OperandRows x(scope.inputs[0]), y(scope.outputs[0]);
  const TensorType& type = scope.inputs[0].type;
  const bool plain = type.layout.plain();
  const Index C = plain ? 0 : type.C(), H = plain ? 0 : type.H(), W = plain ? 0 : type.W();
  const Index blocks = plain ? 0 : type.strides().blocks;
  const Index block = type.layout.block;
  const Index stream = scope.attributes.integer("stream");
  const double p = scope.attributes.number("p");
  Dropout common{};
  common.vector_step = plain ? static_cast<std::uint32_t>(scope.kernels.lanes) : 1;
  common.lane_step = plain ? 1 : static_cast<std::uint32_t>(H * W);
  common.limit = static_cast<std::int32_t>(static_cast<Index>(p * 0x1p31 + 0.5) - 1);
  common.scale = static_cast<float>(1 / (1 - p));  // for p = 1 nothing is kept
  Step step;
  step.units = x.count();
  step.flops = elements_of(scope.inputs[0]);
  step.run = [=, dropout = scope.kernels.dropout](const RunContext& run, Index begin, Index end) {
    const std::uint64_t key = key_of(run, stream);
    for (Index i = begin; i < end; ++i) {
      const Index first = plain ? i * RowView::kChunk : ((i / H / blocks * C + i / H % blocks * block) * H + i % H) * W;
      Dropout args = common;
      args.x = x.data(run, i);
      args.y = y.data(run, i);
      args.count = x.length(i);
      args.first = static_cast<std::uint32_t>(first);
      args.key[0] = static_cast<std::uint32_t>(key);
      args.key[1] = static_cast<std::uint32_t>(key >> 32);
      dropout(args);
    }
  };
  return step;
}

void backward(GradientScope& scope) { scope.give(0, "dropout_backward", {scope.output_gradients[0]}, scope.attributes); }

constexpr char kForward[] = "dropout", kBackward[] = "dropout_backward";

}  // namespace

const Op k_dropout = {.name = kForward,
                      .inputs = "x",
                      .infer = infer<kForward>,
                      .layout = want_same,
                      .bind = bind,
                      .backward = backward,
                      .in_place = {0},
                      .random = true};
const Op k_dropout_backward = {
    .name = kBackward, .inputs = "dy", .infer = infer<kBackward>, .layout = want_same, .bind = bind, .in_place = {0}, .random = true};

}  // namespace fastcnn
