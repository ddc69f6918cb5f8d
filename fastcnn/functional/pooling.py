"""Pooling: (N, C, H, W) -> (N, C, OH, OW)."""

from __future__ import annotations

from typing import Any

from fastcnn.functional.windows import Pair, adaptive_size, no_indices, pooling_attributes
from fastcnn.support.arguments import flag, whole
from fastcnn.tracing.batch_size import concrete
from fastcnn.tracing.value import Value, add_node, must_be_value

__all__ = ["adaptive_avg_pool2d", "adaptive_max_pool2d", "avg_pool2d", "max_pool2d"]


def max_pool2d(
    x: Value,
    kernel_size: Pair,
    stride: Pair | None = None,
    padding: Pair = 0,
    dilation: Pair = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Value:
    """The maximum of each window; NaN propagates. stride=None means kernel_size. return_indices must be False: it is not supported."""
    no_indices("max_pool2d", return_indices)
    return add_node("max_pool", [x], pooling_attributes("max_pool2d", kernel_size, stride, padding, ceil_mode, dilation=dilation))


def avg_pool2d(
    x: Value,
    kernel_size: Pair,
    stride: Pair | None = None,
    padding: Pair = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Value:
    """The mean of each window. stride=None means kernel_size.

    count_include_pad: zeros of the padding count. divisor_override: divides the sum by this number instead of the count.
    """
    attributes = pooling_attributes("avg_pool2d", kernel_size, stride, padding, ceil_mode)
    attributes["count_include_pad"] = flag("avg_pool2d", "count_include_pad", count_include_pad)
    attributes["divisor"] = 0 if divisor_override is None else whole("avg_pool2d", "divisor_override", divisor_override, 1)
    return add_node("avg_pool", [x], attributes)


def adaptive_max_pool2d(x: Value, output_size: Any, return_indices: bool = False) -> Value:
    """The maximum of windows chosen so that the output is (N, C, *output_size). None in output_size keeps that size of x.

    return_indices must be False: it is not supported.
    """
    must_be_value("adaptive_max_pool2d", x)
    no_indices("adaptive_max_pool2d", return_indices)
    return add_node("max_pool", [x], {"adaptive": adaptive_size("adaptive_max_pool2d", output_size, concrete(x.shape))})


def adaptive_avg_pool2d(x: Value, output_size: Any) -> Value:
    """The mean of windows chosen so that the output is (N, C, *output_size). None in output_size keeps that size of x."""
    must_be_value("adaptive_avg_pool2d", x)
    return add_node("avg_pool", [x], {"adaptive": adaptive_size("adaptive_avg_pool2d", output_size, concrete(x.shape))})
