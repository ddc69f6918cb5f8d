"""Receptive fields: how much of the image each entry of a value sees. Followed through a trace, node by node, each image axis for itself.

An entry sees `size` pixels of an axis, its neighbour as many, `jump` pixels further: a window of k entries sees size + (k - 1) * jump, and
one that moves by s jumps by s * jump. Both count as if the image went on beyond its borders.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from fastcnn.support.arrays import Shape
from fastcnn.support.records import Node
from fastcnn.tracing.operators import row_of
from fastcnn.tracing.trace import Trace

__all__ = ["IMAGE", "RULES", "WHOLE", "Along", "Field", "field_after", "fields_of", "size_of"]

WHOLE = "whole image"
_FARTHEST = 64  # entries apart at which steps are measured


class Along(NamedTuple):
    """One axis of the image, in a value. axis None: no axis of the value runs along it.

    part: None, or (step, count, extent) where the value's axis, of `extent` entries, holds other axes, too: then `count` of its entries,
    `step` apart, lie along the image's axis.
    """

    axis: int | None
    size: Fraction | None = Fraction(1)  # None: all pixels
    jump: Fraction = Fraction(1)
    part: tuple[int, int, int] | None = None

    def whole(self) -> Along:
        return self._replace(size=None)

    def gone(self) -> Along:
        """The axis was combined into one entry."""
        return Along(None, None)

    def widened(self, entries: int, step: Fraction | int) -> Along:
        """Seen through a window of `entries` entries that moves by `step` entries."""
        jump = self.jump
        if self.part is not None:
            inside, count, extent = self.part
            if inside * count != extent:  # the image's axis is repeated along the value's
                return self.whole()
            jump /= inside
        return Along(self.axis, None if self.size is None else self.size + (entries - 1) * jump, jump * step)


Field = tuple[Along, Along]  # height, width
IMAGE: Field = (Along(2), Along(3))  # of an image (N, C, H, W) itself


class Seen(NamedTuple):
    """An input of a node that depends on the image."""

    field: Field
    shape: Shape


def size_of(field: Field | None, image: Shape) -> tuple[int, int] | str | None:
    """Pixels (height, width); WHOLE; None for what depends on no image."""
    if field is None:
        return None
    if all(along.size is None for along in field):
        return WHOLE
    height, width = (extent if along.size is None else math.ceil(along.size) for along, extent in zip(field, image, strict=True))
    return height, width


def fields_of(trace: Trace) -> dict[int, Field]:
    """The field of each value that depends on the image, the first value of the trace: (N, C, H, W)."""
    fields: dict[int, Field] = {0: IMAGE}
    for node in trace.graph.nodes():
        fields |= field_after(node, fields, trace)
    return fields


def field_after(node: Node, fields: Mapping[int, Field], trace: Trace) -> dict[int, Field]:
    """The fields of a node's outputs, from those of its inputs. Empty if no input depends on the image."""
    inputs = [Seen(fields[value], trace.graph.shape(value)) for value in node["inputs"] if value in fields]
    if not inputs:
        return {}
    found = RULES[row_of(node["op"]).field](node, inputs, trace)
    return {value: _fitting(found, trace.graph.shape(value)) for value in node["outputs"]}


def _fitting(field: Field, shape: Shape) -> Field:
    """Drops an axis that is part of one that was cut, and one that statistics beside a node's first output do not have."""

    def fits(along: Along) -> bool:
        return along.axis is None or (along.axis < len(shape) and (along.part is None or along.part[2] == shape[along.axis]))

    return _each(field, lambda along: along if fits(along) else along.gone())


def _each(field: Field, change: Callable[[Along], Along]) -> Field:
    return change(field[0]), change(field[1])


def _union(alongs: Iterable[Along]) -> Along:
    """Holds all that these hold."""
    found = list(alongs)
    sizes = [along.size for along in found]
    size = None if None in sizes else max(size for size in sizes if size is not None)
    placed = next((along for along in found if along.axis is not None), found[0])
    return Along(placed.axis, size, max(along.jump for along in found), placed.part)


def _united(fields: Sequence[Field]) -> Field:
    """Height and width each for itself."""
    return _union(field[0] for field in fields), _union(field[1] for field in fields)


# ---- rules: (node, those of its inputs that depend on the image, trace) -> field of its outputs


def _aligned(node: Node, inputs: Sequence[Seen], trace: Trace) -> Field:
    """Entry by entry, as in broadcasting."""
    rank = len(trace.graph.shape(node["outputs"][0]))
    return _united([_with_axes_in_front(seen.field, rank - len(seen.shape)) for seen in inputs])


def _with_axes_in_front(field: Field, count: int) -> Field:
    return _each(field, lambda along: along if along.axis is None else along._replace(axis=along.axis + count))


def _over(field: Field, axes: Iterable[int], change: Callable[[Along], Along] = Along.whole) -> Field:
    """All entries of these axes are combined."""
    combined = set(axes)
    return _each(field, lambda along: change(along) if along.axis in combined else along)


def _windows(field: Field, kernel: Sequence[int], stride: Sequence[Fraction | int], combined: Iterable[int]) -> Field:
    """Windows along axes 2 and 3; all entries of the axes `combined`."""
    field = _over(field, combined)
    return _each(field, lambda along: along.widened(kernel[along.axis - 2], stride[along.axis - 2]) if along.axis in (2, 3) else along)


def _spans(kernel: Sequence[int], node: Node) -> list[int]:
    return [(k - 1) * d + 1 for k, d in zip(kernel, node["attributes"].get("dilation", (1, 1)), strict=True)]


def _convolution(node: Node, inputs: Sequence[Seen], trace: Trace) -> Field:
    return _windows(inputs[0].field, _spans(trace.graph.shape(node["inputs"][1])[2:], node), node["attributes"]["stride"], [1])


def _transposed_convolution(node: Node, inputs: Sequence[Seen], trace: Trace) -> Field:
    """An output is computed with each stride-th entry of the kernel."""
    strides = node["attributes"]["stride"]
    spans = _spans(trace.graph.shape(node["inputs"][1])[2:], node)
    kernel = [(span - 1) // stride + 1 for span, stride in zip(spans, strides, strict=True)]
    return _windows(inputs[0].field, kernel, [Fraction(1, stride) for stride in strides], [1])


def _pooling(node: Node, inputs: Sequence[Seen], trace: Trace) -> Field:
    attributes = node["attributes"]
    field = inputs[0].field
    if "adaptive" not in attributes:
        return _windows(field, _spans(attributes["kernel"], node), attributes["stride"], [])
    for axis, outputs in zip((2, 3), attributes["adaptive"], strict=True):
        size = trace.graph.shape(node["inputs"][0])[axis]
        i = np.arange(outputs)
        field = _places(field, axis, size, i * size // max(outputs, 1), -(-(i + 1) * size // max(outputs, 1)) - 1)
    return field


def _places(field: Field, axis: int, size: int, first: np.ndarray, last: np.ndarray) -> Field:
    """Each output sees the entries first .. last of an axis of `size`."""
    outputs = len(first)
    if not outputs or (outputs == 1 and last[0] - first[0] + 1 == size > 1):
        return _over(field, [axis], Along.gone)
    width = int((last - first).max()) + 1
    step = _step(first, size)
    return _each(field, lambda along: along.widened(width, step) if along.axis == axis else along)


def _step(places: np.ndarray, size: int) -> Fraction:
    """Entries of the input from one output to the next, as a mean over d outputs: the largest for each d, of these the smallest."""
    outputs = len(places)
    if outputs % size == 0 and (size < 3 or np.array_equal(places, np.arange(outputs) // (outputs // size))):
        return Fraction(size, outputs)
    distances = range(1, max(1, min(outputs // 2, _FARTHEST)) + 1)
    return min(Fraction(int(np.abs(places[d:] - places[:-d]).max(initial=0)), d) for d in distances) if outputs > 1 else Fraction(1)


def _take(node: Node, inputs: Sequence[Seen], trace: Trace) -> Field:
    """Constants at both ends are padding; one between two entries counts as the entry before it."""
    attributes = node["attributes"]
    places = np.asarray(attributes["indices"], np.int64)
    taken = np.flatnonzero(places >= 0)
    if not len(taken):
        return inputs[0].field
    inner = places[taken[0] : taken[-1] + 1]
    inner = inner[np.maximum.accumulate(np.where(inner >= 0, np.arange(len(inner)), 0))]
    axis = attributes["axis"]
    size = trace.graph.shape(node["inputs"][0])[axis]
    return _each(inputs[0].field, lambda along: along.widened(1, _step(inner, size)) if along.axis == axis else along)


def _resample(node: Node, inputs: Sequence[Seen], trace: Trace) -> Field:
    attributes = node["attributes"]
    places = np.asarray(attributes["indices"], np.int64).reshape(-1, attributes["taps"])
    counts = np.asarray(attributes["weights"]).reshape(places.shape) != 0
    axis = attributes["axis"]
    last = np.where(counts, places, -1).max(axis=1)
    size = trace.graph.shape(node["inputs"][0])[axis]
    first = np.minimum(np.where(counts, places, size).min(axis=1), np.maximum(last, 0))
    return _places(inputs[0].field, axis, size, first, np.maximum(last, first))


def _last_axes(node: Node, inputs: Sequence[Seen], trace: Trace) -> Field:
    rank = len(trace.graph.shape(node["inputs"][0]))
    return _over(inputs[0].field, range(rank - node["attributes"]["axes"], rank))


def _one_axis(node: Node, inputs: Sequence[Seen], trace: Trace) -> Field:
    """softmax, top_k: along attribute axis."""
    return _over(inputs[0].field, [node["attributes"]["axis"]])


def _channels(node: Node, inputs: Sequence[Seen], trace: Trace) -> Field:
    return _over(inputs[0].field, [1])


def _reduction(node: Node, inputs: Sequence[Seen], trace: Trace) -> Field:
    """Over attribute axes, or axis."""
    attributes = node["attributes"]
    axes = set(attributes["axes"] if "axes" in attributes else [attributes["axis"]])
    field = _over(inputs[0].field, axes, Along.gone)
    if attributes["keepdims"]:
        return field
    return _each(field, lambda a: a if a.axis is None else a._replace(axis=a.axis - sum(axis < a.axis for axis in axes)))


def _last_axis(node: Node, inputs: Sequence[Seen], trace: Trace) -> Field:
    return _over(inputs[0].field, [len(trace.graph.shape(node["inputs"][0])) - 1])


def _matmul(node: Node, inputs: Sequence[Seen], trace: Trace) -> Field:
    """The axis that is summed over is combined; rows come from the first operand, columns from the second."""
    rank = len(trace.graph.shape(node["outputs"][0]))
    given = iter(inputs)
    found = []
    for place, (value, flag) in enumerate(zip(node["inputs"], ("transpose_a", "transpose_b"), strict=True)):
        if value in trace.parameters:
            continue
        own = len(trace.graph.shape(value))
        summed, kept = (own - 1, own - 2) if (place == 0) != node["attributes"].get(flag, False) else (own - 2, own - 1)
        field = _over(next(given).field, [summed], Along.gone)
        to = {kept: rank - 2 + place} | {axis: axis + rank - own for axis in range(own - 2)}
        found.append(_each(field, lambda along, to=to: along if along.axis is None else along._replace(axis=to[along.axis])))  # type: ignore[misc]
    return _united(found)


def _transpose(node: Node, inputs: Sequence[Seen], trace: Trace) -> Field:
    axes = list(node["attributes"]["axes"])
    return _each(inputs[0].field, lambda along: along if along.axis is None else along._replace(axis=axes.index(along.axis)))


def _reshape(node: Node, inputs: Sequence[Seen], trace: Trace) -> Field:
    """Elements keep their order: the entries of the image's axis lie as many elements apart as before."""
    before = trace.graph.shape(node["inputs"][0])
    after = trace.graph.shape(node["outputs"][0])
    return _each(inputs[0].field, lambda along: along if along.axis is None else _moved(along, along.axis, before, after))


def _moved(along: Along, axis: int, before: Shape, after: Shape) -> Along:
    step, count, _ = along.part or (1, before[axis], 0)
    if 0 in before or count == 1:
        return along._replace(axis=None, part=None)
    step *= math.prod(before[axis + 1 :])
    rows = [math.prod(after[i + 1 :]) for i in range(len(after))]  # elements from one entry of an axis to its next
    for i in reversed(range(len(after))):
        row = rows[i]
        extent = after[i]
        if step * count > row * extent:
            continue
        if row <= step and step % row == 0:  # all of the image's axis lies in this one
            return along._replace(axis=i, part=None if (step, count) == (row, extent) else (step // row, count, extent))
        times = row // step
        if row % step == 0 and count % times == 0:  # its outer part; the inner part lies in another axis
            seen = None if along.size is None else along.size + (times - 1) * along.jump
            return Along(i, seen, along.jump * times, None if count // times == extent else (1, count // times, extent))
        break
    return along.gone()


RULES: dict[str, Callable[[Node, Sequence[Seen], Trace], Field]] = {
    "aligned": _aligned,
    "channels": _channels,
    "convolution": _convolution,
    "last_axes": _last_axes,
    "last_axis": _last_axis,
    "matmul": _matmul,
    "one_axis": _one_axis,
    "pooling": _pooling,
    "reduction": _reduction,
    "resample": _resample,
    "reshape": _reshape,
    "take": _take,
    "transpose": _transpose,
    "transposed_convolution": _transposed_convolution,
}
