// local_response_norm(x) -> y: y[c] = x[c] / (k + alpha / size sum of x[j]^2)^beta, summed over the channels j from c - size / 2 to
// c + (size - 1) / 2 that exist. Krizhevsky et al., "ImageNet classification with deep convolutional neural networks", 2012; alpha / size
// as in PyTorch. local_response_norm_backward(dy, x) -> dx. Attributes of both: size, alpha, beta, k.
//
// x, y, dy, dx: (N, C, ...), plain. A vector is a run of positions of one channel.
#include <algorithm>
#include <cmath>

#include "kernels/kernels.h"
#include "ops/ops.h"
#include "ops/views/image_pieces.h"

namespace fastcnn {

namespace {

// Arguments that all units share.
LocalResponseNorm common_arguments(std::string_view op, const Attributes& attributes, const Shape& x) {
  require(x.rank() >= 3, op, "input must be (N, C, ...) with at least 3 axes", x);
  const Index size = attributes.integer("size");
  require(size >= 1, op, "size must be at least 1", "size=", size);
  const auto finite = [&](const char* name) {
    const double value = attributes.number(name);
    require(std::isfinite(value), op, join(name, " must be finite"), name, "=", value);
    return value;
  };
  LocalResponseNorm args{};
  args.channels = x[1];
  args.channel_stride = 1;
  for (int axis = 2; axis < x.rank(); ++axis) args.channel_stride *= x[axis];
  args.before = std::min(size / 2, x[1]);
  args.after = std::min((size - 1) / 2, x[1]);
  args.alpha = static_cast<float>(finite("alpha") / static_cast<double>(size));
  args.beta = static_cast<float>(finite("beta"));
  args.k = static_cast<float>(finite("k"));
  return args;
}

double flops_of(const LocalResponseNorm& args, const Shape& x) {
  return 2.0 * static_cast<double>(args.before + args.after + 8) * static_cast<double>(x.elements());
}

std::vector<TensorType> infer(const NodeView& node) {
  common_arguments("local_response_norm", node.attributes, node.input(0).shape);
  return {{.shape = node.input(0).shape}};
}

// A unit is a channel of an image. The other channels of its window are read again, from a cache.
Step bind(const BindScope& scope) {
  const Operand x = scope.inputs[0], y = scope.outputs[0];
  const LocalResponseNorm common = common_arguments("local_response_norm", scope.attributes, x.type.shape);
  Step step;
  step.units = x.type.N() * common.channels;
  step.flops = flops_of(common, x.type.shape);
  step.run = [=, kernel = scope.kernels.local_response_norm](const RunContext& run, Index begin, Index end) {
    LocalResponseNorm args = common;
    args.count = common.channel_stride;
    for_images(common.channels, begin, end, [&](Index image, Index first, Index count, Index) {
      const Index offset = image * common.channels * common.channel_stride;
      args.first = first;
      args.last = first + count;
      args.x = x.data(run) + offset;
      args.y = y.data(run) + offset;
      kernel(args);
    });
  };
  return step;
}

void backward(GradientScope& scope) {
  scope.give(0, "local_response_norm_backward", {scope.output_gradients[0], scope.inputs[0]}, scope.attributes);
}

std::vector<TensorType> infer_backward(const NodeView& node) {
  const char* op = "local_response_norm_backward";
  const Shape& x = node.input(1).shape;
  check_gradient(op, node.input(0).shape, x, "input");
  common_arguments(op, node.attributes, x);
  return {{.shape = x}};
}

// A unit is all channels of 64 positions of an image (4 cache lines a channel): each term is computed once and used by all channels of its
// window.
Step bind_backward(const BindScope& scope) {
  constexpr Index kPositions = 64;
  const Operand dy = scope.inputs[0], x = scope.inputs[1], dx = scope.outputs[0];
  const LocalResponseNorm common = common_arguments("local_response_norm_backward", scope.attributes, x.type.shape);
  const Index positions = common.channel_stride;
  const Index parts = ceil_div(positions, kPositions);
  Step step = bind_units(x.type.N() * parts, [=, kernel = scope.kernels.local_response_norm_backward](const RunContext& run, Index unit) {
    const Index at = unit % parts * kPositions;
    const Index offset = unit / parts * common.channels * positions + at;
    LocalResponseNorm args = common;
    args.count = std::min(kPositions, positions - at);
    args.scratch = run.scratch_data();
    args.x = x.data(run) + offset;
    args.dy = dy.data(run) + offset;
    args.y = dx.data(run) + offset;
    kernel(args);
  });
  step.flops = 2 * flops_of(common, x.type.shape);
  step.scratch_bytes = common.channels * kPositions * bytes_of(DType::f32);
  return step;
}

}  // namespace

const Op k_local_response_norm = {
    .name = "local_response_norm", .inputs = "x", .infer = infer, .layout = want_plain, .bind = bind, .backward = backward};
const Op k_local_response_norm_backward = {.name = "local_response_norm_backward",
                                           .inputs = "dy x",
                                           .infer = infer_backward,
                                           .layout = want_plain,
                                           .bind = bind_backward,
                                           .in_place = {0}};

}  // namespace fastcnn
