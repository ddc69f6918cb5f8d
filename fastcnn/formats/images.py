"""Images as arrays: read from a file, brought to a size, normalized. (C, H, W) or (H, W) float32."""

from __future__ import annotations

from os import PathLike, fspath
from typing import Any

import numpy as np

from fastcnn.support.arguments import whole
from fastcnn.support.arrays import AnyArray, Array, ArrayLike, numeric

__all__ = ["prepared", "read", "resized"]

_LONGEST = 1 << 15  # pixels of a side that is resized


def read(path: str | PathLike[str], channels: int = 3) -> Array:
    """The pixels of an image file, 0..1, (channels, H, W): 3 for colour, 1 for grey. Needs Pillow."""
    try:
        from PIL import Image, UnidentifiedImageError
    except ImportError as error:
        raise ImportError("[image] Pillow reads image files: pip install fastcnn[images].") from error
    if channels not in (1, 3):
        raise ValueError(f"[image] an image file gives 1 channel or 3. Got {channels}.")
    try:
        with Image.open(path) as image:
            if image.mode[0] in "IF":  # Pillow would cut them off at 255
                raise ValueError(f"[image] pixels must have 8 bits a channel. Got mode {image.mode} in {fspath(path)}.")
            pixels = _pixels(image, "RGB" if channels == 3 else "L", fspath(path))
    except UnidentifiedImageError:
        raise ValueError(f"[image] the file must be an image that Pillow reads. Got {fspath(path)}.") from None
    except Image.DecompressionBombError as error:
        raise ValueError(f"[image] the file must not be larger than Pillow takes for safe. Got {fspath(path)}: {error}") from None
    return np.ascontiguousarray(np.moveaxis(pixels, 2, 0) if pixels.ndim == 3 else pixels[None])


def _pixels(image: Any, mode: str, path: str) -> AnyArray:
    """(H, W) or (H, W, 3), 0..1."""
    try:
        pixels: AnyArray = np.asarray(image.convert(mode), np.float32) / 255
        return pixels
    except (OSError, SyntaxError, ValueError) as error:  # what Pillow raises for files that break off or are damaged
        raise ValueError(f"[image] the file must be a whole image. Got {path}: {error}.") from None


def _weights(size: int, to: int) -> Array:
    """(to, size): triangles around the places of the new pixels, as wide as a new pixel where that is more than an old one."""
    scale = size / to
    reach = max(1.0, scale)
    centres = (np.arange(to) + 0.5) * scale
    weights = np.maximum(0, 1 - np.abs(np.arange(size) + 0.5 - centres[:, None]) / reach)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), np.float32)


def resized(image: ArrayLike, height: int, width: int) -> Array:
    """(..., H, W) brought to (..., height, width): bilinear, and averaged over the pixels that come together where it shrinks."""
    pixels = numeric("resized", "image", image).astype(np.float32, copy=False)
    rows, columns = whole("resized", "height", height, 1), whole("resized", "width", width, 1)
    if max(rows, columns) > _LONGEST:
        raise ValueError(f"[resized] no side of an image may be longer than {_LONGEST}. Got {rows}x{columns}.")
    if pixels.ndim < 2 or 0 in pixels.shape:
        raise ValueError(f"[resized] the image must be (..., H, W) with a pixel at least. Got {pixels.shape}.")
    if pixels.shape[-1] != columns:
        pixels = pixels @ _weights(pixels.shape[-1], columns).T
    if pixels.shape[-2] != rows:
        pixels = _weights(pixels.shape[-2], rows) @ pixels
    return np.ascontiguousarray(pixels)


def prepared(image: Array, size: tuple[int, int], mean: ArrayLike, deviation: ArrayLike) -> Array:
    """(C, H, W) resized so that it covers `size` (height, width), the middle cut out, less the mean, divided by the deviation.

    mean, deviation: a number, or one a channel.
    """
    factor = max(size[0] / image.shape[1], size[1] / image.shape[2])
    full = resized(image, *(max(side, round(factor * now)) for side, now in zip(size, image.shape[1:], strict=True)))
    top, left = ((now - side) // 2 for side, now in zip(size, full.shape[1:], strict=True))
    middle = full[:, top : top + size[0], left : left + size[1]]
    shift, scale = (np.asarray(values, np.float32).reshape(-1, 1, 1) for values in (mean, deviation))
    if len(shift) not in (1, len(image)) or len(scale) not in (1, len(image)) or not (scale > 0).all():
        got = f"{len(shift)} and {len(scale)} for {len(image)} channels"
        raise ValueError(f"[image] mean and deviation must be one number or one a channel, deviations above 0. Got {got}.")
    return np.ascontiguousarray((middle - shift) / scale)
