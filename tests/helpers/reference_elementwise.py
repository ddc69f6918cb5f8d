"""The oracle of the ops that work element by element, as reference.py, which is where users find them."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

Array = np.ndarray

__all__ = [
    "activation",
    "add",
    "compare",
    "divide",
    "maximum",
    "minimum",
    "multiply",
    "power",
    "prelu",
    "scale_shift",
    "subtract",
    "where",
]


def float64(array: Array) -> Array:
    return np.asarray(array, np.float64)


def activation(x: Array, *, kind: str, a: float = 0.0, b: float = 0.0) -> Array:
    return activate(float64(x), kind, a, b)


def activate(x: Array, kind: str, a: float, b: float) -> Array:
    return ACTIVATIONS[kind](x, a, b)


def _sigmoid(x: Array) -> Array:
    return np.exp(-np.logaddexp(0, -x))


def _elu(x: Array, a: float) -> Array:
    return np.where(x > 0, x, a * np.expm1(np.minimum(x, 0)))


_erf = np.vectorize(math.erf, otypes=[np.float64])

# What cpp/simd/activations.inc lists. a, b: parameters of those that have some.
ACTIVATIONS: dict[str, Callable[[Array, float, float], Array]] = {
    "identity": lambda x, a, b: x,
    "relu": lambda x, a, b: np.maximum(x, 0),
    "clipped": lambda x, a, b: np.minimum(np.maximum(x, a), b),
    "leaky_relu": lambda x, a, b: np.where(x >= 0, x, a * x),
    "elu": lambda x, a, b: _elu(x, a),
    "selu": lambda x, a, b: b * _elu(x, a),
    "sigmoid": lambda x, a, b: _sigmoid(x),
    "tanh": lambda x, a, b: np.tanh(x),
    "silu": lambda x, a, b: x * _sigmoid(x),
    "gelu": lambda x, a, b: x * 0.5 * (1 + _erf(x / math.sqrt(2))),
    "gelu_tanh": lambda x, a, b: 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
    "hardsigmoid": lambda x, a, b: np.clip(a * x + b, 0, 1),
    "hardswish": lambda x, a, b: x * np.clip(x / 6 + 0.5, 0, 1),
    "mish": lambda x, a, b: x * np.tanh(np.logaddexp(0, x)),
    "softplus": lambda x, a, b: np.logaddexp(0, x),
    "exp": lambda x, a, b: np.exp(x),
    "log": lambda x, a, b: np.log(x),
    "sqrt": lambda x, a, b: np.sqrt(x),
    "reciprocal": lambda x, a, b: 1 / x,
    "power": lambda x, a, b: np.power(x, a),
    "abs": lambda x, a, b: np.abs(x),
    "sign": lambda x, a, b: np.sign(x),
    "floor": lambda x, a, b: np.floor(x),
    "ceil": lambda x, a, b: np.ceil(x),
    "round": lambda x, a, b: np.rint(x),
    "erf": lambda x, a, b: _erf(x),
    "sin": lambda x, a, b: np.sin(x),
    "cos": lambda x, a, b: np.cos(x),
}


def prelu(x: Array, weight: Array) -> Array:
    """x (N, C, ...), weight (1,) or (C,)."""
    x, weight = float64(x), float64(weight)
    slope = weight.reshape(1, -1, *[1] * (x.ndim - 2))
    return np.where(x > 0, x, slope * x)


# All functions of two operands broadcast as NumPy does.


def add(a: Array, b: Array) -> Array:
    return float64(a) + float64(b)


def subtract(a: Array, b: Array) -> Array:
    return float64(a) - float64(b)


def multiply(a: Array, b: Array) -> Array:
    return float64(a) * float64(b)


def divide(a: Array, b: Array) -> Array:
    return float64(a) / float64(b)


def minimum(a: Array, b: Array) -> Array:
    return np.minimum(float64(a), float64(b))


def maximum(a: Array, b: Array) -> Array:
    return np.maximum(float64(a), float64(b))


def power(a: Array, b: Array) -> Array:
    return np.power(float64(a), float64(b))


def compare(a: Array, b: Array, *, kind: str) -> Array:
    """1 where it holds, else 0."""
    return getattr(np, kind)(float64(a), float64(b)).astype(np.float64)


def where(condition: Array, a: Array, b: Array) -> Array:
    return np.where(float64(condition) != 0, float64(a), float64(b))


def scale_shift(x: Array, *, scale: float, shift: float) -> Array:
    return float64(x) * scale + shift
