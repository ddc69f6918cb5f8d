"""Rules of operators.py for pooling. Sizes of images are known: ceil_mode, on which runtimes do not agree, is written as padding."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fastcnn.saving.onnx.graph import CoreNode, OnnxGraph
from fastcnn.support.arrays import AnyArray

__all__ = ["avg_pool", "max_pool"]


class Axis(NamedTuple):
    size: int
    outputs: int
    kernel: int
    stride: int
    before: int
    after: int  # the padding asked for, without that of ceil_mode
    dilation: int

    @property
    def end(self) -> int:
        """The padding that the last window needs."""
        return max(0, (self.outputs - 1) * self.stride + self.dilation * (self.kernel - 1) + 1 - self.size - self.before)

    def counts(self) -> AnyArray:
        """How many elements each window has: pixels and padding, without what lies beyond the padding."""
        starts = np.arange(self.outputs) * self.stride - self.before
        return np.minimum(starts + self.kernel, self.size + self.after) - starts


def _axes(node: CoreNode) -> list[Axis]:
    a = node.attributes
    (height, width), (rows, columns), (top, left, bottom, right) = node.shapes[0][2:], node.outputs[0][2:], a["padding"]
    dilation = a.get("dilation", (1, 1))
    return [
        Axis(height, rows, a["kernel"][0], a["stride"][0], top, bottom, dilation[0]),
        Axis(width, columns, a["kernel"][1], a["stride"][1], left, right, dilation[1]),
    ]


def max_pool(to: OnnxGraph, node: CoreNode) -> str:
    x = node.inputs[0]
    if "adaptive" in node.attributes:
        return _adaptive(to, node, "MaxPool")
    rows, columns = axes = _axes(node)
    pads = [rows.before, columns.before, rows.end, columns.end]
    if any(axis.end >= axis.kernel for axis in axes):  # dilated windows: MaxPool takes only pads below the kernel
        x = to.node("Pad", x, to.integers(0, 0, *pads[:2], 0, 0, *pads[2:]), to.floats(-np.inf))
        pads = [0, 0, 0, 0]
    windows = {"kernel_shape": node.attributes["kernel"], "strides": node.attributes["stride"], "dilations": [a.dilation for a in axes]}
    return to.node("MaxPool", x, **windows, pads=pads)


def avg_pool(to: OnnxGraph, node: CoreNode) -> str:
    """The mean of each window, of its pixels or of its pixels and padding. Another divisor becomes a factor for each place."""
    if "adaptive" in node.attributes:
        return _adaptive(to, node, "AveragePool")
    rows, columns = _axes(node)
    divisor = node.attributes["divisor"]
    padding_counts = node.attributes["count_include_pad"]
    whole = bool(divisor or padding_counts)
    pads = [rows.before, columns.before, rows.end, columns.end]
    windows = {"kernel_shape": node.attributes["kernel"], "strides": node.attributes["stride"], "pads": pads}
    y = to.node("AveragePool", node.inputs[0], **windows, count_include_pad=int(whole))
    counts = np.full((rows.outputs, columns.outputs), divisor) if divisor else np.outer(rows.counts(), columns.counts())
    factors = rows.kernel * columns.kernel / counts
    return to.node("Mul", y, to.floats(factors)) if whole and np.any(factors != 1) else y


def _adaptive(to: OnnxGraph, node: CoreNode, kind: str) -> str:
    """Windows i * size / outputs .. ceil((i + 1) * size / outputs): all of one size where outputs divides size."""
    x = node.inputs[0]
    sizes = node.shapes[0][2:]
    outputs = node.attributes["adaptive"]
    if list(outputs) == [1, 1]:
        return to.node(f"Global{kind}", x)
    if all(size % count == 0 for size, count in zip(sizes, outputs, strict=True)):
        kernel = [size // count for size, count in zip(sizes, outputs, strict=True)]
        return to.node(kind, x, kernel_shape=kernel, strides=kernel)
    for axis, size, count in zip((2, 3), sizes, outputs, strict=True):
        windows = [(i * size // count, -(-(i + 1) * size // count)) for i in range(count)]
        x = _means(to, x, axis, size, windows) if kind == "AveragePool" else _maxima(to, x, axis, windows)
    return x


def _means(to: OnnxGraph, x: str, axis: int, size: int, windows: list[tuple[int, int]]) -> str:
    """A product with a matrix that has a row for each window."""
    weights = np.zeros((len(windows), size))
    for row, (start, stop) in zip(weights, windows, strict=True):
        row[start:stop] = 1 / (stop - start)
    return to.node("MatMul", to.floats(weights), x) if axis == 2 else to.node("MatMul", x, to.floats(weights.T))


def _maxima(to: OnnxGraph, x: str, axis: int, windows: list[tuple[int, int]]) -> str:
    parts = [to.node("Slice", x, to.integers(start), to.integers(stop), to.integers(axis)) for start, stop in windows]
    return to.node("Concat", *(to.node("ReduceMax", part, axes=[axis], keepdims=1) for part in parts), axis=axis)
