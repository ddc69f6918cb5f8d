"""Resizing of images, and shuffles that rearrange channels and pixels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastcnn.support.arguments import whole
from fastcnn.tracing.batch_size import concrete
from fastcnn.tracing.value import Value, must_be_value

__all__ = ["channel_shuffle", "interpolate", "pixel_shuffle", "pixel_unshuffle"]


def interpolate(
    x: Value,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Value:
    """Resizes the axes of x (N, C, ...) from the third on, to `size` or by `scale_factor`: one number, or one for each axis.

    mode: "nearest", "nearest-exact", "linear" for (N, C, L), "bilinear", "bicubic" and "area" for (N, C, H, W). align_corners: the first
    and last entries keep their places. recompute_scale_factor: positions follow from the sizes, not from scale_factor. antialias: for
    "bilinear" and "bicubic" only.
    """
    must_be_value("interpolate", x)
    return x.interpolate(size, scale_factor, mode, align_corners, recompute_scale_factor, antialias)


def _channels_first(where: str, x: Any) -> Sequence[int]:
    must_be_value(where, x)
    if x.ndim != 4:
        raise ValueError(f"[{where}] the input must be (N, C, H, W). Got {concrete(x.shape)}.")
    shape: Sequence[int] = x.shape
    return shape


def pixel_shuffle(x: Value, upscale_factor: int) -> Value:
    """(N, C r^2, H, W) -> (N, C, H r, W r) (Shi et al., 2016)."""
    N, C, H, W = _channels_first("pixel_shuffle", x)
    r = whole("pixel_shuffle", "upscale_factor", upscale_factor, 1)
    if C % (r * r):
        raise ValueError(
            f"[pixel_shuffle] the channels must be a multiple of upscale_factor^2. Got {concrete(x.shape)}, upscale_factor={r}."
        )
    return x.reshape(N, C // (r * r), r, r, H, W).permute(0, 1, 4, 2, 5, 3).reshape(N, C // (r * r), H * r, W * r)


def pixel_unshuffle(x: Value, downscale_factor: int) -> Value:
    """(N, C, H r, W r) -> (N, C r^2, H, W): the inverse of pixel_shuffle."""
    N, C, H, W = _channels_first("pixel_unshuffle", x)
    r = whole("pixel_unshuffle", "downscale_factor", downscale_factor, 1)
    if H % r or W % r:
        raise ValueError(
            f"[pixel_unshuffle] height and width must be multiples of downscale_factor. Got {concrete(x.shape)}, downscale_factor={r}."
        )
    return x.reshape(N, C, H // r, r, W // r, r).permute(0, 1, 3, 5, 2, 4).reshape(N, C * r * r, H // r, W // r)


def channel_shuffle(x: Value, groups: int) -> Value:
    """Interleaves the channels of `groups` groups (Zhang et al., "ShuffleNet", 2018). Channel i of group g becomes i * groups + g."""
    N, C, H, W = _channels_first("channel_shuffle", x)
    g = whole("channel_shuffle", "groups", groups, 1)
    if C % g:
        raise ValueError(f"[channel_shuffle] groups must divide the channels. Got {concrete(x.shape)}, groups={g}.")
    return x.reshape(N, g, C // g, H, W).transpose(1, 2).reshape(N, C, H, W)
