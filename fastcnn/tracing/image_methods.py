"""Methods of a Value that resize images: interpolate, with the modes of torch.nn.functional.interpolate."""

from __future__ import annotations

import math
from typing import Any, TypeVar

from fastcnn.support.arguments import flag, number, whole
from fastcnn.support.arrays import AnyArray
from fastcnn.tracing.array_methods import ArrayMethods
from fastcnn.tracing.batch_size import concrete

__all__ = ["MODES", "ImageMethods"]

Self = TypeVar("Self", bound="ImageMethods")

# mode -> the rank of its values; None for any rank of at least 3
_RANKS = {"nearest": None, "nearest-exact": None, "linear": 3, "bilinear": 4, "bicubic": 4, "area": 4}
MODES = tuple(_RANKS)


class ImageMethods(ArrayMethods):
    """Base class of Value: the methods for arrays and images."""

    __slots__ = ()

    def interpolate(
        self: Self,
        size: Any = None,
        scale_factor: Any = None,
        mode: str = "nearest",
        align_corners: bool | None = None,
        recompute_scale_factor: bool | None = None,
        antialias: bool = False,
    ) -> Self:
        """Resizes an image. fastcnn.functional.interpolate has the arguments."""
        x = self
        aligned = _checked_mode(x, mode, align_corners, flag("interpolate", "antialias", antialias))
        sizes, scales = _sizes(x, size, scale_factor, bool(recompute_scale_factor))
        if mode == "area":
            return x.append_node("avg_pool", {"adaptive": sizes})
        for axis, (outputs, scale) in enumerate(zip(sizes, scales, strict=True), 2):
            if outputs == x.shape[axis] and (scale in (None, 1.0) or antialias or mode not in ("bicubic", "nearest-exact")):
                continue  # torch skips the axis too, even if the scale is not 1 and only the rounded size is equal
            x = x._resized(axis, outputs, scale, mode, aligned, antialias)
        return x

    def _resized(self: Self, axis: int, outputs: int, scale: float | None, mode: str, aligned: bool, antialias: bool) -> Self:
        """Resizes one axis to `outputs` entries."""
        from fastcnn.tracing.resampling import positions, taps, torch_nearest

        extent = self.shape[axis]
        if mode.startswith("nearest"):
            indices = torch_nearest(extent, outputs, scale, mode == "nearest-exact")
            return self.append_node("take", {"axis": axis, "indices": indices.tolist(), "value": 0.0})
        ratio = scale if scale and not aligned else outputs / max(extent, 1)
        at = positions(extent, outputs, ratio, "align_corners" if aligned else "half_pixel", where="interpolate")
        kind = "cubic" if mode == "bicubic" else "linear"
        indices, weights = taps(at, extent, kind, ratio, -0.5 if antialias else -0.75, antialias, antialias)
        return self.resampled(axis, indices, weights)

    def resampled(self: Self, axis: int, indices: AnyArray, weights: AnyArray) -> Self:
        """Resamples an axis: output i is the sum over t of entry indices[i, t] times weights[i, t]. Both arrays are (outputs, taps)."""
        attributes = {"axis": axis, "taps": weights.shape[1], "indices": indices.ravel().tolist(), "weights": weights.ravel().tolist()}
        return self.append_node("resample", attributes)


def _checked_mode(x: ImageMethods, mode: str, align_corners: bool | None, antialias: bool) -> bool:
    """Checks the arguments of interpolate() against each other. Returns whether corners are aligned."""
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


def _sizes(x: ImageMethods, size: Any, scale_factor: Any, recompute: bool) -> tuple[list[int], list[float | None]]:
    """Returns for each axis the new size, and the scale for its positions; None for the ratio of the sizes."""
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
