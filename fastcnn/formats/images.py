"""Images as float32 arrays (C, H, W) or (H, W): reading from a file, resizing, normalization."""

from __future__ import annotations

from os import PathLike, fspath
from typing import Any

import numpy as np

from fastcnn.support.arguments import whole
from fastcnn.support.arrays import AnyArray, Array, ArrayLike, numeric

__all__ = ["prepared", "read", "resized"]

_LONGEST = 1 << 15  # pixels of the longest side of a resized image


def read(path: str | PathLike[str], channels: int = 3) -> Array:
    """Reads an image file with Pillow. Returns (channels, H, W) with values 0..1; channels is 3 for colour, 1 for grey.

    ImportError without Pillow. ValueError if the file is not an image with 8 bits per channel, is damaged, or exceeds Pillow's limit.
    """
    try:
        from PIL import Image, UnidentifiedImageError
    except ImportError as error:
        raise ImportError("[image] Pillow reads image files: pip install fastcnn[images].") from error
    if channels not in (1, 3):
        raise ValueError(f"[image] an image file gives 1 channel or 3. Got {channels}.")
    try:
        with Image.open(path) as image:
            if image.mode[0] in "IF":  # Pillow would clip such pixels at 255
                raise ValueError(f"[image] pixels must have 8 bits a channel. Got mode {image.mode} in {fspath(path)}.")
            pixels = _pixels(image, "RGB" if channels == 3 else "L", fspath(path))
    except UnidentifiedImageError:
        raise ValueError(f"[image] the file must be an image that Pillow reads. Got {fspath(path)}.") from None
    except Image.DecompressionBombError as error:
        raise ValueError(f"[image] the file must not be larger than Pillow takes for safe. Got {fspath(path)}: {error}") from None
    return np.ascontiguousarray(np.moveaxis(pixels, 2, 0) if pixels.ndim == 3 else pixels[None])


def _pixels(image: Any, mode: str, path: str) -> AnyArray:
    """Decodes the pixels: (H, W) or (H, W, 3), values 0..1."""
    try:
        pixels: AnyArray = np.asarray(image.convert(mode), np.float32) / 255
        return pixels
    except (OSError, SyntaxError, ValueError) as error:  # Pillow raises these for truncated and damaged files
        raise ValueError(f"[image] the file must be a whole image. Got {path}: {error}.") from None


def _weights(size: int, to: int) -> Array:
    """Returns the weights (to, size) of one axis: a triangle around each new pixel, as wide as the larger of a new and an old pixel."""
    scale = size / to
    reach = max(1.0, scale)
    centres = (np.arange(to) + 0.5) * scale
    weights = np.maximum(0, 1 - np.abs(np.arange(size) + 0.5 - centres[:, None]) / reach)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), np.float32)


def resized(image: ArrayLike, height: int, width: int) -> Array:
    """Resizes (..., H, W) to (..., height, width), float32: bilinear, with antialiasing where an axis shrinks.

    TypeError for an image that holds no numbers, ValueError for an image without pixels or a side above 32768.

    >>> from fastcnn.images import resized
    >>> resized([[0, 1], [2, 3]], 1, 4)
    array([[1.  , 1.25, 1.75, 2.  ]], dtype=float32)
    """
    pixels = numeric("resized", "image", image).astype(np.float32, copy=False)
    rows = whole("resized", "height", height, 1)
    columns = whole("resized", "width", width, 1)
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
    """Prepares an image (C, H, W) for a network: resizes it to cover `size` (height, width), crops the centre, normalizes the values.

    Returns (C, height, width): the crop minus `mean`, divided by `deviation`, each one number or one per channel. ValueError for other
    counts, and for a deviation that is not positive.
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
