"""Where parameters get their first values: drawn by PyTorch's default rules from a seed, or read from a file that is being loaded.

While a file is loaded, a layer takes its values from it directly. That saves drawing numbers nobody needs, and a hostile file cannot make a
layer allocate more than the file itself holds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import numpy as np

from fastcnn._core import Parameter
from fastcnn.arrays import AnyArray, Shape

__all__ = ["constant", "stored", "uniform"]

Lookup = Callable[[str], "AnyArray | None"]
_lookup: ContextVar[Lookup | None] = ContextVar("fastcnn_stored_values", default=None)


@contextmanager
def stored(lookup: Lookup) -> Iterator[None]:
    """Layers made inside take the values of their parameters from here, by name."""
    token = _lookup.set(lookup)
    try:
        yield
    finally:
        _lookup.reset(token)


def _from_file(lookup: Lookup, name: str, shape: Shape) -> Parameter:
    values = lookup(name)
    if values is None or values.shape != shape:
        raise ValueError(f"{name} must have the shape {shape}, the file has {'none' if values is None else values.shape}")
    return Parameter(values)


def uniform(name: str, shape: Shape, fan_in: int, generator: np.random.Generator) -> Parameter:
    """Between -1 / sqrt(fan_in) and 1 / sqrt(fan_in): torch's kaiming_uniform with a = sqrt(5), and its rule for biases."""
    lookup = _lookup.get()
    if lookup is not None:
        return _from_file(lookup, name, shape)
    bound = 1 / math.sqrt(fan_in)
    drawn = generator.random(shape, dtype=np.float32)
    drawn *= np.float32(2 * bound)
    drawn -= np.float32(bound)
    return Parameter(drawn)


def constant(name: str, shape: Shape, value: float) -> Parameter:
    lookup = _lookup.get()
    return Parameter(np.full(shape, value, np.float32)) if lookup is None else _from_file(lookup, name, shape)
