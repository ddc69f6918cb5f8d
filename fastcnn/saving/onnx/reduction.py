"""Rules of operators.py for ops that combine the elements of lines: reductions, products, resizing, normalization."""

from __future__ import annotations

import numpy as np

from fastcnn.saving.onnx.graph import INT32, CoreNode, OnnxGraph

__all__ = ["arg_max", "matmul", "normalize", "reduce", "resample", "top_k"]

KINDS = {
    "sum": "ReduceSum",
    "mean": "ReduceMean",
    "max": "ReduceMax",
    "min": "ReduceMin",
    "l1": "ReduceL1",
    "l2": "ReduceL2",
    "sum_square": "ReduceSumSquare",
    "product": "ReduceProd",
    "log_sum_exp": "ReduceLogSumExp",
}


def reduce(to: OnnxGraph, node: CoreNode) -> str:
    """An empty list means no axes, but all of them in ONNX: then an axis of one element is added and reduced."""
    kind = KINDS[node.attributes["kind"]]
    x = node.inputs[0]
    axes = list(node.attributes["axes"])
    keepdims = int(node.attributes["keepdims"])
    if not axes:
        axes = [len(node.shapes[0])]
        keepdims = 0
        x = to.node("Unsqueeze", x, to.integers(*axes))
    return _reduced(to, kind, x, axes, keepdims)


def _reduced(to: OnnxGraph, kind: str, x: str, axes: list[int], keepdims: int) -> str:
    if kind == "ReduceSum":  # the first to take its axes as an input
        return to.node(kind, x, to.integers(*axes), keepdims=keepdims)
    return to.node(kind, x, axes=axes, keepdims=keepdims)


def arg_max(to: OnnxGraph, node: CoreNode) -> str:
    a = node.attributes
    places = to.node("ArgMax", node.inputs[0], axis=a["axis"], keepdims=int(a["keepdims"]), select_last_index=int(a["last"]))
    return to.node("Cast", places, to=INT32)


def top_k(to: OnnxGraph, node: CoreNode) -> list[str]:
    a = node.attributes
    values, places = to.nodes("TopK", 2, node.inputs[0], to.integers(a["k"]), axis=a["axis"], largest=int(a["largest"]), sorted=1)
    return [values, to.node("Cast", places, to=INT32)]


def matmul(to: OnnxGraph, node: CoreNode) -> str:
    operands = []
    for name, shape, flag in zip(node.inputs, node.shapes, ("transpose_a", "transpose_b"), strict=True):
        rank = len(shape)
        transposed = node.attributes.get(flag, False)
        operands.append(to.node("Transpose", name, perm=[*range(rank - 2), rank - 1, rank - 2]) if transposed else name)
    return to.node("MatMul", *operands)


def resample(to: OnnxGraph, node: CoreNode) -> str:
    """A product with a matrix that has a row for each output, along the last axis."""
    x = node.inputs[0]
    axis = node.attributes["axis"]
    shape = node.shapes[0]
    taps = node.attributes["taps"]
    matrix = np.zeros((shape[axis], len(node.attributes["indices"]) // taps))
    for i, (index, weight) in enumerate(zip(node.attributes["indices"], node.attributes["weights"], strict=True)):
        matrix[index, i // taps] += weight
    if axis == len(shape) - 1:
        return to.node("MatMul", x, to.floats(matrix))
    if axis == len(shape) - 2:
        return to.node("MatMul", to.floats(matrix.T), x)
    exchanged = list(range(len(shape)))
    exchanged[axis], exchanged[-1] = exchanged[-1], axis
    return to.node("Transpose", to.node("MatMul", to.node("Transpose", x, perm=exchanged), to.floats(matrix)), perm=exchanged)


def normalize(to: OnnxGraph, node: CoreNode) -> str:
    """By its formula: LayerNormalization would need weights as large as what is normalized."""
    x = node.inputs[0]
    rank = len(node.shapes[0])
    axes = list(range(rank - node.attributes["axes"], rank))
    centered = to.node("Sub", x, _reduced(to, "ReduceMean", x, axes, 1))
    variance = _reduced(to, "ReduceMean", to.node("Mul", centered, centered), axes, 1)
    return to.node("Div", centered, to.node("Sqrt", to.node("Add", variance, to.floats(node.attributes["eps"]))))
