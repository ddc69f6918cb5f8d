"""Functions that join values, and axes of a value."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastcnn._core import Parameter
from fastcnn.tracing.axes import axis_of
from fastcnn.tracing.value import Value, add_node, must_be_value

__all__ = ["cat", "concat", "flatten"]


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


def flatten(x: Value, start_dim: int = 0, end_dim: int = -1) -> Value:
    """Merges the axes start_dim .. end_dim, both included, into one."""
    must_be_value("flatten", x)
    return x.flatten(start_dim, end_dim)
