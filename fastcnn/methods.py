"""The methods of a Value that move, reduce and multiply arrays, with the names, order and defaults of torch.Tensor's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from fastcnn.arguments import flag, whole
from fastcnn.batch import concrete, expanded
from fastcnn.indexing import axes_of, axis_of, permutation_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fastcnn.value import Value

__all__ = ["TensorMethods"]

Dims = int | Sequence[int] | None


class TensorMethods:
    __slots__ = ()

    if TYPE_CHECKING:
        shape: tuple[Any, ...]

        @property
        def ndim(self) -> int: ...
        def _node(self, op: str, attributes: Mapping[str, Any]) -> Value: ...
        def _nodes(self, op: str, attributes: Mapping[str, Any]) -> list[Value]: ...
        def reshape(self, *shape: Any) -> Value: ...
        def __neg__(self) -> Value: ...

    # ---- axes

    def permute(self, *dims: Any) -> Value:
        """The axes in another order: axis i of the result is axis dims[i]."""
        axes = permutation_of(dims[0] if len(dims) == 1 and isinstance(dims[0], (tuple, list)) else dims, self.ndim)
        sizes = concrete(self.shape)
        long = [axis for axis in axes if sizes[axis] != 1]
        if long == sorted(long):  # no number moves
            return self.reshape([self.shape[axis] for axis in axes])
        return self._node("transpose", {"axes": axes})

    def transpose(self, dim0: int, dim1: int) -> Value:
        """Two axes exchanged."""
        axes = list(range(self.ndim))
        first, second = axis_of("transpose", dim0, self.ndim), axis_of("transpose", dim1, self.ndim)
        axes[first], axes[second] = second, first
        return self.permute(axes)

    @property
    def T(self) -> Value:
        """A matrix with its rows as columns."""
        if self.ndim > 2:
            raise ValueError(
                f"[T] it is for values of at most 2 axes; others say which: x.transpose(dim0, dim1). Got {concrete(self.shape)}."
            )
        return self.permute(*range(self.ndim)[::-1])

    def unsqueeze(self, dim: int) -> Value:
        """An axis of size 1 more, before `dim`."""
        axis = axis_of("unsqueeze", dim, self.ndim + 1)
        return self.reshape([*self.shape[:axis], 1, *self.shape[axis:]])

    def squeeze(self, dim: Dims = None) -> Value:
        """Without the axes of size 1, or without those of `dim` that are of size 1."""
        sizes = concrete(self.shape)
        axes = [] if isinstance(dim, (tuple, list)) and not dim else axes_of("squeeze", dim, self.ndim)  # no axis is none, as in torch
        dropped = {axis for axis in axes if sizes[axis] == 1}
        return self.reshape([size for axis, size in enumerate(self.shape) if axis not in dropped])

    def expand(self, *sizes: Any) -> Value:
        """Axes of size 1 repeated; -1 keeps an axis, and there may be new ones in front."""
        shape = expanded(self.shape, sizes[0] if len(sizes) == 1 and isinstance(sizes[0], (tuple, list)) else sizes)
        return self._node("expand", {"shape": shape})

    # ---- reductions: over `dim`, an axis or several; None, or no axis: over all

    def sum(self, dim: Dims = None, keepdim: bool = False) -> Value:
        return self._reduce("sum", dim, keepdim)

    def mean(self, dim: Dims = None, keepdim: bool = False) -> Value:
        axes = axes_of("mean", dim, self.ndim)
        if self.ndim == 4 and sorted(axes) == [2, 3] and 0 not in concrete(self.shape[2:]):  # in the layout of images
            pooled = self._node("avg_pool", {"adaptive": [1, 1]})
            return pooled if flag("mean", "keepdim", keepdim) else pooled.reshape(self.shape[:2])
        return self._reduce("mean", dim, keepdim)

    def amax(self, dim: Dims = (), keepdim: bool = False) -> Value:
        """The largest; equal ones share the gradient."""
        return self._reduce("max", dim, keepdim)

    def amin(self, dim: Dims = (), keepdim: bool = False) -> Value:
        """The smallest; equal ones share the gradient."""
        return self._reduce("min", dim, keepdim)

    def _reduce(self, kind: str, dim: Dims, keepdim: bool) -> Value:
        axes = axes_of("reduce", dim, self.ndim)
        return self._node("reduce", {"kind": kind, "axes": axes, "keepdims": flag("reduce", "keepdim", keepdim)})

    def argmax(self, dim: int | None = None, keepdim: bool = False) -> Value:
        """Where the largest is, int32: along `dim`, or in the flattened value. Of equal ones the first."""
        keep = flag("argmax", "keepdim", keepdim)
        if dim is None:
            if keep:
                raise NotImplementedError("[argmax] keepdim=True needs a dim. Got dim=None.")
            return self.reshape(-1)._node("arg_max", {"axis": 0, "keepdims": False, "last": False})
        return self._node("arg_max", {"axis": axis_of("argmax", dim, self.ndim), "keepdims": keep, "last": False})

    def argmin(self, dim: int | None = None, keepdim: bool = False) -> Value:
        """Where the smallest is, as argmax."""
        return (-self).argmax(dim, keepdim)

    def topk(self, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> tuple[Value, Value]:
        """The k largest (or smallest) along `dim`, in order, and where they are, int32. sorted: they are in any case."""
        flag("topk", "sorted", sorted)
        attributes = {"axis": axis_of("topk", dim, self.ndim), "k": whole("topk", "k", k), "largest": flag("topk", "largest", largest)}
        values, indices = self._nodes("top_k", attributes)
        return values, indices

    # ---- products

    def matmul(self, other: Any) -> Value:
        """The product of matrices, the last two axes; others broadcast. A vector is a row on the left, a column on the right."""
        from fastcnn.functional.tensor import matmul

        return matmul(self, other)

    def __matmul__(self, other: Any) -> Value:
        return self.matmul(other)

    def __rmatmul__(self, other: Any) -> Value:
        from fastcnn.functional.tensor import matmul

        return matmul(other, self)

    def contiguous(self) -> Value:
        """The value itself: how it lies in memory is not the network's business."""
        return self  # type: ignore[return-value]
