"""Methods of a Value that move and reduce arrays, with the names, argument order and defaults of torch.Tensor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from fastcnn.support.arguments import flag, whole
from fastcnn.tracing.axes import axes_of, axis_of, permutation_of
from fastcnn.tracing.batch_size import concrete, expanded

__all__ = ["ArrayMethods"]

Dims = int | Sequence[int] | None
Self = TypeVar("Self", bound="ArrayMethods")


class ArrayMethods:
    """Base class of Value. Value implements the first group: `shape`, and how a node is appended."""

    __slots__ = ()

    shape: tuple[Any, ...]

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    def append_nodes(self: Self, op: str, attributes: Mapping[str, Any]) -> list[Self]:
        raise NotImplementedError

    def append_node(self: Self, op: str, attributes: Mapping[str, Any]) -> Self:
        """Appends a node that reads this value. Returns its first output."""
        return self.append_nodes(op, attributes)[0]

    def reshape(self: Self, *shape: Any) -> Self:
        raise NotImplementedError

    def __neg__(self: Self) -> Self:
        raise NotImplementedError

    # ---- axes

    def permute(self: Self, *dims: Any) -> Self:
        """Reorders the axes: axis i of the result is axis dims[i] of this value."""
        axes = permutation_of(dims[0] if len(dims) == 1 and isinstance(dims[0], (tuple, list)) else dims, self.ndim)
        sizes = concrete(self.shape)
        long = [axis for axis in axes if sizes[axis] != 1]
        if long == sorted(long):  # only axes of size 1 move: the elements keep their order in memory
            return self.reshape([self.shape[axis] for axis in axes])
        return self.append_node("transpose", {"axes": axes})

    def transpose(self: Self, dim0: int, dim1: int) -> Self:
        """Swaps two axes."""
        axes = list(range(self.ndim))
        first = axis_of("transpose", dim0, self.ndim)
        second = axis_of("transpose", dim1, self.ndim)
        axes[first], axes[second] = second, first
        return self.permute(axes)

    @property
    def T(self: Self) -> Self:
        """The transposed matrix. ValueError for more than 2 axes."""
        if self.ndim > 2:
            raise ValueError(
                f"[T] it is for values of at most 2 axes; others say which: x.transpose(dim0, dim1). Got {concrete(self.shape)}."
            )
        return self.permute(*range(self.ndim)[::-1])

    def unsqueeze(self: Self, dim: int) -> Self:
        """Inserts an axis of size 1 before axis `dim`."""
        axis = axis_of("unsqueeze", dim, self.ndim + 1)
        return self.reshape([*self.shape[:axis], 1, *self.shape[axis:]])

    def squeeze(self: Self, dim: Dims = None) -> Self:
        """Removes the axes of size 1: all of them, or only those in `dim`."""
        sizes = concrete(self.shape)
        axes = [] if isinstance(dim, (tuple, list)) and not dim else axes_of("squeeze", dim, self.ndim)  # () names no axis, as in torch
        dropped = {axis for axis in axes if sizes[axis] == 1}
        return self.reshape([size for axis, size in enumerate(self.shape) if axis not in dropped])

    def expand(self: Self, *sizes: Any) -> Self:
        """Repeats axes of size 1. A size of -1 keeps an axis; additional sizes in front make new axes."""
        shape = expanded(self.shape, sizes[0] if len(sizes) == 1 and isinstance(sizes[0], (tuple, list)) else sizes)
        return self.append_node("expand", {"shape": shape})

    # ---- reductions: over `dim`, one axis or several; None or () means all axes

    def sum(self: Self, dim: Dims = None, keepdim: bool = False) -> Self:
        """The sum over `dim`."""
        return self._reduce("sum", dim, keepdim)

    def mean(self: Self, dim: Dims = None, keepdim: bool = False) -> Self:
        """The mean over `dim`."""
        axes = axes_of("mean", dim, self.ndim)
        if self.ndim == 4 and sorted(axes) == [2, 3] and 0 not in concrete(self.shape[2:]):  # pooling keeps the layout of images
            pooled = self.append_node("avg_pool", {"adaptive": [1, 1]})
            return pooled if flag("mean", "keepdim", keepdim) else pooled.reshape(self.shape[:2])
        return self._reduce("mean", dim, keepdim)

    def amax(self: Self, dim: Dims = (), keepdim: bool = False) -> Self:
        """The maximum over `dim`. Equal maxima share the gradient."""
        return self._reduce("max", dim, keepdim)

    def amin(self: Self, dim: Dims = (), keepdim: bool = False) -> Self:
        """The minimum over `dim`. Equal minima share the gradient."""
        return self._reduce("min", dim, keepdim)

    def _reduce(self: Self, kind: str, dim: Dims, keepdim: bool) -> Self:
        axes = axes_of("reduce", dim, self.ndim)
        return self.append_node("reduce", {"kind": kind, "axes": axes, "keepdims": flag("reduce", "keepdim", keepdim)})

    def argmax(self: Self, dim: int | None = None, keepdim: bool = False) -> Self:
        """The index of the maximum, int32: along `dim`, or in the flattened value for None. The first one if several are equal."""
        keep = flag("argmax", "keepdim", keepdim)
        if dim is None:
            if keep:
                raise NotImplementedError("[argmax] keepdim=True needs a dim. Got dim=None.")
            return self.reshape(-1).append_node("arg_max", {"axis": 0, "keepdims": False, "last": False})
        return self.append_node("arg_max", {"axis": axis_of("argmax", dim, self.ndim), "keepdims": keep, "last": False})

    def argmin(self: Self, dim: int | None = None, keepdim: bool = False) -> Self:
        """The index of the minimum, like argmax."""
        return (-self).argmax(dim, keepdim)

    def topk(self: Self, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> tuple[Self, Self]:
        """The k largest (or smallest) elements along `dim`, in order, and their indices, int32. sorted=False has no effect."""
        flag("topk", "sorted", sorted)
        attributes = {"axis": axis_of("topk", dim, self.ndim), "k": whole("topk", "k", k), "largest": flag("topk", "largest", largest)}
        values, indices = self.append_nodes("top_k", attributes)
        return values, indices

    def contiguous(self: Self) -> Self:
        """Returns the value itself: the core decides about its layout in memory."""
        return self
