"""The core's ops as functions, for what torch has no function of, and with the generality of ONNX: any rank, uneven padding, steps, NumPy's
broadcasting. Each skips a node that would change nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np

from fastcnn._core import Parameter
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
MOST_PLACES = 1 << 20  # of a list of places along an axis: these become integers of Python
_MOST_KEPT = 1 << 22  # of all such lists of a trace, which its graph keeps
X = TypeVar("X", Value, AnyArray)


def activation(x: Value, kind: str, a: float = 0.0, b: float = 0.0) -> Value:
    return add_node("activation", [x], {"kind": kind, "a": float(a), "b": float(b)})


def affine(x: Value, scale: float, shift: float) -> Value:
    """scale * x + shift"""
    return x if (scale, shift) == (1.0, 0.0) else add_node("scale_shift", [x], {"scale": float(scale), "shift": float(shift)})


def binary(op: str, a: Value, b: Value | Parameter, **attributes: Any) -> Value:
    """a op b, each repeated to the shape of both."""
    return add_node(op, [a, b], attributes)


# ---- moves: of a symbolic value, or of a constant, which NumPy moves at once


def reshape(x: X, shape: Sequence[int]) -> X:
    """A shape in numbers, as those that a file computes are."""
    before = concrete(x.shape)
    after = resolved_shape(before, concrete(shape))
    if tuple(after) == before:
        return x
    if isinstance(x, Value):
        return x.reshape(after)
    if not x.flags.c_contiguous:
        bounded(x.shape)  # it is copied
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
    """x at these places of an axis; at a place of -1, `value`."""
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
    """Counts places that a node of x will keep; ValueError before they are made, if they are too many."""
    bounded((count,), MOST_PLACES)
    x.trace.places += count
    if x.trace.places > _MOST_KEPT:
        raise ValueError(f"the places that a network takes values from must be at most {_MOST_KEPT} together. Got more")


def expand(x: X, shape: Sequence[int]) -> X:
    """x repeated to a shape that it broadcasts to."""
    if tuple(shape) == concrete(x.shape):
        return x
    if isinstance(x, Value):
        return add_node("expand", [x], {"shape": [int(size) for size in shape]})
    return np.broadcast_to(x, bounded(shape, 1 << 40))


def bounded(shape: Sequence[int], most: int = MOST_CONSTANT) -> tuple[int, ...]:
    """The shape of a constant that is about to be made, of at most so many elements."""
    if math.prod(size or 1 for size in shape) > most:
        raise ValueError(f"a constant that is computed must have at most {most} elements. Got {tuple(shape)}")
    return tuple(shape)


# ---- arithmetic


def reduce(x: Value, kind: str, axes: Sequence[int], keepdims: bool = True) -> Value:
    return add_node("reduce", [x], {"kind": kind, "axes": [int(axis) for axis in axes], "keepdims": keepdims}) if axes else x


def matmul(a: Value, b: Value | Parameter, transposed: dict[str, bool]) -> Value:
    """a @ b of matrices, or of many."""
    return add_node("matmul", [a, b], transposed)
