"""Arithmetic of shapes, as NumPy and PyTorch define it: axes counted from the end, -1 in a reshape, slices. No values here."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from fastcnn.arguments import whole
from fastcnn.arrays import Shape

__all__ = ["axis_of", "merged_axes", "resolved_shape", "slices_of"]


def axis_of(where: str, axis: Any, rank: int) -> int:
    """The axis counted from the front."""
    result = whole(where, "axis", axis, -(2**31))
    if not -rank <= result < rank:
        raise ValueError(f"[{where}] the axis must be one of the value's {rank}. Got axis={result}.")
    return result % rank


def merged_axes(shape: Shape, first: int, last: int) -> Shape:
    """The shape with the axes first .. last made one, both included."""
    if not shape:
        return (1,)
    first, last = axis_of("flatten", first, len(shape)), axis_of("flatten", last, len(shape))
    if first > last:
        raise ValueError(f"[flatten] start_dim must not come after end_dim. Got start_dim={first}, end_dim={last}.")
    return (*shape[:first], math.prod(shape[first : last + 1]), *shape[last + 1 :])


def resolved_shape(shape: Shape, wanted: Sequence[Any]) -> list[int]:
    """`wanted` with its -1, if it has one, replaced by what is left."""
    sizes = [whole("reshape", "shape", size, -1) for size in wanted]
    known = math.prod(size for size in sizes if size != -1)
    elements = math.prod(shape)
    unknown = sizes.count(-1)
    if unknown > 1 or (unknown == 1 and (known == 0 or elements % known)) or (unknown == 0 and known != elements):
        raise ValueError(f"[reshape] the shape must hold as many elements as {shape}. Got {tuple(sizes)}.")
    return [elements // known if size == -1 else size for size in sizes]


def slices_of(shape: Shape, index: Any) -> tuple[list[tuple[int, int, int]], Shape]:
    """What x[index] means: (axis, start, stop) for each axis that is cut, and the shape of the result."""
    cuts, result = [], []
    for axis, (extent, entry) in enumerate(zip(shape, _full_index(shape, index), strict=True)):
        if isinstance(entry, slice):
            start, stop, step = entry.indices(extent)
            if step != 1:
                raise NotImplementedError(f"[slice] the step must be 1. Got step={step}.")
            stop = max(start, stop)
            result.append(stop - start)
        else:
            start = whole("slice", "index", entry, -(2**31))
            if not -extent <= start < extent:
                raise IndexError(f"[slice] an index must be inside its axis. Got index={start}, axis of {extent}.")
            start %= extent
            stop = start + 1
        if (start, stop) != (0, extent):
            cuts.append((axis, start, stop))
    return cuts, tuple(result)


def _full_index(shape: Shape, index: Any) -> list[Any]:
    """One entry for each axis; an ellipsis and what is left out become full slices."""
    entries = list(index) if isinstance(index, tuple) else [index]
    for entry in entries:
        if not (entry is Ellipsis or isinstance(entry, slice) or hasattr(entry, "__index__")) or isinstance(entry, bool):
            raise TypeError(f"[slice] an index must be an integer, a slice or an ellipsis. Got {type(entry).__name__}.")
    dots = [i for i, entry in enumerate(entries) if entry is Ellipsis]
    missing = len(shape) - len(entries) + len(dots)
    if len(dots) > 1 or missing < 0:
        raise IndexError(f"[slice] there must be at most one index for each of the {len(shape)} axes. Got {len(entries)}.")
    at = dots[0] if dots else len(entries)
    return entries[:at] + [slice(None)] * missing + entries[at + len(dots) :]
