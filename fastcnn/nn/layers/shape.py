"""Flatten, Identity and Dropout: layers without arithmetic in a run."""

from __future__ import annotations

from typing import Any

from fastcnn import functional
from fastcnn.nn.layers.base import Layer
from fastcnn.support.arguments import flag, number, seed_or_none, whole
from fastcnn.tracing.value import Value

__all__ = ["Dropout", "Flatten", "Identity"]


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


class Dropout(Layer):
    """In training steps, sets each element to zero with probability p and divides the others by 1 - p (Srivastava et al., 2014).

    The masks depend on the seed of fit(), the number of its step and the place in the network. Another `seed` gives other masks.
    """

    arguments = ("p", "inplace", "seed")

    def __init__(self, p: float = 0.5, inplace: bool = False, *, seed: int | None = None) -> None:
        self.p = number("Dropout", "p", p, 0, 1)
        self.inplace = flag("Dropout", "inplace", inplace)
        self.seed = seed_or_none("Dropout", seed)

    def forward(self, x: Value) -> Value:
        return functional.dropout(x, self.p, self.training, seed=self.seed)

    def extra_repr(self) -> str:
        return f"p={self.p}, inplace={self.inplace}"
