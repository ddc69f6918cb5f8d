"""Activations, softmax and dropout: the output has the shape of x. `inplace` has no effect: the memory plan decides what is in place."""

from __future__ import annotations

from fastcnn._core import Parameter
from fastcnn.support.arguments import flag, number, whole
from fastcnn.tracing.value import Value, activation, add_node, must_be_value

__all__ = [
    "celu",
    "dropout",
    "elu",
    "gelu",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "leaky_relu",
    "log_softmax",
    "mish",
    "prelu",
    "relu",
    "relu6",
    "selu",
    "sigmoid",
    "silu",
    "softmax",
    "softplus",
    "tanh",
]


def relu(x: Value, inplace: bool = False) -> Value:
    """max(x, 0)"""
    return activation("relu", x)


def relu6(x: Value, inplace: bool = False) -> Value:
    """min(max(x, 0), 6)"""
    return activation("clipped", x, 0.0, 6.0)


def leaky_relu(x: Value, negative_slope: float = 0.01, inplace: bool = False) -> Value:
    """x where x > 0, negative_slope * x elsewhere"""
    return activation("leaky_relu", x, number("leaky_relu", "negative_slope", negative_slope))


def prelu(x: Value, weight: Value | Parameter) -> Value:
    """leaky_relu with a learned slope (He et al., 2015). weight: (1,), or (C,) with one slope per channel."""
    return add_node("prelu", [x, weight], {})


def elu(x: Value, alpha: float = 1.0, inplace: bool = False) -> Value:
    """x where x > 0, alpha * (exp(x) - 1) elsewhere"""
    return activation("elu", x, number("elu", "alpha", alpha))


def selu(x: Value, inplace: bool = False) -> Value:
    """1.0507 * elu(x, 1.6733), which keeps mean 0 and variance 1 (Klambauer et al., 2017)"""
    return activation("selu", x, 1.6732632423543772848170429916717, 1.0507009873554804934193349852946)


def celu(x: Value, alpha: float = 1.0, inplace: bool = False) -> Value:
    """x where x > 0, alpha * (exp(x / alpha) - 1) elsewhere"""
    alpha = number("celu", "alpha", alpha)
    if alpha == 0:
        raise ValueError("[celu] alpha must not be zero. Got alpha=0.")
    return elu(x) if alpha == 1 else elu(x / alpha) * alpha


def softplus(x: Value, beta: float = 1.0, threshold: float = 20.0) -> Value:
    """log(1 + exp(beta * x)) / beta. torch returns x beyond threshold / beta; for a threshold of at least 15 that is equal in float32."""
    beta = number("softplus", "beta", beta, above=0)
    number("softplus", "threshold", threshold, 15)
    return activation("softplus", x) if beta == 1 else activation("softplus", x * beta) / beta


def hardtanh(x: Value, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Value:
    """min(max(x, min_val), max_val)"""
    low, high = (number("hardtanh", name, bound, finite=False) for name, bound in (("min_val", min_val), ("max_val", max_val)))
    if low > high:
        raise ValueError(f"[hardtanh] min_val must be at most max_val. Got min_val={low:g}, max_val={high:g}.")
    return activation("clipped", x, low, high)


def silu(x: Value, inplace: bool = False) -> Value:
    """x * sigmoid(x)"""
    return activation("silu", x)


def gelu(x: Value, approximate: str = "none") -> Value:
    """x * Phi(x), Phi the cumulative normal distribution. approximate="tanh": x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x^3))) / 2"""
    if approximate not in ("none", "tanh"):
        raise ValueError(f"[gelu] approximate must be 'none' or 'tanh'. Got approximate={approximate!r}.")
    return activation("gelu" if approximate == "none" else "gelu_tanh", x)


def mish(x: Value, inplace: bool = False) -> Value:
    """x * tanh(log(1 + exp(x)))"""
    return activation("mish", x)


def sigmoid(x: Value) -> Value:
    """1 / (1 + exp(-x))"""
    return activation("sigmoid", x)


def tanh(x: Value) -> Value:
    """(exp(x) - exp(-x)) / (exp(x) + exp(-x))"""
    return activation("tanh", x)


def hardsigmoid(x: Value, inplace: bool = False) -> Value:
    """min(max(x + 3, 0), 6) / 6"""
    return activation("hardsigmoid", x, 1 / 6, 0.5)


def hardswish(x: Value, inplace: bool = False) -> Value:
    """x * hardsigmoid(x)"""
    return activation("hardswish", x)


def softmax(x: Value, dim: int) -> Value:
    """exp(x) / sum of exp(x) along `dim`"""
    must_be_value("softmax", x)
    return x.softmax(dim)


def log_softmax(x: Value, dim: int) -> Value:
    """The logarithm of softmax(x, dim)."""
    must_be_value("log_softmax", x)
    return x.log_softmax(dim)


def dropout(x: Value, p: float = 0.5, training: bool = True, inplace: bool = False, *, seed: int | None = None) -> Value:
    """In training steps, sets each element to zero with probability p and divides the others by 1 - p. Otherwise returns x.

    The masks depend on the seed of fit(), the number of its step and the place in the network. Another `seed` gives other masks.
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
