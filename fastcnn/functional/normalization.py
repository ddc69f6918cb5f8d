"""Normalization: shapes stay as they are."""

from __future__ import annotations

import math

from fastcnn._core import Parameter
from fastcnn.arguments import flag, number, whole
from fastcnn.value import Value, add_node, add_nodes, must_be_value

__all__ = ["batch_norm", "local_response_norm"]


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
    must_be_value("batch_norm", x)
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
