"""Arithmetic of shapes as in NumPy and PyTorch: negative axes, -1 in a reshape, slices. This file does not know values."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from fastcnn.support.arguments import whole
from fastcnn.support.arrays import Shape

__all__ = ["axes_of", "axis_of", "expanded_shape", "merged_axes", "permutation_of", "resolved_shape", "slices_of"]


def axis_of(where: str, axis: Any, rank: int) -> int:
    """Returns an axis counted from the front. A negative `axis` counts from the end."""
    result = whole(where, "axis", axis, -(2**31))
    if not -rank <= result < rank:
        raise ValueError(f"[{where}] the axis must be one of the value's {rank}. Got axis={result}.")
    return result % rank


def axes_of(where: str, axes: Any, rank: int) -> list[int]:
    """Returns axes counted from the front, each once. None or () means all axes."""
    if axes is None or (isinstance(axes, (tuple, list)) and not axes):
        return list(range(rank))
    found = [axis_of(where, axis, rank) for axis in (axes if isinstance(axes, (tuple, list)) else [axes])]
    if len(set(found)) != len(found):
        raise ValueError(f"[{where}] an axis must come once. Got {tuple(axes)}.")
    return found


def permutation_of(axes: Sequence[Any], rank: int) -> list[int]:
    """Returns axes counted from the front. They must be a permutation of all `rank` axes."""
    found = [axis_of("permute", axis, rank) for axis in axes]
    if sorted(found) != list(range(rank)):
        raise ValueError(f"[permute] dims must name each of the {rank} axes once. Got {tuple(axes)}.")
    return found


def expanded_shape(shape: Shape, wanted: Sequence[Any]) -> list[int]:
    """Returns `wanted` with each -1 replaced by the size of that axis in `shape`."""
    sizes = [whole("expand", "size", size, -1) for size in wanted]
    new = len(sizes) - len(shape)
    if new < 0 or -1 in sizes[:new]:
        raise ValueError(f"[expand] the sizes must be those of {shape}, with new ones in front. Got {tuple(sizes)}.")
    return [shape[i - new] if size == -1 else size for i, size in enumerate(sizes)]


def merged_axes(shape: Shape, first: int, last: int) -> Shape:
    """Returns the shape with the axes first .. last, both included, merged into one."""
    if not shape:
        return (1,)
    first = axis_of("flatten", first, len(shape))
    last = axis_of("flatten", last, len(shape))
    if first > last:
        raise ValueError(f"[flatten] start_dim must not come after end_dim. Got start_dim={first}, end_dim={last}.")
    return (*shape[:first], math.prod(shape[first : last + 1]), *shape[last + 1 :])


def resolved_shape(shape: Shape, wanted: Sequence[Any]) -> list[int]:
    """Returns `wanted` with its -1, if any, replaced by the size that keeps the number of elements."""
    sizes = [whole("reshape", "shape", size, -1) for size in wanted]
    known = math.prod(size for size in sizes if size != -1)
    elements = math.prod(shape)
    unknown = sizes.count(-1)
    if unknown > 1 or (unknown == 1 and (known == 0 or elements % known)) or (unknown == 0 and known != elements):
        raise ValueError(f"[reshape] the shape must hold as many elements as {shape}. Got {tuple(sizes)}.")
    return [elements // known if size == -1 else size for size in sizes]


def slices_of(shape: Shape, index: Any) -> tuple[list[tuple[int, int, int, int]], list[int]]:
    """Resolves x[index]: returns (axis, start, stop, step) for each axis that is cut, and the axes that stay."""
    cuts, kept = [], []
    for axis, (extent, entry) in enumerate(zip(shape, _full_index(shape, index), strict=True)):
        if isinstance(entry, slice):
            start, stop, step = entry.indices(extent)
            entries = range(start, stop, step)
            stop = start + len(entries) * step
            kept.append(axis)
        else:
            start = whole("slice", "index", entry, -(2**31))
            if not -extent <= start < extent:
                raise IndexError(f"[slice] an index must be inside its axis. Got index={start}, axis of {extent}.")
            start %= extent
            stop = start + 1
            step = 1
        if (start, stop, step) != (0, extent, 1):
            cuts.append((axis, start, stop, step))
    return cuts, kept


def _full_index(shape: Shape, index: Any) -> list[Any]:
    """Returns one entry for each axis. An ellipsis and missing entries become full slices."""
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
