"""Arithmetic of resizing and padding along one axis: the entries that each output reads, and their weights. Uses NumPy, knows no values.

The names of the modes are those of ONNX's Resize and Pad (op set 19). interpolate() and pad() of fastcnn.functional use them too.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

__all__ = ["nearest", "padded", "positions", "taps", "torch_nearest"]

Indices = NDArray[np.int64]
Numbers = NDArray[np.float64]

_MOST = 2**24  # entries of an axis: larger tables would fill the memory before the core could refuse them


def _checked(where: str, size: int, outputs: int) -> None:
    if size < 1 or outputs < 0:
        raise ValueError(f"[{where}] an axis must have entries, and outputs a number of at least 0. Got {size} entries, {outputs} outputs.")
    if max(size, outputs) > _MOST:
        raise ValueError(f"[{where}] an axis that is resized must have at most 2^24 entries. Got {size}, to become {outputs}.")


def positions(
    size: int, outputs: int, scale: float, mode: str = "half_pixel", roi: tuple[float, float] = (0.0, 1.0), where: str = "resize"
) -> Numbers:
    """Returns the position of each output in an axis of `size` entries. mode: a coordinate transformation of ONNX.

    scale: outputs / size, or the scale before outputs were rounded down. roi: (first, last) for tf_crop_and_resize, as shares of the axis.
    """
    _checked(where, size, outputs)
    if not (math.isfinite(scale) and scale > 0):
        raise ValueError(f"[{where}] the scale must be positive and finite. Got {scale:g}.")
    x = np.arange(outputs, dtype=np.float64)
    length = scale * size
    if mode == "half_pixel":
        return (x + 0.5) / scale - 0.5
    if mode == "pytorch_half_pixel":
        return (x + 0.5) / scale - 0.5 if outputs > 1 else np.zeros(outputs)
    if mode == "half_pixel_symmetric":
        return size / 2 * (1 - outputs / length) + (x + 0.5) / scale - 0.5
    if mode == "align_corners":
        return x * (size - 1) / (length - 1) if length != 1 else np.zeros(outputs)
    if mode == "asymmetric":
        return x / scale
    if mode == "tf_half_pixel_for_nn":
        return (x + 0.5) / scale
    if mode == "tf_crop_and_resize":
        first, last = roi
        if length == 1:
            return np.full(outputs, 0.5 * (first + last) * (size - 1))
        return first * (size - 1) + x * (last - first) * (size - 1) / (length - 1)
    raise ValueError(f"[{where}] the coordinate transformation must be one of ONNX's. Got {mode!r}.")


def nearest(at: Numbers, size: int, mode: str = "round_prefer_floor", where: str = "resize") -> Indices:
    """Returns the entry nearest to each position. Positions are first rounded to float32, so that nearly whole ones become whole."""
    x = at.astype(np.float32)
    half = np.float32(0.5)
    rounded = {"round_prefer_floor": np.ceil(x - half), "round_prefer_ceil": np.floor(x + half), "floor": np.floor(x), "ceil": np.ceil(x)}
    if mode not in rounded:
        raise ValueError(f"[{where}] the nearest mode must be one of {', '.join(rounded)}. Got {mode!r}.")
    indices: Indices = np.clip(rounded[mode], 0, size - 1).astype(np.int64)
    return indices


def torch_nearest(size: int, outputs: int, scale: float | None, exact: bool = False, where: str = "interpolate") -> Indices:
    """Returns the entries that torch reads, in float32 arithmetic. scale=None: outputs / size. exact: the mode "nearest-exact"."""
    _checked(where, size, outputs)
    if outputs == 2 * size and not exact:  # torch has this shortcut too; it ignores the scale before outputs were rounded down
        return np.arange(outputs) >> 1
    step = np.float32(1 / scale) if scale else np.float32(size) / np.float32(max(outputs, 1))
    x = np.arange(outputs, dtype=np.float32) + np.float32(0.5 if exact else 0)
    indices: Indices = np.minimum(np.floor(x * step), size - 1).astype(np.int64)
    return indices


def _triangle(distance: Numbers) -> Numbers:
    weights: Numbers = np.maximum(0, 1 - np.abs(distance))
    return weights


def _cubic(distance: Numbers, a: float) -> Numbers:
    """The kernel of Keys, "Cubic convolution interpolation for digital image processing", 1981."""
    x = np.abs(distance)
    inner = ((a + 2) * x - (a + 3)) * x * x + 1
    outer = a * (((x - 5) * x + 8) * x - 4)
    return np.where(x <= 1, inner, np.where(x < 2, outer, 0))


def taps(
    at: Numbers,
    size: int,
    kind: str,
    scale: float = 1.0,
    cubic_coeff_a: float = -0.75,
    exclude_outside: bool = False,
    antialias: bool = False,
    most: int = 2 * _MOST,
) -> tuple[Indices, Numbers]:
    """Returns entries and weights, both (outputs, taps), of linear or cubic interpolation at the positions `at`.

    Positions outside the axis read its first or last entry; exclude_outside gives them the weight 0. antialias: where the axis shrinks, the
    filter is as wide as an output. most: the largest allowed number of weights.
    """
    squeeze = min(scale, 1.0) if antialias else 1.0
    reach = math.ceil((1 if kind == "linear" else 2) / squeeze)
    if 2 * reach * len(at) > most:
        raise ValueError(f"[resize] a filter must have at most {most} weights. Got {len(at)} outputs of {2 * reach} taps.")
    places = np.floor(at).astype(np.int64)[:, None] + np.arange(1 - reach, 1 + reach)
    distance = (places - at[:, None]) * squeeze
    weights = _triangle(distance) if kind == "linear" else _cubic(distance, cubic_coeff_a)
    if exclude_outside:
        weights = np.where((places >= 0) & (places < size), weights, 0)
    if exclude_outside or squeeze < 1:
        total = weights.sum(axis=1, keepdims=True)
        weights = np.divide(weights, total, out=np.zeros_like(weights), where=total != 0)
    return np.clip(places, 0, size - 1), weights


def padded(size: int, before: int, after: int, mode: str = "constant", where: str = "pad") -> Indices:
    """Returns the entries of a padded axis, -1 for the constant. mode: "constant", "reflect", "edge" or "wrap".

    Negative numbers cut entries off.
    """
    outputs = size + before + after
    if not 0 <= outputs <= _MOST or max(0, -before) + max(0, -after) > size:
        raise ValueError(f"[{where}] a padded axis must have 0 to 2^24 entries. Got {size} and padding ({before}, {after}).")
    kept = np.arange(size)[max(0, -before) : size - max(0, -after)]
    widths = (max(0, before), max(0, after))
    if mode == "constant":
        return np.pad(kept, widths, constant_values=-1)
    if mode not in ("reflect", "edge", "wrap"):
        raise ValueError(f"[{where}] the mode must be 'constant', 'reflect', 'edge' or 'wrap'. Got {mode!r}.")
    if any(widths) and not len(kept):
        raise ValueError(f"[{where}] what has no entries cannot be continued. Got {size} entries, mode {mode!r}.")
    indices: Indices = np.pad(kept, widths, mode=mode)  # type: ignore[call-overload]
    return indices
