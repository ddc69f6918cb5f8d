"""Dropout: random zeros in training steps."""

from __future__ import annotations

from fastcnn import functional
from fastcnn.nn.layers.base import Layer
from fastcnn.support.arguments import flag, number, seed_or_none
from fastcnn.tracing.value import Value

__all__ = ["Dropout"]


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
