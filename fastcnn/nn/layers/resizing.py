"""Layers that resize and pad images: Upsample, PixelShuffle, PixelUnshuffle, ZeroPad2d, ReflectionPad2d, ReplicationPad2d."""

from __future__ import annotations

from typing import Any, ClassVar

from fastcnn import functional
from fastcnn.nn.layers.base import Layer
from fastcnn.support.arguments import flag, number, whole
from fastcnn.tracing.image_methods import MODES
from fastcnn.tracing.value import Value

__all__ = ["PixelShuffle", "PixelUnshuffle", "ReflectionPad2d", "ReplicationPad2d", "Upsample", "ZeroPad2d"]


class Upsample(Layer):
    """Resizes (N, C, ...) to `size` or by `scale_factor`: functional.interpolate as a layer."""

    arguments = ("size", "scale_factor", "mode", "align_corners", "recompute_scale_factor")

    def __init__(
        self,
        size: Any = None,
        scale_factor: Any = None,
        mode: str = "nearest",
        align_corners: bool | None = None,
        recompute_scale_factor: bool | None = None,
    ) -> None:
        self.size = size
        if isinstance(scale_factor, (tuple, list)):
            self.scale_factor: Any = tuple(number("Upsample", "scale_factor", factor, above=0) for factor in scale_factor)
        else:
            self.scale_factor = None if scale_factor is None else number("Upsample", "scale_factor", scale_factor, above=0)
        if mode not in MODES:
            raise ValueError(f"[Upsample] mode must be one of {', '.join(MODES)}. Got mode={mode!r}.")
        self.mode = mode
        self.align_corners = None if align_corners is None else flag("Upsample", "align_corners", align_corners)
        self.recompute_scale_factor = (
            None if recompute_scale_factor is None else flag("Upsample", "recompute_scale_factor", recompute_scale_factor)
        )

    def forward(self, x: Value) -> Value:
        return functional.interpolate(x, self.size, self.scale_factor, self.mode, self.align_corners, self.recompute_scale_factor)

    def extra_repr(self) -> str:
        size = f"size={self.size}" if self.scale_factor is None else f"scale_factor={self.scale_factor}"
        return f"{size}, mode={self.mode!r}"


class PixelShuffle(Layer):
    """(N, C r^2, H, W) -> (N, C, H r, W r), r = upscale_factor (Shi et al., 2016)."""

    arguments = ("upscale_factor",)

    def __init__(self, upscale_factor: int) -> None:
        self.upscale_factor = whole("PixelShuffle", "upscale_factor", upscale_factor, 1)

    def forward(self, x: Value) -> Value:
        return functional.pixel_shuffle(x, self.upscale_factor)

    def extra_repr(self) -> str:
        return f"upscale_factor={self.upscale_factor}"


class PixelUnshuffle(Layer):
    """(N, C, H r, W r) -> (N, C r^2, H, W), r = downscale_factor: the inverse of PixelShuffle."""

    arguments = ("downscale_factor",)

    def __init__(self, downscale_factor: int) -> None:
        self.downscale_factor = whole("PixelUnshuffle", "downscale_factor", downscale_factor, 1)

    def forward(self, x: Value) -> Value:
        return functional.pixel_unshuffle(x, self.downscale_factor)

    def extra_repr(self) -> str:
        return f"downscale_factor={self.downscale_factor}"


class _Pad2d(Layer):
    """The base of padding layers. padding: one number for all sides, or (left, right, top, bottom)."""

    arguments = ("padding",)
    mode: ClassVar[str]

    def __init__(self, padding: Any) -> None:
        where = type(self).__name__
        sides = tuple(padding) if isinstance(padding, (tuple, list)) else (padding,) * 4
        if len(sides) != 4:
            raise ValueError(f"[{where}] padding must be one integer or four: left, right, top, bottom. Got padding={padding!r}.")
        self.padding = tuple(whole(where, "padding", side, -(2**31)) for side in sides)

    def forward(self, x: Value) -> Value:
        return functional.pad(x, self.padding, self.mode)

    def extra_repr(self) -> str:
        return str(self.padding)


class ZeroPad2d(_Pad2d):
    """Pads images with zeros. padding: one number for all sides, or (left, right, top, bottom); negative numbers cut off."""

    mode = "constant"


class ReflectionPad2d(_Pad2d):
    """Mirrors images at their border pixels. padding: one number for all sides, or (left, right, top, bottom)."""

    mode = "reflect"


class ReplicationPad2d(_Pad2d):
    """Repeats the border pixels of images. padding: one number for all sides, or (left, right, top, bottom)."""

    mode = "replicate"
