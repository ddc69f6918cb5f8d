"""The core's operators in ONNX, opset 17: each function appends the nodes that compute what its operator does."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from fastcnn.saving.onnx.elementwise import activation, binary, cast, compare, prelu, scale_shift, where
from fastcnn.saving.onnx.graph import CoreNode, OnnxGraph
from fastcnn.saving.onnx.pooling import avg_pool, max_pool
from fastcnn.saving.onnx.reduction import arg_max, matmul, normalize, reduce, resample, top_k
from fastcnn.saving.onnx.shape import concat, expand, reshape, slice_, take, transpose

__all__ = ["BATCH_SIZED", "OPERATORS"]

Operator = Callable[[OnnxGraph, CoreNode], str | list[str]]


def conv2d(to: OnnxGraph, node: CoreNode) -> str:
    a = node.attributes
    windows = {"kernel_shape": node.shapes[1][2:], "strides": a["stride"], "pads": a["padding"], "dilations": a["dilation"]}
    return to.node("Conv", *node.inputs, **windows, group=a["groups"])


def conv_transpose2d(to: OnnxGraph, node: CoreNode) -> str:
    a = node.attributes
    windows = {"kernel_shape": node.shapes[1][2:], "strides": a["stride"], "pads": a["padding"], "dilations": a["dilation"]}
    return to.node("ConvTranspose", *node.inputs, **windows, output_padding=a["output_padding"], group=a["groups"])


def linear(to: OnnxGraph, node: CoreNode) -> str:
    return to.node("Gemm", *node.inputs, transB=1)


def batch_norm(to: OnnxGraph, node: CoreNode) -> str:
    x, weight, bias, mean, var = node.inputs
    C = node.shapes[0][1]
    weight, bias = weight or to.floats(np.ones(C)), bias or to.floats(np.zeros(C))
    return to.node("BatchNormalization", x, weight, bias, mean, var, epsilon=float(node.attributes["eps"]))


def local_response_norm(to: OnnxGraph, node: CoreNode) -> str:
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


def softmax(to: OnnxGraph, node: CoreNode) -> str:
    return to.node("Softmax", *node.inputs, axis=node.attributes["axis"])


def log_softmax(to: OnnxGraph, node: CoreNode) -> str:
    return to.node("LogSoftmax", *node.inputs, axis=node.attributes["axis"])


OPERATORS: dict[str, Operator] = {
    "activation": activation,
    "add": binary("Add"),
    "arg_max": arg_max,
    "avg_pool": avg_pool,
    "batch_norm": batch_norm,
    "cast": cast,
    "compare": compare,
    "concat": concat,
    "conv2d": conv2d,
    "conv_transpose2d": conv_transpose2d,
    "divide": binary("Div"),
    "expand": expand,
    "linear": linear,
    "local_response_norm": local_response_norm,
    "log_softmax": log_softmax,
    "matmul": matmul,
    "max_pool": max_pool,
    "maximum": binary("Max"),
    "minimum": binary("Min"),
    "multiply": binary("Mul"),
    "normalize": normalize,
    "power": binary("Pow"),
    "prelu": prelu,
    "reduce": reduce,
    "resample": resample,
    "reshape": reshape,
    "scale_shift": scale_shift,
    "slice": slice_,
    "softmax": softmax,
    "subtract": binary("Sub"),
    "take": take,
    "top_k": top_k,
    "transpose": transpose,
    "where": where,
}

# Attributes that may follow the batch: they hold -1 then.
BATCH_SIZED = {("expand", "shape"), ("reshape", "shape"), ("slice", "stop")}
