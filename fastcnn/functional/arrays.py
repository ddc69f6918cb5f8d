"""Functions that move, reduce and multiply arrays: torch has each of them as a method of a tensor too."""

from __future__ import annotations

from collections.abc import Sequence

from fastcnn.tracing.value import Value, matmul, must_be_value

__all__ = [
    "amax",
    "amin",
    "argmax",
    "argmin",
    "expand",
    "flatten",
    "matmul",
    "mean",
    "permute",
    "squeeze",
    "sum",
    "topk",
    "transpose",
    "unsqueeze",
]

Dims = int | Sequence[int] | None


def flatten(x: Value, start_dim: int = 0, end_dim: int = -1) -> Value:
    """Merges the axes start_dim .. end_dim, both included, into one."""
    must_be_value("flatten", x)
    return x.flatten(start_dim, end_dim)


def permute(x: Value, dims: Sequence[int]) -> Value:
    """Reorders the axes: axis i of the result is axis dims[i] of x."""
    must_be_value("permute", x)
    return x.permute(dims)


def transpose(x: Value, dim0: int, dim1: int) -> Value:
    """Swaps two axes."""
    must_be_value("transpose", x)
    return x.transpose(dim0, dim1)


def squeeze(x: Value, dim: Dims = None) -> Value:
    """Removes the axes of size 1: all of them, or only those in `dim`."""
    must_be_value("squeeze", x)
    return x.squeeze(dim)


def unsqueeze(x: Value, dim: int) -> Value:
    """Inserts an axis of size 1 before axis `dim`."""
    must_be_value("unsqueeze", x)
    return x.unsqueeze(dim)


def expand(x: Value, sizes: Sequence[int]) -> Value:
    """Repeats axes of size 1. A size of -1 keeps an axis; additional sizes in front make new axes."""
    must_be_value("expand", x)
    return x.expand(sizes)


def sum(x: Value, dim: Dims = None, keepdim: bool = False) -> Value:
    """The sum over `dim`: an axis, several axes, or None for all axes. keepdim: they stay, with size 1."""
    must_be_value("sum", x)
    return x.sum(dim, keepdim)


def mean(x: Value, dim: Dims = None, keepdim: bool = False) -> Value:
    """The mean over `dim`: an axis, several axes, or None for all axes. keepdim: they stay, with size 1."""
    must_be_value("mean", x)
    return x.mean(dim, keepdim)


def amax(x: Value, dim: Dims = (), keepdim: bool = False) -> Value:
    """The maximum over `dim`: an axis, several axes, or () for all axes. Equal maxima share the gradient."""
    must_be_value("amax", x)
    return x.amax(dim, keepdim)


def amin(x: Value, dim: Dims = (), keepdim: bool = False) -> Value:
    """The minimum over `dim`: an axis, several axes, or () for all axes. Equal minima share the gradient."""
    must_be_value("amin", x)
    return x.amin(dim, keepdim)


def argmax(x: Value, dim: int | None = None, keepdim: bool = False) -> Value:
    """The index of the maximum, int32: along `dim`, or in the flattened value for None. The first one if several are equal."""
    must_be_value("argmax", x)
    return x.argmax(dim, keepdim)


def argmin(x: Value, dim: int | None = None, keepdim: bool = False) -> Value:
    """The index of the minimum, like argmax."""
    must_be_value("argmin", x)
    return x.argmin(dim, keepdim)


def topk(x: Value, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> tuple[Value, Value]:
    """The k largest (or smallest) elements along `dim`, in order, and their indices, int32."""
    must_be_value("topk", x)
    return x.topk(k, dim, largest, sorted)
