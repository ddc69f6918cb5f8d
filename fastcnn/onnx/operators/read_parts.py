"""The reader of ONNX: operators that join and cut, Concat, Split, Slice, Gather, Pad, for values of the run and for constants, by NumPy.

fastcnn/saving/onnx/shape.py writes such operators.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fastcnn.onnx.call import Call
from fastcnn.onnx.handlers import mover, operator
from fastcnn.onnx.symbolic import bounded, cut, reshape, take
from fastcnn.support.arrays import AnyArray
from fastcnn.tracing.batch_size import concrete
from fastcnn.tracing.resampling import padded
from fastcnn.tracing.value import Value, add_node

__all__: list[str] = []

_LONGEST_AXIS = 1 << 24


@mover("Concat")
def concat(call: Call) -> Any:
    axis = call.axis(0, call.rank(0))
    if not call.folds:
        return add_node("concat", [call.value(0), *(call.operand(i) for i in range(1, len(call)))], {"axis": axis})
    arrays: list[AnyArray] = [call.data(i) for i in range(len(call))]
    bounded((sum(array.size for array in arrays),))
    return np.concatenate(arrays, axis)


@mover("Split")
def split(call: Call) -> Any:
    """Sizes: an attribute before opset 13, then an input. Without sizes, equal parts; from opset 18 on the last may be smaller."""
    x = call.data(0)
    axis = call.axis(0, call.rank(0))
    extent = call.shape(0)[axis]
    count = len(call.node.outputs)
    sizes = call.whole_numbers(1) if call.has(1) else call.integers("split")
    if sizes is None:
        parts = call.integer("num_outputs", count)
        step = -(-extent // max(1, parts))
        sizes = [max(0, min(step, extent - i * step)) for i in range(count)]
    if len(sizes) != count or any(size < 0 for size in sizes) or sum(sizes) != extent:
        call.fail(f"the sizes of {count} parts must add up to the axis of {extent}", sizes[:9])
    stops = np.cumsum(sizes)
    return tuple(cut(x, axis, int(stop) - size, int(stop)) for stop, size in zip(stops, sizes, strict=True))


@mover("Slice")
def sliced(call: Call) -> Any:
    """starts, ends, axes: attributes before opset 10, then inputs, with the input steps."""
    x = call.data(0)
    rank = call.rank(0)
    named = [call.integers(name) if call.opset < 10 else call.whole_numbers(i) if call.has(i) else None for i, name in _SLICE]
    starts, ends, axes, steps = named
    if starts is None or ends is None:
        call.fail("starts and ends must be given", "none")
    if axes is None:
        axes = list(range(len(starts)))
    elif call.opset >= 10:
        axes = call.axes(3, rank) or []
    steps = [1] * len(starts) if steps is None else steps
    if not len(starts) == len(ends) == len(axes) == len(steps) or 0 in steps or any(not -rank <= axis < rank for axis in axes):
        call.fail("starts, ends, axes and steps must be as many, no step 0", f"{starts[:9]}, {ends[:9]}, {axes[:9]}, {steps[:9]}")
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        x = _cut_steps(x, axis % rank, slice(start, end, step))
    return x


_SLICE = ((1, "starts"), (2, "ends"), (3, "axes"), (4, "steps"))


def _cut_steps(x: Any, axis: int, places: slice) -> Any:
    """x at the indices of a slice along an axis."""
    start, stop, step = places.indices(concrete(x.shape)[axis])
    if step == 1:
        return cut(x, axis, start, max(start, stop))
    bounded((len(range(start, stop, step)),))
    return take(x, axis, np.arange(start, stop, step))


@mover("Gather")
def gather(call: Call) -> Any:
    """x at `indices` along an axis, which the axes of `indices` replace. indices: a constant."""
    x = call.data(0)
    indices = call.constant(1)
    shape = call.shape(0)
    axis = call.axis(0, len(shape))
    extent = shape[axis]
    if indices.dtype.kind not in "iu":
        call.fail("indices must be integers", indices.dtype)
    if indices.size and not (-extent <= indices.min() and indices.max() < extent):
        call.fail(f"indices must be inside the axis of {extent}", f"{indices.min()} to {indices.max()}")
    bounded(indices.shape)
    flat = take(x, axis, np.where(indices < 0, indices + extent, indices).astype(np.int64).ravel())
    return reshape(flat, (*shape[:axis], *indices.shape, *shape[axis + 1 :]))


@operator("Pad")
def pad(call: Call) -> Value:
    """pads and the constant: attributes before opset 11, then inputs. Negative pads crop."""
    x = call.value(0)
    mode = call.text("mode", "constant", "constant", "reflect", "edge", "wrap")
    pads = call.integers("pads") if call.opset < 11 else call.whole_numbers(1)
    value = call.number("value", 0.0, finite=False) if call.opset < 11 else call.scalar(2) if call.has(2) else 0.0
    axes = (call.axes(3, x.ndim) if call.has(3) else None) or list(range(x.ndim))
    if pads is None or len(pads) != 2 * len(axes) or any(abs(count) > _LONGEST_AXIS for count in pads):
        call.fail(f"there must be {2 * len(axes)} pads of at most {_LONGEST_AXIS}", pads and pads[:9])
    if math.isnan(value):
        call.fail("the constant must be a number", value)
    for axis, before, after in zip(axes, pads, pads[len(axes) :], strict=False):
        x = take(x, axis, padded(concrete(x.shape)[axis], before, after, mode, "Pad"), value)
    return call.boolean(x) if call.is_boolean(0) else x
