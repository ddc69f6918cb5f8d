"""Weighted sums: convolution, transposed convolution and linear layers."""

from __future__ import annotations

import math

from fastcnn._core import Parameter
from fastcnn.functional.windows import Pair, convolution, transposed
from fastcnn.support.arguments import whole
from fastcnn.tracing.value import Value, add_node, must_be_value

__all__ = ["conv2d", "conv_transpose2d", "linear"]


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
    if not isinstance(weight, (Value, Parameter)):
        raise TypeError(f"[conv2d] weight must be a symbolic value or a parameter. Got {type(weight).__name__}.")
    attributes = convolution("conv2d", tuple(weight.shape[2:]), stride, padding, dilation)
    return add_node("conv2d", [x, weight, bias], {**attributes, "groups": whole("conv2d", "groups", groups, 1)})


def conv_transpose2d(
    x: Value,
    weight: Value | Parameter,
    bias: Value | Parameter | None = None,
    stride: Pair = 1,
    padding: Pair = 0,
    output_padding: Pair = 0,
    groups: int = 1,
    dilation: Pair = 1,
) -> Value:
    """(N, C, H, W) -> (N, O, OH, OW): each pixel stamps the kernel, stamps a stride apart (Zeiler et al., 2010).

    weight: (C, O / groups, KH, KW), bias: (O,). OH = (H - 1) * stride - 2 * padding + dilation * (KH - 1) + 1 + output_padding.
    """
    attributes = transposed("conv_transpose2d", stride, padding, output_padding, dilation)
    return add_node("conv_transpose2d", [x, weight, bias], {**attributes, "groups": whole("conv_transpose2d", "groups", groups, 1)})


def linear(x: Value, weight: Value | Parameter, bias: Value | Parameter | None = None) -> Value:
    """x: (..., in_features), weight: (out_features, in_features), bias: (out_features,)"""
    must_be_value("linear", x)
    if x.ndim in (0, 2):  # a scalar is the core's to refuse
        return add_node("linear", [x, weight, bias], {})
    rows = x.reshape(math.prod(x.shape[:-1]), x.shape[-1])
    return add_node("linear", [rows, weight, bias], {}).reshape(*x.shape[:-1], weight.shape[0])
