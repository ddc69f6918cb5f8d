"""Functions on symbolic values, with the names, order and defaults of torch.nn.functional (and torch.flatten, concat of NumPy and torch).

Each checks its arguments and appends a node. x: (N, C, H, W) where nothing else is said; shapes are checked by the core's op of that name.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from fastcnn._core import Parameter
from fastcnn.arguments import flag, number, whole
from fastcnn.indexing import axis_of
from fastcnn.value import Value, add_node, add_nodes
from fastcnn.windows import Pair, adaptive_size, convolution, pooling

__all__ = [
    "adaptive_avg_pool2d",
    "adaptive_max_pool2d",
    "avg_pool2d",
    "batch_norm",
    "concat",
    "conv2d",
    "dropout",
    "elu",
    "flatten",
    "gelu",
    "hardsigmoid",
    "hardswish",
    "leaky_relu",
    "linear",
    "local_response_norm",
    "log_softmax",
    "max_pool2d",
    "mish",
    "prelu",
    "relu",
    "relu6",
    "sigmoid",
    "silu",
    "softmax",
    "tanh",
]

# ---- element by element. `inplace` is accepted and has no effect: the memory plan decides.


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
    return _activation(x, "hardsigmoid")


def hardswish(x: Value, inplace: bool = False) -> Value:
    """x * hardsigmoid(x)"""
    return _activation(x, "hardswish")


def softmax(x: Value, dim: int) -> Value:
    """exp(x) divided by its sum along `dim`"""
    _must_be_value("softmax", x)
    return x.softmax(dim)


def log_softmax(x: Value, dim: int) -> Value:
    _must_be_value("log_softmax", x)
    return x.log_softmax(dim)


def dropout(x: Value, p: float = 0.5, training: bool = True, inplace: bool = False, *, seed: int | None = None) -> Value:
    """While training, each element is zero with probability p, the others are divided by 1 - p. Otherwise x itself.

    The masks depend on the seed of fit, the number of its step and the place in the network; another `seed` gives others.
    """
    _must_be_value("dropout", x)
    p = number("dropout", "p", p, 0, 1)
    if not (flag("dropout", "training", training) and x.trace.training) or p == 0:
        return x
    if p == 1:
        return x * 0.0
    stream = x.trace.dropouts + (0 if seed is None else (whole("dropout", "seed", seed) + 1) << 20)
    x.trace.dropouts += 1
    return add_node("dropout", [x], {"p": p, "stream": stream})


# ---- weighted sums


def conv2d(
    x: Value,
    weight: Value | Parameter,
    bias: Value | Parameter | None = None,
    stride: Pair = 1,
    padding: Pair | str = 0,
    dilation: Pair = 1,
    groups: int = 1,
) -> Value:
    """weight: (out_channels, C / groups, KH, KW), bias: (out_channels,). padding: rows and columns of zeros, "same" or "valid"."""
    attributes = convolution("conv2d", tuple(weight.shape[2:]), stride, padding, dilation)
    return add_node("conv2d", [x, weight, bias], {**attributes, "groups": whole("conv2d", "groups", groups, 1)})


def linear(x: Value, weight: Value | Parameter, bias: Value | Parameter | None = None) -> Value:
    """x: (..., in_features), weight: (out_features, in_features), bias: (out_features,)"""
    _must_be_value("linear", x)
    if x.ndim in (0, 2):  # a scalar is the core's to refuse
        return add_node("linear", [x, weight, bias], {})
    rows = x.reshape(math.prod(x.shape[:-1]), x.shape[-1])
    return add_node("linear", [rows, weight, bias], {}).reshape(*x.shape[:-1], weight.shape[0])


# ---- pooling


def max_pool2d(
    x: Value, kernel_size: Pair, stride: Pair | None = None, padding: Pair = 0, dilation: Pair = 1, ceil_mode: bool = False
) -> Value:
    """The largest of each window. stride None: kernel_size."""
    return add_node("max_pool", [x], pooling("max_pool2d", kernel_size, stride, padding, ceil_mode, dilation=dilation))


def avg_pool2d(
    x: Value,
    kernel_size: Pair,
    stride: Pair | None = None,
    padding: Pair = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Value:
    """The mean of each window. stride None: kernel_size."""
    attributes = pooling("avg_pool2d", kernel_size, stride, padding, ceil_mode)
    attributes["count_include_pad"] = flag("avg_pool2d", "count_include_pad", count_include_pad)
    attributes["divisor"] = 0 if divisor_override is None else whole("avg_pool2d", "divisor_override", divisor_override, 1)
    return add_node("avg_pool", [x], attributes)


def adaptive_max_pool2d(x: Value, output_size: Any) -> Value:
    """(N, C, *output_size); None in output_size keeps that size of x."""
    _must_be_value("adaptive_max_pool2d", x)
    return add_node("max_pool", [x], {"adaptive": adaptive_size("adaptive_max_pool2d", output_size, x.shape)})


def adaptive_avg_pool2d(x: Value, output_size: Any) -> Value:
    """(N, C, *output_size); None in output_size keeps that size of x."""
    _must_be_value("adaptive_avg_pool2d", x)
    return add_node("avg_pool", [x], {"adaptive": adaptive_size("adaptive_avg_pool2d", output_size, x.shape)})


# ---- normalization


def batch_norm(
    x: Value,
    running_mean: Parameter,
    running_var: Parameter,
    weight: Value | Parameter | None = None,
    bias: Value | Parameter | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Value:
    """(x - mean) / sqrt(var + eps) * weight + bias for each channel (Ioffe and Szegedy, 2015). All parameters: (C,).

    Statistics: the running ones; with training=True, in a training step, those of the batch, and the running ones follow them:
    running = (1 - momentum) * running + momentum * batch, the variance unbiased.
    """
    _must_be_value("batch_norm", x)
    eps, momentum = number("batch_norm", "eps", eps, 0), number("batch_norm", "momentum", momentum, 0, 1)
    if not (flag("batch_norm", "training", training) and x.trace.training):
        return add_node("batch_norm", [x, weight, bias, running_mean, running_var], {"eps": eps})
    count = math.prod(x.shape) // max(1, x.shape[1]) if x.ndim > 1 else 0
    if count < 2:
        raise ValueError(f"[batch_norm] training needs more than one value for each channel. Got x {x.shape}.")
    y, mean, var = add_nodes("batch_norm_training", [x, weight, bias], {"eps": eps})[:3]
    x.trace.add("batch_norm_update", [running_mean, mean], {"momentum": momentum, "correction": 1.0})
    x.trace.add("batch_norm_update", [running_var, var], {"momentum": momentum, "correction": count / (count - 1)})
    return y


def local_response_norm(x: Value, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> Value:
    """x / (k + alpha / size * sum of x^2 over `size` neighbouring channels)^beta (Krizhevsky et al., 2012)"""
    attributes = {
        "size": whole("local_response_norm", "size", size, 1),
        "alpha": number("local_response_norm", "alpha", alpha),
        "beta": number("local_response_norm", "beta", beta),
        "k": number("local_response_norm", "k", k),
    }
    return add_node("local_response_norm", [x], attributes)


# ---- shape


def concat(values: Sequence[Value | Parameter], axis: int = 0) -> Value:
    """Values one after another along `axis`; all other sizes are equal."""
    if not isinstance(values, (tuple, list)) or not values:
        raise TypeError(f"[concat] values must be a list or tuple of at least one. Got {type(values).__name__}.")
    _must_be_value("concat", values[0])
    first: Any = values[0]
    return add_node("concat", values, {"axis": axis_of("concat", axis, first.ndim)})


def flatten(x: Value, start_dim: int = 0, end_dim: int = -1) -> Value:
    """The axes start_dim .. end_dim, both included, made one."""
    _must_be_value("flatten", x)
    return x.flatten(start_dim, end_dim)


def _must_be_value(where: str, x: Any) -> None:
    if not isinstance(x, Value):
        raise TypeError(f"[{where}] the input must be a symbolic value, as forward() gets it. Got {type(x).__name__}.")
