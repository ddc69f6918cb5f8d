"""Activations, softmax and dropout: shapes stay as they are. `inplace` is accepted and has no effect: the memory plan decides."""

from __future__ import annotations

from fastcnn._core import Parameter
from fastcnn.arguments import flag, number, whole
from fastcnn.value import Value, add_node, must_be_value

__all__ = [
    "dropout",
    "elu",
    "gelu",
    "hardsigmoid",
    "hardswish",
    "leaky_relu",
    "log_softmax",
    "mish",
    "prelu",
    "relu",
    "relu6",
    "sigmoid",
    "silu",
    "softmax",
    "tanh",
]


def _activation(x: Value, kind: str, a: float = 0.0, b: float = 0.0) -> Value:
    return add_node("activation", [x], {"kind": kind, "a": a, "b": b})


def relu(x: Value, inplace: bool = False) -> Value:
    """max(x, 0)"""
    return _activation(x, "relu")


def relu6(x: Value, inplace: bool = False) -> Value:
    """min(max(x, 0), 6)"""
    return _activation(x, "clipped", 0.0, 6.0)


def leaky_relu(x: Value, negative_slope: float = 0.01, inplace: bool = False) -> Value:
    """x where it is positive, negative_slope * x elsewhere"""
    return _activation(x, "leaky_relu", number("leaky_relu", "negative_slope", negative_slope))


def prelu(x: Value, weight: Value | Parameter) -> Value:
    """leaky_relu with a slope that is learned: weight (1,) or (C,)"""
    return add_node("prelu", [x, weight], {})


def elu(x: Value, alpha: float = 1.0, inplace: bool = False) -> Value:
    """x where it is positive, alpha * (exp(x) - 1) elsewhere"""
    return _activation(x, "elu", number("elu", "alpha", alpha))


def silu(x: Value, inplace: bool = False) -> Value:
    """x * sigmoid(x)"""
    return _activation(x, "silu")


def gelu(x: Value, approximate: str = "none") -> Value:
    """x * Phi(x), Phi the normal distribution function"""
    if approximate != "none":
        raise NotImplementedError(f"[gelu] approximate must be 'none'. Got approximate={approximate!r}.")
    return _activation(x, "gelu")


def mish(x: Value, inplace: bool = False) -> Value:
    """x * tanh(log(1 + exp(x)))"""
    return _activation(x, "mish")


def sigmoid(x: Value) -> Value:
    """1 / (1 + exp(-x))"""
    return _activation(x, "sigmoid")


def tanh(x: Value) -> Value:
    return _activation(x, "tanh")


def hardsigmoid(x: Value, inplace: bool = False) -> Value:
    """min(max(x + 3, 0), 6) / 6"""
    return _activation(x, "hardsigmoid", 1 / 6, 0.5)


def hardswish(x: Value, inplace: bool = False) -> Value:
    """x * hardsigmoid(x)"""
    return _activation(x, "hardswish")


def softmax(x: Value, dim: int) -> Value:
    """exp(x) divided by its sum along `dim`"""
    must_be_value("softmax", x)
    return x.softmax(dim)


def log_softmax(x: Value, dim: int) -> Value:
    must_be_value("log_softmax", x)
    return x.log_softmax(dim)


def dropout(x: Value, p: float = 0.5, training: bool = True, inplace: bool = False, *, seed: int | None = None) -> Value:
    """While training, each element is zero with probability p, the others are divided by 1 - p. Otherwise x itself.

    The masks depend on the seed of fit, the number of its step and the place in the network; another `seed` gives others.
    """
    must_be_value("dropout", x)
    p = number("dropout", "p", p, 0, 1)
    if not (flag("dropout", "training", training) and x.trace.training) or p == 0:
        return x
    if p == 1:
        return x * 0.0
    stream = x.trace.dropouts + (0 if seed is None else (whole("dropout", "seed", seed) + 1) << 20)
    x.trace.dropouts += 1
    return add_node("dropout", [x], {"p": p, "stream": stream})
