"""Conv2d and ConvTranspose2d."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastcnn import functional
from fastcnn.functional.windows import Pair, conv_attributes, conv_transpose_attributes, padding_of
from fastcnn.network.initial import generator_of, uniform
from fastcnn.nn.layers.base import Layer
from fastcnn.support.arguments import flag, pair, whole
from fastcnn.tracing.value import Value

__all__ = ["Conv2d", "ConvTranspose2d"]


def _check_groups(layer: Conv2d | ConvTranspose2d, where: str) -> None:
    for name in ("in_channels", "out_channels"):
        if getattr(layer, name) % layer.groups:
            raise ValueError(f"[{where}] groups must divide {name}. Got groups={layer.groups}, {name}={getattr(layer, name)}.")


def _repr(layer: Conv2d | ConvTranspose2d, shown: tuple[tuple[str, Any], ...]) -> str:
    """Returns the text of repr(). shown: arguments that appear if they differ from the default, with their defaults."""
    text: list[Any] = [layer.in_channels, layer.out_channels, f"kernel_size={layer.kernel_size}", f"stride={layer.stride}"]
    text += [f"{name}={getattr(layer, name)}" for name, default in shown if getattr(layer, name) != default]
    text += [] if layer.bias else ["bias=False"]
    return ", ".join(map(str, text)) + ("" if layer.padding_mode == "zeros" else f", padding_mode={layer.padding_mode}")


class Conv2d(Layer):
    """Convolution: (N, in_channels, H, W) -> (N, out_channels, OH, OW).

    weight: (out_channels, in_channels / groups, KH, KW); bias: (out_channels,). OH = (H + 2 * padding - dilation * (KH - 1) - 1) // stride
    + 1, and OW likewise. padding: rows and columns on each side, "same" or "valid". padding_mode: their contents, "zeros" or, as in
    functional.pad, "reflect", "replicate" or "circular". seed: the seed of the initial values (torch's distribution), None for fresh
    entropy; two layers of one shape with one seed get equal weights. ValueError or TypeError, with the argument's name, for arguments that
    do not fit.

    >>> layer = fc.Conv2d(3, 16, 3, stride=2, padding=1, seed=0)
    >>> layer(np.zeros((1, 3, 32, 32))).shape
    (1, 16, 16, 16)
    >>> layer.weight.shape
    (16, 3, 3, 3)
    """

    arguments = ("in_channels", "out_channels", "kernel_size", "stride", "padding", "dilation", "groups", "bias", "padding_mode")

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Pair,
        stride: Pair = 1,
        padding: Pair | str = 0,
        dilation: Pair = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        *,
        seed: int | None = None,
    ) -> None:
        where = "Conv2d"
        self.in_channels = whole(where, "in_channels", in_channels, 1)
        self.out_channels = whole(where, "out_channels", out_channels, 1)
        self.kernel_size = pair(where, "kernel_size", kernel_size, 1)
        self.stride = pair(where, "stride", stride, 1)
        self.dilation = pair(where, "dilation", dilation, 1)
        self.padding = padding if isinstance(padding, str) else pair(where, "padding", padding)
        self.groups = whole(where, "groups", groups, 1)
        self.padding_mode = padding_mode
        self._check(where)
        self._draw(flag(where, "bias", bias), generator_of(where, seed))

    def _check(self, where: str) -> None:
        conv_attributes(where, self.kernel_size, self.stride, self.padding, self.dilation)
        _check_groups(self, where)
        if self.padding_mode not in ("zeros", "reflect", "replicate", "circular"):
            rule = "padding_mode must be 'zeros', 'reflect', 'replicate' or 'circular'"
            raise ValueError(f"[{where}] {rule}. Got padding_mode={self.padding_mode!r}.")

    def _draw(self, bias: bool, generator: np.random.Generator | None) -> None:
        height, width = self.kernel_size
        inputs = self.in_channels // self.groups
        fan_in = inputs * height * width
        self.weight = uniform("weight", (self.out_channels, inputs, height, width), fan_in, generator)
        self.bias = uniform("bias", (self.out_channels,), fan_in, generator) if bias else None

    def forward(self, x: Value) -> Value:
        padding: Pair | str = self.padding
        if self.padding_mode != "zeros":
            top, left, bottom, right = padding_of("Conv2d", padding, self.stride, self.dilation, self.kernel_size)
            x = functional.pad(x, (left, right, top, bottom), self.padding_mode)
            padding = 0
        return functional.conv2d(x, self.weight, self.bias, self.stride, padding, self.dilation, self.groups)

    def extra_repr(self) -> str:
        return _repr(self, (("padding", (0, 0)), ("dilation", (1, 1)), ("groups", 1)))


class ConvTranspose2d(Layer):
    """Transposed convolution: (N, in_channels, H, W) -> (N, out_channels, OH, OW), the gradient of a convolution by its input.

    weight: (in_channels, out_channels / groups, KH, KW); bias: (out_channels,). padding: rows and columns that are cut off each side of
    the output. output_padding: rows and columns added at its bottom and right. OH = (H - 1) * stride - 2 * padding + dilation * (KH - 1)
    + 1 + output_padding. seed: the seed of the initial values (torch's distribution), None for fresh entropy; two layers of
    one shape with one seed get equal weights.
    """

    arguments = (
        "in_channels", "out_channels", "kernel_size", "stride", "padding", "output_padding", "groups", "bias", "dilation", "padding_mode",
    )  # fmt: skip

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Pair,
        stride: Pair = 1,
        padding: Pair = 0,
        output_padding: Pair = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Pair = 1,
        padding_mode: str = "zeros",
        *,
        seed: int | None = None,
    ) -> None:
        where = "ConvTranspose2d"
        self.in_channels = whole(where, "in_channels", in_channels, 1)
        self.out_channels = whole(where, "out_channels", out_channels, 1)
        self.kernel_size = pair(where, "kernel_size", kernel_size, 1)
        self.stride = pair(where, "stride", stride, 1)
        self.padding = pair(where, "padding", padding)
        self.dilation = pair(where, "dilation", dilation, 1)
        self.output_padding = pair(where, "output_padding", output_padding)
        self.groups = whole(where, "groups", groups, 1)
        self.padding_mode = padding_mode
        conv_transpose_attributes(where, self.stride, self.padding, self.output_padding, self.dilation)
        _check_groups(self, where)
        if padding_mode != "zeros":
            raise ValueError(f"[{where}] padding_mode must be 'zeros'. Got padding_mode={padding_mode!r}.")
        self._draw(flag(where, "bias", bias), generator_of(where, seed))

    def _draw(self, bias: bool, generator: np.random.Generator | None) -> None:
        height, width = self.kernel_size
        outputs = self.out_channels // self.groups
        fan_in = outputs * height * width  # torch computes it from the second axis of the weight, here the outputs
        self.weight = uniform("weight", (self.in_channels, outputs, height, width), fan_in, generator)
        self.bias = uniform("bias", (self.out_channels,), fan_in, generator) if bias else None

    def forward(self, x: Value) -> Value:
        steps = (self.stride, self.padding, self.output_padding, self.groups, self.dilation)
        return functional.conv_transpose2d(x, self.weight, self.bias, *steps)

    def extra_repr(self) -> str:
        shown = (("padding", (0, 0)), ("dilation", (1, 1)), ("output_padding", (0, 0)), ("groups", 1))
        return _repr(self, shown)
