"""Pooling layers, the maximum or the mean of windows: (N, C, H, W) -> (N, C, OH, OW)."""

from __future__ import annotations

from typing import Any

from fastcnn import functional
from fastcnn.functional.windows import Pair, adaptive_pair, no_indices, pooling_attributes
from fastcnn.nn.layers.base import Layer
from fastcnn.support.arguments import flag, whole
from fastcnn.tracing.value import Value

__all__ = ["AdaptiveAvgPool2d", "AdaptiveMaxPool2d", "AvgPool2d", "MaxPool2d"]


class MaxPool2d(Layer):
    """The maximum of each window; NaN propagates. stride=None means kernel_size. return_indices must be False: it is not supported.

    >>> fc.MaxPool2d(2)(np.zeros((1, 8, 6, 6))).shape
    (1, 8, 3, 3)
    """

    arguments = ("kernel_size", "stride", "padding", "dilation", "return_indices", "ceil_mode")

    def __init__(
        self,
        kernel_size: Pair,
        stride: Pair | None = None,
        padding: Pair = 0,
        dilation: Pair = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        pooling_attributes("MaxPool2d", kernel_size, stride, padding, ceil_mode, dilation=dilation)
        no_indices("MaxPool2d", return_indices)
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding
        self.dilation = dilation
        self.return_indices = return_indices
        self.ceil_mode = ceil_mode

    def forward(self, x: Value) -> Value:
        return functional.max_pool2d(x, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode)

    def extra_repr(self) -> str:
        return ", ".join(f"{name}={getattr(self, name)}" for name in ("kernel_size", "stride", "padding", "dilation", "ceil_mode"))


class AvgPool2d(Layer):
    """The mean of each window. stride=None means kernel_size.

    count_include_pad: zeros of the padding count. divisor_override: divides the sum by this number instead of the count.
    """

    arguments = ("kernel_size", "stride", "padding", "ceil_mode", "count_include_pad", "divisor_override")

    def __init__(
        self,
        kernel_size: Pair,
        stride: Pair | None = None,
        padding: Pair = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        pooling_attributes("AvgPool2d", kernel_size, stride, padding, ceil_mode)
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding
        self.ceil_mode = ceil_mode
        self.count_include_pad = flag("AvgPool2d", "count_include_pad", count_include_pad)
        self.divisor_override = None if divisor_override is None else whole("AvgPool2d", "divisor_override", divisor_override, 1)

    def forward(self, x: Value) -> Value:
        windows = (self.kernel_size, self.stride, self.padding, self.ceil_mode)
        return functional.avg_pool2d(x, *windows, self.count_include_pad, self.divisor_override)

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AdaptiveAvgPool2d(Layer):
    """The mean of windows chosen so that the output is (N, C, *output_size). None in output_size keeps that size of the input."""

    arguments = ("output_size",)

    def __init__(self, output_size: Any) -> None:
        adaptive_pair("AdaptiveAvgPool2d", output_size)
        self.output_size = output_size

    def forward(self, x: Value) -> Value:
        return functional.adaptive_avg_pool2d(x, self.output_size)

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class AdaptiveMaxPool2d(Layer):
    """The maximum of the windows of AdaptiveAvgPool2d. return_indices must be False: it is not supported."""

    arguments = ("output_size", "return_indices")

    def __init__(self, output_size: Any, return_indices: bool = False) -> None:
        adaptive_pair("AdaptiveMaxPool2d", output_size)
        no_indices("AdaptiveMaxPool2d", return_indices)
        self.output_size = output_size
        self.return_indices = return_indices

    def forward(self, x: Value) -> Value:
        return functional.adaptive_max_pool2d(x, self.output_size)

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"
