"""Initial values of parameters: drawn from a seed by PyTorch's default rules, drawn by He's rule for a whole network, or read from a file.

While a file is loaded, a layer takes its values directly from the file. So no unused numbers are drawn, and a hostile file cannot make a
layer allocate more than the file holds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import numpy as np

from fastcnn._core import Parameter
from fastcnn.support.arguments import seed_or_none
from fastcnn.support.arrays import AnyArray, Shape

__all__ = ["constant", "generator_of", "seeded", "stored", "uniform"]

_PIECE = 1 << 15  # values drawn at a time: 128 KB, which fit into a cache and avoid a large temporary array
Lookup = Callable[[str, Shape], "AnyArray | None"]
_lookup: ContextVar[Lookup | None] = ContextVar("fastcnn_stored_values", default=None)
_seeds: ContextVar[np.random.SeedSequence | None] = ContextVar("fastcnn_seeds", default=None)


@contextmanager
def seeded(seed: int | None) -> Iterator[None]:
    """Layers made inside draw their values by He's rule. A layer without a seed uses a child of this one. None: fresh entropy."""
    if _lookup.get() is not None:  # values come from a file: nothing is drawn
        yield
        return
    token = _seeds.set(np.random.SeedSequence(seed))
    try:
        yield
    finally:
        _seeds.reset(token)


def generator_of(where: str, seed: int | None) -> np.random.Generator | None:
    """Returns the generator of a layer with this `seed`, or None if its values come from a file."""
    seeds = _seeds.get()
    given = seed_or_none(where, seed)
    if _lookup.get() is not None:  # no generator: importing numpy.random takes 8 ms
        return None
    return np.random.default_rng(seeds.spawn(1)[0] if given is None and seeds is not None else given)


@contextmanager
def stored(lookup: Lookup) -> Iterator[None]:
    """Layers made inside take the values of their parameters from `lookup`, by name and shape."""
    token = _lookup.set(lookup)
    try:
        yield
    finally:
        _lookup.reset(token)


def _from_file(lookup: Lookup, name: str, shape: Shape) -> Parameter:
    values = lookup(name, shape)
    if values is None or values.shape != shape:
        raise ValueError(f"{name} must have the shape {shape}, the file has {'none' if values is None else values.shape}")
    return Parameter(values)


def uniform(name: str, shape: Shape, fan_in: int, generator: np.random.Generator | None) -> Parameter:
    """Draws values between -1 / sqrt(fan_in) and 1 / sqrt(fan_in): torch's kaiming_uniform with a = sqrt(5), and its rule for biases.

    Inside seeded(), weights have the variance 2 / fan_in, which keeps the variance of activations through a ReLU, and biases are zero
    (He et al., "Delving deep into rectifiers", 2015).
    """
    lookup = _lookup.get()
    if lookup is not None:
        return _from_file(lookup, name, shape)
    assert generator is not None
    he = _seeds.get() is not None
    if he and name == "bias":
        return constant(name, shape, 0)
    bound = math.sqrt((6 if he else 1) / fan_in)
    parameter = Parameter.zeros(shape)
    for start in range(0, parameter.size, _PIECE):
        drawn = generator.random(min(_PIECE, parameter.size - start), dtype=np.float32)
        drawn *= np.float32(2 * bound)
        drawn -= np.float32(bound)
        parameter.fill(start, drawn)
    return parameter


def constant(name: str, shape: Shape, value: float) -> Parameter:
    """Returns a parameter filled with `value`, or with the values of the file that is being loaded."""
    lookup = _lookup.get()
    return Parameter(np.full(shape, value, np.float32)) if lookup is None else _from_file(lookup, name, shape)
