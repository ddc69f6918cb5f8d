"""Flatten and Identity: layers without arithmetic."""

from __future__ import annotations

from typing import Any

from fastcnn import functional
from fastcnn.nn.layers.base import Layer
from fastcnn.support.arguments import whole
from fastcnn.tracing.value import Value

__all__ = ["Flatten", "Identity"]


class Flatten(Layer):
    """Merges the axes start_dim .. end_dim, both included: by default (N, C, H, W) -> (N, C * H * W)."""

    arguments = ("start_dim", "end_dim")

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        self.start_dim = whole("Flatten", "start_dim", start_dim, -(2**31))
        self.end_dim = whole("Flatten", "end_dim", end_dim, -(2**31))

    def forward(self, x: Value) -> Value:
        return functional.flatten(x, self.start_dim, self.end_dim)

    def extra_repr(self) -> str:
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class Identity(Layer):
    """Returns its input. Accepts any arguments, so that it can replace any layer."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def forward(self, x: Any) -> Any:
        return x
