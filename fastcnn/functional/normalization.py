"""Normalization: the output has the shape of x."""

from __future__ import annotations

import math
from collections.abc import Sequence

from fastcnn._core import Parameter
from fastcnn.support.arguments import flag, number, shape_of, whole
from fastcnn.tracing.batch_size import concrete
from fastcnn.tracing.value import Value, add_node, add_nodes, must_be_value

__all__ = ["batch_norm", "group_norm", "instance_norm", "layer_norm", "local_response_norm"]


def batch_norm(
    x: Value,
    running_mean: Parameter | None,
    running_var: Parameter | None,
    weight: Value | Parameter | None = None,
    bias: Value | Parameter | None = None,
    training: bool = False,
    momentum: float | Parameter = 0.1,
    eps: float = 1e-5,
) -> Value:
    """(x - mean) / sqrt(var + eps) * weight + bias for each channel (Ioffe and Szegedy, 2015). All parameters are (C,).

    The statistics are the running ones. With training=True in a training step they are those of the batch, and the step updates the
    running ones: running = (1 - momentum) * running + momentum * batch, with the unbiased variance. Without running statistics they are
    always those of the batch. momentum: a number, or a parameter (1,) that holds the number at the time of the step.
    """
    must_be_value("batch_norm", x)
    eps = number("batch_norm", "eps", eps, 0)
    rates = [momentum] if isinstance(momentum, Parameter) else []
    factor = 1.0 if isinstance(momentum, Parameter) else number("batch_norm", "momentum", momentum, 0, 1)
    if running_mean is None or running_var is None:
        return add_nodes("batch_norm_training", [x, weight, bias], {"eps": eps})[0]
    if not (flag("batch_norm", "training", training) and x.trace.training):
        return add_node("batch_norm", [x, weight, bias, running_mean, running_var], {"eps": eps})
    count = _values_a_channel(x)
    y, mean, var = add_nodes("batch_norm_training", [x, weight, bias], {"eps": eps})[:3]
    x.trace.add("batch_norm_update", [running_mean, mean, *rates], {"momentum": factor, "correction": 1.0})
    x.trace.add("batch_norm_update", [running_var, var, *rates], {"momentum": factor, "correction": count / (count - 1)})
    return y


def _values_a_channel(x: Value) -> int:
    shape = concrete(x.shape)
    count = math.prod(shape) // max(1, shape[1]) if x.ndim > 1 else 0
    if count < 2:
        raise ValueError(f"[batch_norm] training needs more than one value for each channel. Got x {shape}.")
    return count


def local_response_norm(x: Value, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> Value:
    """x / (k + alpha / size * sum of x^2 over `size` neighbouring channels)^beta (Krizhevsky et al., 2012)."""
    attributes = {
        "size": whole("local_response_norm", "size", size, 1),
        "alpha": number("local_response_norm", "alpha", alpha),
        "beta": number("local_response_norm", "beta", beta),
        "k": number("local_response_norm", "k", k),
    }
    return add_node("local_response_norm", [x], attributes)


def layer_norm(
    x: Value,
    normalized_shape: int | Sequence[int],
    weight: Value | Parameter | None = None,
    bias: Value | Parameter | None = None,
    eps: float = 1e-5,
) -> Value:
    """Normalizes to mean 0 and variance 1 over the last axes, then multiplies by weight and adds bias (Ba et al., 2016).

    normalized_shape: the sizes of the last axes; weight and bias have this shape.
    """
    must_be_value("layer_norm", x)
    given = normalized_shape if isinstance(normalized_shape, (tuple, list)) else (normalized_shape,)
    shape = concrete(x.shape)
    sizes = shape_of("layer_norm", given)
    if not sizes or shape[-len(sizes) :] != sizes:
        raise ValueError(f"[layer_norm] normalized_shape must be the end of the input's. Got input {shape}, normalized_shape {sizes}.")
    for name, values in (("weight", weight), ("bias", bias)):
        if values is not None and tuple(values.shape) != sizes:
            raise ValueError(f"[layer_norm] {name} must be of normalized_shape {sizes}. Got {tuple(values.shape)}.")
    y = add_node("normalize", [x], {"axes": len(sizes), "eps": number("layer_norm", "eps", eps, 0)})
    return _scaled(y, weight, bias)


def group_norm(
    x: Value, num_groups: int, weight: Value | Parameter | None = None, bias: Value | Parameter | None = None, eps: float = 1e-5
) -> Value:
    """Normalizes each group of channels, over its pixels, to mean 0 and variance 1, then applies weight and bias (Wu and He, 2018).

    x: (N, C, ...); num_groups divides C. weight, bias: (C,), a factor and a summand for each channel.
    """
    must_be_value("group_norm", x)
    groups = whole("group_norm", "num_groups", num_groups, 1)
    if x.ndim < 2 or x.shape[1] % groups:
        raise ValueError(f"[group_norm] num_groups must divide the channels of (N, C, ...). Got {concrete(x.shape)}, num_groups={groups}.")
    rows = x.reshape(x.shape[0], groups, math.prod(x.shape[1:]) // groups)
    y = add_node("normalize", [rows], {"axes": 1, "eps": number("group_norm", "eps", eps, 0)}).reshape(x.shape)
    return _scaled(y, *(_per_channel(y, values) for values in (weight, bias)))


def instance_norm(
    x: Value,
    running_mean: Parameter | None = None,
    running_var: Parameter | None = None,
    weight: Value | Parameter | None = None,
    bias: Value | Parameter | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Value:
    """Normalizes each channel of each image to mean 0 and variance 1, then applies weight and bias, both (C,) (Ulyanov et al., 2016).

    use_input_stats=False uses the running statistics instead. These are never updated: with use_input_stats=True they must be None.
    """
    must_be_value("instance_norm", x)
    eps = number("instance_norm", "eps", eps, 0)
    number("instance_norm", "momentum", momentum, 0, 1)
    if not flag("instance_norm", "use_input_stats", use_input_stats):
        if running_mean is None or running_var is None:
            raise ValueError("[instance_norm] use_input_stats=False needs running statistics. Got None.")
        return add_node("batch_norm", [x, weight, bias, running_mean, running_var], {"eps": eps})
    if running_mean is not None or running_var is not None:
        raise NotImplementedError("[instance_norm] running statistics are not updated: they must be None with use_input_stats=True.")
    if x.ndim < 3:
        raise ValueError(f"[instance_norm] the input must be (N, C, ...) with at least 3 axes. Got {concrete(x.shape)}.")
    y = add_node("normalize", [x], {"axes": x.ndim - 2, "eps": eps})
    return _scaled(y, *(_per_channel(y, values) for values in (weight, bias)))


def _per_channel(y: Value, values: Value | Parameter | None) -> Value | None:
    """Reshapes values (C,) so that they broadcast over y (N, C, ...)."""
    if values is None:
        return None
    if tuple(values.shape) != y.shape[1:2]:
        raise ValueError(f"[normalize] weight and bias must be (C,). Got {tuple(values.shape)} for {concrete(y.shape)}.")
    return y.trace.add("reshape", [values], {"shape": [y.shape[1], *[1] * (y.ndim - 2)]})[0]


def _scaled(y: Value, weight: Value | Parameter | None, bias: Value | Parameter | None) -> Value:
    if weight is not None:
        y = y * weight
    return y if bias is None else y + bias
