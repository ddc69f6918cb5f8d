"""Functions that join values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastcnn._core import Parameter
from fastcnn.tracing.axes import axis_of
from fastcnn.tracing.batch_size import concrete
from fastcnn.tracing.value import Value, add_node, must_be_value

__all__ = ["cat", "concat", "stack"]


def concat(values: Sequence[Value | Parameter], axis: int = 0) -> Value:
    """Joins values along `axis`. Their other sizes must be equal."""
    if not isinstance(values, (tuple, list)) or not values:
        raise TypeError(f"[concat] values must be a list or tuple of at least one. Got {type(values).__name__}.")
    must_be_value("concat", values[0])
    first: Any = values[0]
    return add_node("concat", values, {"axis": axis_of("concat", axis, first.ndim)})


def cat(tensors: Sequence[Value | Parameter], dim: int = 0) -> Value:
    """concat with the argument names of torch.cat."""
    return concat(tensors, dim)


def stack(values: Sequence[Value], dim: int = 0) -> Value:
    """Joins values of equal shapes along a new axis `dim`."""
    if not isinstance(values, (tuple, list)) or not values:
        raise TypeError(f"[stack] values must be a list or tuple of at least one. Got {type(values).__name__}.")
    for value in values:
        must_be_value("stack", value)
        if concrete(value.shape) != concrete(values[0].shape):
            raise ValueError(f"[stack] the shapes must be equal. Got {concrete(values[0].shape)} and {concrete(value.shape)}.")
    axis = axis_of("stack", dim, values[0].ndim + 1)
    return add_node("concat", [value.unsqueeze(axis) for value in values], {"axis": axis})
