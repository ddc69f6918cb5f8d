"""Convolution, transposed convolution and linear layers."""

from __future__ import annotations

import math

from fastcnn._core import Parameter
from fastcnn.functional.windows import Pair, conv_attributes, conv_transpose_attributes
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
    """Convolution: x (N, C, H, W) -> (N, out_channels, OH, OW).

    weight: (out_channels, C / groups, KH, KW); bias: (out_channels,). padding: rows and columns of zeros on each side, "same" or "valid".
    OH = (H + 2 * padding - dilation * (KH - 1) - 1) // stride + 1, and OW likewise. Errors name the argument: TypeError, ValueError.

    >>> class Blur(fc.Module):
    ...     def __init__(self):
    ...         self.weight = fc.Parameter(np.full((1, 1, 3, 3), 1 / 9))
    ...     def forward(self, x):
    ...         return fc.conv2d(x, self.weight, padding=1)
    >>> Blur()(np.ones((1, 1, 4, 4))).shape
    (1, 1, 4, 4)
    """
    if not isinstance(weight, (Value, Parameter)):
        raise TypeError(f"[conv2d] weight must be a symbolic value or a parameter. Got {type(weight).__name__}.")
    attributes = conv_attributes("conv2d", tuple(weight.shape[2:]), stride, padding, dilation)
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
    """Transposed convolution (Zeiler et al., 2010): x (N, C, H, W) -> (N, O, OH, OW), the gradient of conv2d by its input.

    weight: (C, O / groups, KH, KW); bias: (O,). padding: rows and columns that are cut off each side of the output. output_padding: rows
    and columns added at its bottom and right. OH = (H - 1) * stride - 2 * padding + dilation * (KH - 1) + 1 + output_padding.
    """
    attributes = conv_transpose_attributes("conv_transpose2d", stride, padding, output_padding, dilation)
    return add_node("conv_transpose2d", [x, weight, bias], {**attributes, "groups": whole("conv_transpose2d", "groups", groups, 1)})


def linear(x: Value, weight: Value | Parameter, bias: Value | Parameter | None = None) -> Value:
    """x @ weight.T + bias: x (..., in_features) -> (..., out_features). weight: (out_features, in_features); bias: (out_features,)."""
    must_be_value("linear", x)
    if x.ndim in (0, 2):  # the core refuses scalars
        return add_node("linear", [x, weight, bias], {})
    rows = x.reshape(math.prod(x.shape[:-1]), x.shape[-1])
    return add_node("linear", [rows, weight, bias], {}).reshape(*x.shape[:-1], weight.shape[0])
