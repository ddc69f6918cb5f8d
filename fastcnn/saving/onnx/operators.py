"""The core's ops in ONNX, opset 17. A rule appends the nodes that compute what its op computes, and returns the names of their outputs."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from fastcnn.saving.onnx.elementwise import activation, cast, compare, prelu, scale_shift, where
from fastcnn.saving.onnx.graph import CoreNode, OnnxGraph
from fastcnn.saving.onnx.pooling import avg_pool, max_pool
from fastcnn.saving.onnx.reduction import arg_max, matmul, normalize, reduce, resample, top_k
from fastcnn.saving.onnx.shape import expand, reshape, slice_, take, transpose
from fastcnn.tracing.operators import Direct, row_of

__all__ = ["RULES", "add_operator"]


def add_operator(to: OnnxGraph, node: CoreNode) -> str | list[str]:
    """Appends a node of the core. Returns the names of its outputs."""
    form = row_of(node.op).export
    if isinstance(form, Direct):
        return to.node(form.kind, *node.inputs, **{name: node.attributes[name] for name in form.attributes})
    assert isinstance(form, str)
    return RULES[form](to, node)


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
    scale = weight or to.floats(np.ones(C))
    shift = bias or to.floats(np.zeros(C))
    return to.node("BatchNormalization", x, scale, shift, mean, var, epsilon=float(node.attributes["eps"]))


def local_response_norm(to: OnnxGraph, node: CoreNode) -> str:
    """An even window has its larger half after the channel in ONNX, before it in the core: then a convolution sums the window."""
    x = node.inputs[0]
    a = node.attributes
    size, alpha, beta, k = a["size"], float(a["alpha"]), float(a["beta"]), float(a["k"])
    if size % 2:
        return to.node("LRN", x, size=size, alpha=alpha, beta=beta, bias=k)
    C, rest = node.shapes[0][1], node.shapes[0][2:]
    distance = np.arange(C) - np.arange(C)[:, None]
    window = (distance >= -(size // 2)) & (distance <= (size - 1) // 2)
    total = to.node("Conv", to.node("Mul", x, x), to.floats(window.reshape(C, C, *(1 for _ in rest))))
    scaled = to.node("Add", to.node("Mul", total, to.floats(alpha / size)), to.floats(k))
    return to.node("Div", x, to.node("Pow", scaled, to.floats(beta)))


RULES: dict[str, Callable[[OnnxGraph, CoreNode], str | list[str]]] = {
    "activation": activation,
    "arg_max": arg_max,
    "avg_pool": avg_pool,
    "batch_norm": batch_norm,
    "cast": cast,
    "compare": compare,
    "conv2d": conv2d,
    "conv_transpose2d": conv_transpose2d,
    "expand": expand,
    "linear": linear,
    "local_response_norm": local_response_norm,
    "matmul": matmul,
    "max_pool": max_pool,
    "normalize": normalize,
    "prelu": prelu,
    "reduce": reduce,
    "resample": resample,
    "reshape": reshape,
    "scale_shift": scale_shift,
    "slice": slice_,
    "take": take,
    "top_k": top_k,
    "transpose": transpose,
    "where": where,
}
