"""Ops of the core as functions with the generality of ONNX, where PyTorch has no such function: any rank, uneven padding, steps, NumPy's
broadcasting. Each leaves out a node that would change nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np

from fastcnn._core import Parameter
from fastcnn.onnx.refusals import refusal
from fastcnn.support.arrays import AnyArray
from fastcnn.tracing.axes import resolved_shape
from fastcnn.tracing.batch_size import concrete
from fastcnn.tracing.value import Value, add_node

__all__ = [
    "MOST_CONSTANT",
    "MOST_PLACES",
    "activation",
    "affine",
    "binary",
    "bounded",
    "cut",
    "expand",
    "keep_places",
    "matmul",
    "reduce",
    "reshape",
    "take",
    "transpose",
]

MOST_CONSTANT = 1 << 24  # elements of one array that folding makes
MOST_PLACES = 1 << 20  # entries of a list of indices along an axis: they become Python integers
_MOST_KEPT = 1 << 22  # entries of all such lists of a trace, which its graph keeps
X = TypeVar("X", Value, AnyArray)


def activation(x: Value, kind: str, a: float = 0.0, b: float = 0.0) -> Value:
    return add_node("activation", [x], {"kind": kind, "a": float(a), "b": float(b)})


def affine(x: Value, scale: float, shift: float) -> Value:
    """scale * x + shift"""
    return x if (scale, shift) == (1.0, 0.0) else add_node("scale_shift", [x], {"scale": float(scale), "shift": float(shift)})


def binary(op: str, a: Value, b: Value | Parameter, **attributes: Any) -> Value:
    """a op b, broadcast."""
    return add_node(op, [a, b], attributes)


# ---- moves: a symbolic value becomes a node, NumPy moves a constant


def reshape(x: X, shape: Sequence[int]) -> X:
    """x with another shape, of integers; one of them may be -1."""
    before = concrete(x.shape)
    after = resolved_shape(before, concrete(shape))
    if tuple(after) == before:
        return x
    if isinstance(x, Value):
        return x.reshape(after)
    if not x.flags.c_contiguous:
        bounded(x.shape)  # reshape copies it
    found: AnyArray = x.reshape(after)
    return found


def transpose(x: X, axes: Sequence[int]) -> X:
    """x with its axis axes[i] as axis i."""
    if list(axes) == list(range(x.ndim)):
        return x
    if isinstance(x, Value):
        return add_node("transpose", [x], {"axes": [int(axis) for axis in axes]})
    found: AnyArray = np.transpose(x, axes)
    return found


def cut(x: X, axis: int, start: int, stop: int) -> X:
    """x[..., start:stop, ...]"""
    if (start, stop) == (0, concrete(x.shape)[axis]):
        return x
    if isinstance(x, Value):
        return add_node("slice", [x], {"axis": axis, "start": start, "stop": stop})
    return x[(slice(None),) * axis + (slice(start, stop),)]


def take(x: X, axis: int, indices: AnyArray, value: float = 0.0) -> X:
    """x at these indices of an axis; `value` where an index is -1."""
    count = len(indices)
    if count and indices[0] >= 0 and np.array_equal(indices, np.arange(indices[0], indices[0] + count)):
        return cut(x, axis, int(indices[0]), int(indices[0]) + count)
    if isinstance(x, Value):
        keep_places(x, count)
        return add_node("take", [x], {"axis": axis, "indices": [int(index) for index in indices], "value": float(value)})
    bounded((*x.shape[:axis], count, *x.shape[axis + 1 :]))
    found: AnyArray = np.take(x, indices, axis)
    return found


def keep_places(x: Value, count: int) -> None:
    """Counts indices that a node of x will keep; ValueError if there are too many, before they are made."""
    bounded((count,), MOST_PLACES)
    x.trace.places += count
    if x.trace.places > _MOST_KEPT:
        raise refusal(ValueError, f"the places that a network takes values from must be at most {_MOST_KEPT} together", "more")


def expand(x: X, shape: Sequence[int]) -> X:
    """x broadcast to a shape."""
    if tuple(shape) == concrete(x.shape):
        return x
    if isinstance(x, Value):
        return add_node("expand", [x], {"shape": [int(size) for size in shape]})
    return np.broadcast_to(x, bounded(shape, 1 << 40))


def bounded(shape: Sequence[int], most: int = MOST_CONSTANT) -> tuple[int, ...]:
    """The shape of a constant before it is made; ValueError if it has more than `most` elements."""
    if math.prod(size or 1 for size in shape) > most:
        raise refusal(ValueError, f"a constant that is computed must have at most {most} elements", tuple(shape))
    return tuple(shape)


# ---- arithmetic


def reduce(x: Value, kind: str, axes: Sequence[int], keepdims: bool = True) -> Value:
    """A reduction over axes; x itself without any."""
    return add_node("reduce", [x], {"kind": kind, "axes": [int(axis) for axis in axes], "keepdims": keepdims}) if axes else x


def matmul(a: Value, b: Value | Parameter, transposed: dict[str, bool]) -> Value:
    """a @ b of matrices or stacks of them. transposed: {"transpose_a": ..., "transpose_b": ...}"""
    return add_node("matmul", [a, b], transposed)
