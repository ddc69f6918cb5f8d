"""The core's operators in ONNX, opset 17: each function appends the nodes that compute what its operator does."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from fastcnn.onnx_export.graph import Node, OnnxGraph
from fastcnn.onnx_export.pooling import avg_pool, max_pool

__all__ = ["BATCH_SIZED", "OPERATORS"]

Operator = Callable[[OnnxGraph, Node], str]

_TO_THE_END = 2**63 - 1


def conv2d(to: OnnxGraph, node: Node) -> str:
    a = node.attributes
    windows = {"kernel_shape": node.shapes[1][2:], "strides": a["stride"], "pads": a["padding"], "dilations": a["dilation"]}
    return to.node("Conv", *node.inputs, **windows, group=a["groups"])


def linear(to: OnnxGraph, node: Node) -> str:
    return to.node("Gemm", *node.inputs, transB=1)


def batch_norm(to: OnnxGraph, node: Node) -> str:
    x, weight, bias, mean, var = node.inputs
    C = node.shapes[0][1]
    weight, bias = weight or to.floats(np.ones(C)), bias or to.floats(np.zeros(C))
    return to.node("BatchNormalization", x, weight, bias, mean, var, epsilon=float(node.attributes["eps"]))


def local_response_norm(to: OnnxGraph, node: Node) -> str:
    """ONNX has the larger half of an even window after the channel, the core before it: then the window's sum is a convolution."""
    x, a = node.inputs[0], node.attributes
    size, alpha, beta, k = a["size"], float(a["alpha"]), float(a["beta"]), float(a["k"])
    if size % 2:
        return to.node("LRN", x, size=size, alpha=alpha, beta=beta, bias=k)
    C, rest = node.shapes[0][1], node.shapes[0][2:]
    distance = np.arange(C) - np.arange(C)[:, None]
    window = (distance >= -(size // 2)) & (distance <= (size - 1) // 2)
    total = to.node("Conv", to.node("Mul", x, x), to.floats(window.reshape(C, C, *(1 for _ in rest))))
    scaled = to.node("Add", to.node("Mul", total, to.floats(alpha / size)), to.floats(k))
    return to.node("Div", x, to.node("Pow", scaled, to.floats(beta)))


def softmax(to: OnnxGraph, node: Node) -> str:
    return to.node("Softmax", *node.inputs, axis=node.attributes["axis"])


def log_softmax(to: OnnxGraph, node: Node) -> str:
    return to.node("LogSoftmax", *node.inputs, axis=node.attributes["axis"])


# ---- element by element ----------------------------------------------------------------------------------------------------------------


def activation(to: OnnxGraph, node: Node) -> str:
    x, a, b = node.inputs[0], float(node.attributes["a"]), float(node.attributes["b"])
    return ACTIVATIONS[node.attributes["kind"]](to, x, a, b)


def _gelu(to: OnnxGraph, x: str) -> str:
    """x / 2 * (1 + erf(x / sqrt 2)); opset 17 has no operator for it."""
    density = to.node("Add", to.node("Erf", to.node("Mul", x, to.floats(math.sqrt(0.5)))), to.floats(1))
    return to.node("Mul", to.node("Mul", x, to.floats(0.5)), density)


ACTIVATIONS: dict[str, Callable[[OnnxGraph, str, float, float], str]] = {
    "identity": lambda to, x, a, b: to.node("Identity", x),
    "relu": lambda to, x, a, b: to.node("Relu", x),
    "clipped": lambda to, x, a, b: to.node("Clip", x, to.floats(a), to.floats(b)),
    "leaky_relu": lambda to, x, a, b: to.node("LeakyRelu", x, alpha=a),
    "elu": lambda to, x, a, b: to.node("Elu", x, alpha=a),
    "sigmoid": lambda to, x, a, b: to.node("Sigmoid", x),
    "tanh": lambda to, x, a, b: to.node("Tanh", x),
    "silu": lambda to, x, a, b: to.node("Mul", x, to.node("Sigmoid", x)),
    "gelu": lambda to, x, a, b: _gelu(to, x),
    "hardsigmoid": lambda to, x, a, b: to.node("HardSigmoid", x, alpha=1 / 6, beta=0.5),
    "hardswish": lambda to, x, a, b: to.node("HardSwish", x),
    "mish": lambda to, x, a, b: to.node("Mul", x, to.node("Tanh", to.node("Softplus", x))),
}


def prelu(to: OnnxGraph, node: Node) -> str:
    x, weight = node.inputs
    if node.shapes[1] != (1,):  # one slope a channel: axis 1, where broadcasting begins at the last
        weight = to.node("Reshape", weight, to.integers(-1, *(1 for _ in node.shapes[0][2:])))
    return to.node("PRelu", x, weight)


def scale_shift(to: OnnxGraph, node: Node) -> str:
    y, scale, shift = node.inputs[0], node.attributes["scale"], node.attributes["shift"]
    if scale != 1:
        y = to.node("Mul", y, to.floats(scale))
    return to.node("Add", y, to.floats(shift)) if shift != 0 or scale == 1 else y


# ---- shape -----------------------------------------------------------------------------------------------------------------------------


def reshape(to: OnnxGraph, node: Node) -> str:
    shape = node.attributes["shape"]
    if 0 in shape or list(shape).count(-1) > 1:
        raise ValueError(f"[save] a reshaped value must keep its batch in one axis, and have no empty one. Got {tuple(shape)}.")
    return to.node("Reshape", node.inputs[0], to.integers(*shape))


def concat(to: OnnxGraph, node: Node) -> str:
    return to.node("Concat", *node.inputs, axis=node.attributes["axis"])


def slice_(to: OnnxGraph, node: Node) -> str:
    axis, start, stop = (node.attributes[name] for name in ("axis", "start", "stop"))
    if stop == -1:  # it follows the batch
        if start + node.outputs[0][axis] != node.shapes[0][axis]:
            raise ValueError(f"[save] a part of the batch must go to its end, or be the same for every batch. Got axis {axis}.")
        stop = _TO_THE_END
    return to.node("Slice", node.inputs[0], to.integers(start), to.integers(stop), to.integers(axis))


OPERATORS: dict[str, Operator] = {
    "activation": activation,
    "add": lambda to, node: to.node("Add", *node.inputs),
    "avg_pool": avg_pool,
    "batch_norm": batch_norm,
    "concat": concat,
    "conv2d": conv2d,
    "linear": linear,
    "local_response_norm": local_response_norm,
    "log_softmax": log_softmax,
    "max_pool": max_pool,
    "multiply": lambda to, node: to.node("Mul", *node.inputs),
    "prelu": prelu,
    "reshape": reshape,
    "scale_shift": scale_shift,
    "slice": slice_,
    "softmax": softmax,
}

# Attributes that may follow the batch: they hold -1 then.
BATCH_SIZED = {("reshape", "shape"), ("slice", "stop")}
