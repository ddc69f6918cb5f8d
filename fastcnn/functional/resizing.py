"""Resizing of images, and the shuffles that trade channels for pixels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from fastcnn.arguments import flag, number, whole
from fastcnn.arrays import AnyArray
from fastcnn.batch import concrete
from fastcnn.resampling import positions, taps, torch_nearest
from fastcnn.value import Value, add_node, must_be_value

__all__ = ["channel_shuffle", "interpolate", "pixel_shuffle", "pixel_unshuffle"]

# mode -> rank of the values it is for; None: any from 3 on
_RANKS = {"nearest": None, "nearest-exact": None, "linear": 3, "bilinear": 4, "bicubic": 4, "area": 4}
MODES = tuple(_RANKS)


def interpolate(
    x: Value,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Value:
    """x: (N, C, ...) with its axes from the third on resized, to `size` or by `scale_factor`: one number, or one for each axis.

    mode: "nearest", "nearest-exact", "linear" (N, C, L), "bilinear", "bicubic" and "area" (N, C, H, W). align_corners: the first and last
    entries stay where they are. recompute_scale_factor: positions are those of the sizes. antialias: of bilinear and bicubic.
    """
    must_be_value("interpolate", x)
    aligned = _checked_mode(x, mode, align_corners, flag("interpolate", "antialias", antialias))
    sizes, scales = _sizes(x, size, scale_factor, bool(recompute_scale_factor))
    if mode == "area":
        return add_node("avg_pool", [x], {"adaptive": sizes})
    for axis, (outputs, scale) in enumerate(zip(sizes, scales, strict=True), 2):
        if outputs == x.shape[axis] and (scale in (None, 1.0) or antialias or mode not in ("bicubic", "nearest-exact")):
            continue  # as torch, whatever the scale that was rounded down to this size
        x = _resized_axis(x, axis, outputs, scale, mode, aligned, antialias)
    return x


def _checked_mode(x: Value, mode: str, align_corners: bool | None, antialias: bool) -> bool:
    if mode not in _RANKS:
        raise ValueError(f"[interpolate] mode must be one of {', '.join(_RANKS)}. Got mode={mode!r}.")
    rank = _RANKS[mode]
    if x.ndim < 3 or rank not in (None, x.ndim):
        raise ValueError(f"[interpolate] mode={mode!r} is for values of {rank or 'at least 3'} axes. Got {concrete(x.shape)}.")
    if align_corners is not None and mode not in ("linear", "bilinear", "bicubic"):
        raise ValueError(f"[interpolate] align_corners belongs to linear, bilinear and bicubic. Got mode={mode!r}.")
    if antialias and mode not in ("bilinear", "bicubic"):
        raise ValueError(f"[interpolate] antialias belongs to bilinear and bicubic. Got mode={mode!r}.")
    if antialias and align_corners:
        raise NotImplementedError("[interpolate] antialias=True needs align_corners=False. Got align_corners=True.")
    return align_corners is not None and flag("interpolate", "align_corners", align_corners)


def _sizes(x: Value, size: Any, scale_factor: Any, recompute: bool) -> tuple[list[int], list[float | None]]:
    """The new size of each axis, and the scale that its positions are computed with; None: that of the sizes."""
    if (size is None) == (scale_factor is None):
        raise ValueError(f"[interpolate] either size or scale_factor must be given. Got size={size!r}, scale_factor={scale_factor!r}.")
    count = x.ndim - 2
    given = size if scale_factor is None else scale_factor
    entries = list(given) if isinstance(given, (tuple, list)) else [given] * count
    if len(entries) != count:
        raise ValueError(f"[interpolate] there must be one entry, or one for each of {count} axes. Got {given!r}.")
    if scale_factor is None:
        return [whole("interpolate", "size", entry, 1) for entry in entries], [None] * count
    scales = [number("interpolate", "scale_factor", entry, above=0) for entry in entries]
    sizes = [math.floor(extent * scale) for extent, scale in zip(x.shape[2:], scales, strict=True)]
    if min(sizes) < 1:
        raise ValueError(f"[interpolate] the result must have pixels. Got scale_factor={scale_factor!r} for {concrete(x.shape)}.")
    return sizes, [None] * count if recompute else [*scales]


def _resized_axis(x: Value, axis: int, outputs: int, scale: float | None, mode: str, aligned: bool, antialias: bool) -> Value:
    extent = x.shape[axis]
    if mode.startswith("nearest"):
        indices = torch_nearest(extent, outputs, scale, mode == "nearest-exact")
        return add_node("take", [x], {"axis": axis, "indices": indices.tolist(), "value": 0.0})
    ratio = scale if scale and not aligned else outputs / max(extent, 1)
    at = positions(extent, outputs, ratio, "align_corners" if aligned else "half_pixel", where="interpolate")
    kind = "cubic" if mode == "bicubic" else "linear"
    indices, weights = taps(at, extent, kind, ratio, -0.5 if antialias else -0.75, antialias, antialias)
    return resampled(x, axis, indices, weights)


def resampled(x: Value, axis: int, indices: AnyArray, weights: AnyArray) -> Value:
    """Each output of the axis a sum of the entries `indices`, times `weights`, both (outputs, taps)."""
    attributes = {"axis": axis, "taps": weights.shape[1], "indices": indices.ravel().tolist(), "weights": weights.ravel().tolist()}
    return add_node("resample", [x], attributes)


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
    """(N, C, H r, W r) -> (N, C r^2, H, W): pixel_shuffle undone."""
    N, C, H, W = _channels_first("pixel_unshuffle", x)
    r = whole("pixel_unshuffle", "downscale_factor", downscale_factor, 1)
    if H % r or W % r:
        raise ValueError(
            f"[pixel_unshuffle] height and width must be multiples of downscale_factor. Got {concrete(x.shape)}, downscale_factor={r}."
        )
    return x.reshape(N, C, H // r, r, W // r, r).permute(0, 1, 3, 5, 2, 4).reshape(N, C * r * r, H // r, W // r)


def channel_shuffle(x: Value, groups: int) -> Value:
    """The channels of `groups` groups dealt out in turns (Zhang et al., ShuffleNet, 2018)."""
    N, C, H, W = _channels_first("channel_shuffle", x)
    g = whole("channel_shuffle", "groups", groups, 1)
    if C % g:
        raise ValueError(f"[channel_shuffle] groups must divide the channels. Got {concrete(x.shape)}, groups={g}.")
    return x.reshape(N, g, C // g, H, W).transpose(1, 2).reshape(N, C, H, W)
