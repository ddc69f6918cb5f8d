"""What a case of the table in op_cases.py is made of: an op, seeded inputs, attributes. No cases here."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Array = np.ndarray


@dataclass(frozen=True)
class Values:
    """Shape and kind of one input.

    signed     uniform in [-scale, scale)
    positive   uniform in [scale / 2, 3 scale / 2)
    wide       e^(uniform in [-scale, scale))
    far        uniform in [1000 - scale, 1000 + scale)
    spread     in (-scale, scale), all distinct and none within 0.08 / size of a multiple of scale / 8: away from ties and kinks, so that
               differences see one smooth piece (up to some thousand elements)
    coarse     as signed, rounded to multiples of scale / 4: zeros and ties are among them
    classes    int32 in [0, scale)
    """

    shape: tuple[int, ...]
    kind: str = "signed"
    scale: float = 1.0

    def make(self, rng: np.random.Generator) -> Array:
        size = int(np.prod(self.shape))
        if self.kind == "classes":
            return rng.integers(0, int(self.scale), self.shape).astype(np.int32)
        if self.kind == "far":
            return (1000 + self.scale * rng.uniform(-1, 1, self.shape)).astype(np.float32)
        if self.kind == "wide":
            return np.exp(self.scale * rng.uniform(-1, 1, self.shape)).astype(np.float32)
        if self.kind == "coarse":
            return (self.scale / 4 * np.rint(4 * rng.uniform(-1, 1, self.shape))).astype(np.float32)
        if self.kind == "spread":
            values = ((rng.permutation(size) + 0.37) / max(size, 1) * 2 - 1).reshape(self.shape)
        else:
            values = rng.uniform(-1, 1, self.shape) if self.kind == "signed" else rng.uniform(0.5, 1.5, self.shape)
        return (self.scale * values).astype(np.float32)


@dataclass(frozen=True)
class Case:
    op: str
    name: str
    inputs: tuple[Values | None, ...]
    attributes: dict[str, Any] = field(default_factory=dict)
    gradients: tuple[int, ...] | None = None  # inputs whose gradient is checked; None: every one of float32

    def arrays(self) -> list[Array | None]:
        rng = np.random.default_rng(zlib.crc32(str(self).encode()))
        return [None if values is None else values.make(rng) for values in self.inputs]

    def wanted_gradients(self) -> tuple[int, ...]:
        if self.gradients is not None:
            return self.gradients
        return tuple(i for i, values in enumerate(self.inputs) if values is not None and values.kind != "classes")

    def __str__(self) -> str:
        return f"{self.op}-{self.name}".replace(" ", "")


# Inputs that are parameters of the network, not of the call.
PARAMETERS = {
    "conv2d": (1, 2),
    "conv_transpose2d": (1, 2),
    "linear": (1, 2),
    "prelu": (1,),
    "batch_norm": (1, 2, 3, 4),
    "batch_norm_training": (1, 2),
}

# kind, a, b: those with bounded slopes, which stand in epilogues, too.
ACTIVATIONS = (
    ("relu", 0.0, 0.0),
    ("clipped", 0.0, 6.0),
    ("clipped", -1.0, 1.0),
    ("leaky_relu", 0.01, 0.0),
    ("elu", 0.7, 0.0),
    ("selu", 1.6732632423543772, 1.0507009873554805),
    ("sigmoid", 0.0, 0.0),
    ("tanh", 0.0, 0.0),
    ("silu", 0.0, 0.0),
    ("gelu", 0.0, 0.0),
    ("gelu_tanh", 0.0, 0.0),
    ("hardsigmoid", 1 / 6, 0.5),
    ("hardsigmoid", 0.2, 0.25),
    ("hardswish", 0.0, 0.0),
    ("mish", 0.0, 0.0),
    ("softplus", 0.0, 0.0),
    ("abs", 0.0, 0.0),
    ("erf", 0.0, 0.0),
    ("sin", 0.0, 0.0),
    ("cos", 0.0, 0.0),
)

# Those without, or with steps: of numbers on both sides of zero, and of positive ones. Exponents are exact in float32.
STEEP = (
    ("exp", 0.0),
    ("sign", 0.0),
    ("floor", 0.0),
    ("ceil", 0.0),
    ("round", 0.0),
    ("power", 1.0),
    ("power", 2.0),
    ("power", 3.0),
    ("power", 8.0),
)
OF_POSITIVE = (
    ("log", 0.0), ("sqrt", 0.0), ("reciprocal", 0.0), ("power", 0.0), ("power", 0.5), ("power", -0.5), ("power", -1.0), ("power", -3.0),
    ("power", 0.75), ("power", 2.25), ("power", -1.5), ("power", 11.0),
)  # fmt: skip

EVERY_COUNT = range(1, 34)


def pair(value: int | Sequence[int], count: int = 2) -> list[int]:
    """One number for all entries, or the entries themselves; two numbers for four (padding) mean height and width."""
    entries = [value] * count if isinstance(value, int) else list(value)
    return entries * 2 if count == 4 and len(entries) == 2 else entries


def signed(*shape: int, scale: float = 1.0) -> Values:
    return Values(shape, "signed", scale)


def spread(*shape: int, scale: float = 1.0) -> Values:
    return Values(shape, "spread", scale)


def positive(*shape: int, scale: float = 1.0) -> Values:
    return Values(shape, "positive", scale)
