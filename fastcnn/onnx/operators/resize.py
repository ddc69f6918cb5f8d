"""Resize and Upsample: nearest, linear and cubic, with every coordinate mode. Each axis is resized for itself.

An output's place x among the outputs comes from a place of the input; around it lie n taps, weighted by their distance. Taps outside repeat
the border, or with exclude_outside have no weight.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from fastcnn.arrays import AnyArray
from fastcnn.onnx.call import Call
from fastcnn.onnx.registry import operator
from fastcnn.onnx.symbolic import MOST_PLACES, bounded, take
from fastcnn.value import Value, add_node

__all__: list[str] = []

_COORDINATES = (
    "half_pixel",
    "half_pixel_symmetric",
    "pytorch_half_pixel",
    "align_corners",
    "asymmetric",
    "tf_half_pixel_for_nn",
    "tf_crop_and_resize",
)
_NEAREST = ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil")
_LONGEST_AXIS = 1 << 22


class Style(NamedTuple):
    mode: str  # nearest, linear, cubic
    coordinates: str
    nearest: str
    cubic_a: float = -0.75
    exclude_outside: bool = False
    antialias: bool = False
    extrapolation: float = 0.0


class Axis(NamedTuple):
    axis: int
    size: int  # of the input
    outputs: int
    scale: float
    roi: tuple[float, float] = (0.0, 1.0)


@operator("Upsample")
def upsample(call: Call) -> Value:
    """scales: an attribute before opset 9, then an input."""
    x = call.value(0)
    scales = call.numbers("scales") if call.opset < 9 else _floats(call, 1)
    mode = call.text("mode", "nearest", "nearest", "linear", "bilinear")
    axes = _axes_of_scales(call, x, scales or [], list(range(x.ndim)))
    return _resized(call, x, axes, Style("nearest" if mode == "nearest" else "linear", "asymmetric", "floor"))


@operator("Resize", since=10)
def resize_10(call: Call) -> Value:
    """Inputs x, scales. The nearest of a smaller image is the one after, as ONNX Runtime has it."""
    x = call.value(0)
    mode = call.text("mode", "nearest", "nearest", "linear", "bilinear")
    axes = _axes_of_scales(call, x, _floats(call, 1), list(range(x.ndim)))
    return _resized(call, x, axes, Style("nearest" if mode == "nearest" else "linear", "asymmetric", "by_scale"))


@operator("Resize", since=11)
def resize(call: Call) -> Value:
    """Inputs x, roi, scales or sizes."""
    x = call.value(0)
    style = Style(
        call.text("mode", "nearest", "nearest", "linear", "cubic"),
        call.text("coordinate_transformation_mode", "half_pixel", *_COORDINATES),
        call.text("nearest_mode", "round_prefer_floor", *_NEAREST),
        call.number("cubic_coeff_a", -0.75),
        call.flag("exclude_outside"),
        call.flag("antialias"),
        call.number("extrapolation_value", 0.0),
    )
    named = call.axes(99, x.ndim)
    axes = list(range(x.ndim)) if named is None else named
    scales = _floats(call, 2) if call.has(2) else []
    found = _axes_of_scales(call, x, scales, axes) if scales else _axes_of_sizes(call, x, axes)
    if style.coordinates == "tf_crop_and_resize":
        roi = _floats(call, 1) if call.has(1) else []
        if len(roi) != 2 * len(axes):
            call.fail(f"roi must have {2 * len(axes)} entries", len(roi))
        found = [axis._replace(roi=(roi[i], roi[len(axes) + i])) for i, axis in enumerate(found)]
    return _resized(call, x, found, style)


def _floats(call: Call, index: int) -> list[float]:
    array = call.constant(index)
    if array.dtype.kind != "f" or array.size > 16 or not np.all(np.isfinite(array)):
        call.fail(f"input {index} must be a few finite numbers", f"{array.dtype} {array.shape}")
    return [float(entry) for entry in array.ravel()]


def _axes_of_scales(call: Call, x: Value, scales: list[float], axes: list[int]) -> list[Axis]:
    if len(scales) != len(axes) or any(scale <= 0 or scale > _LONGEST_AXIS for scale in scales):
        call.fail(f"there must be {len(axes)} scales above 0", scales)
    return [Axis(axis, x.shape[axis], math.floor(x.shape[axis] * scale), scale) for axis, scale in zip(axes, scales, strict=True)]


def _axes_of_sizes(call: Call, x: Value, axes: list[int]) -> list[Axis]:
    sizes = call.whole_numbers(3)
    policy = call.text("keep_aspect_ratio_policy", "stretch", "stretch", "not_larger", "not_smaller")
    if len(sizes) != len(axes) or any(not 0 <= size <= _LONGEST_AXIS for size in sizes):
        call.fail(f"there must be {len(axes)} sizes", sizes[:9])
    scales = [size / max(1, x.shape[axis]) for axis, size in zip(axes, sizes, strict=True)]
    if policy != "stretch":
        scale = min(scales) if policy == "not_larger" else max(scales)
        scales, sizes = [scale] * len(axes), [math.floor(scale * x.shape[axis] + 0.5) for axis in axes]
    return [Axis(axis, x.shape[axis], size, scale) for axis, size, scale in zip(axes, sizes, scales, strict=True)]


def _resized(call: Call, x: Value, axes: list[Axis], style: Style) -> Value:
    outside: list[tuple[int, AnyArray]] = []
    for axis in axes:
        if axis.outputs > _LONGEST_AXIS or min(axis.outputs, axis.size) < 1:
            call.fail(f"sizes must be between 1 and {_LONGEST_AXIS}", f"{axis.size} to {axis.outputs}")
        if axis.scale == 1 and axis.outputs == axis.size and axis.roi == (0.0, 1.0):
            continue
        places = _places(axis, style)
        if style.coordinates == "tf_crop_and_resize":
            outside.append((axis.axis, (places < 0) | (places > axis.size - 1)))
        x = _along(x, axis, style, places)
    for axis_number, mask in outside:
        if mask.any():  # what lies outside of the image
            shape = [1] * x.ndim
            shape[axis_number] = len(mask)
            value = call.weight("extrapolation", np.array(style.extrapolation, np.float32))
            condition = call.weight(f"outside {axis_number} {shape}", mask.reshape(shape))
            x = add_node("where", [call.symbolic(condition), value, x], {})
    return x


def _along(x: Value, axis: Axis, style: Style, places: AnyArray) -> Value:
    if style.mode == "nearest":
        return take(x, axis.axis, np.clip(_nearest(places, style.nearest, axis.scale), 0, axis.size - 1))
    first, weights = _taps(places, style, axis.scale)
    indices = first[:, None] + np.arange(weights.shape[1])
    if style.exclude_outside:
        weights = np.where((indices < 0) | (indices >= axis.size), 0, weights)
        sums = weights.sum(1, keepdims=True)
        weights = weights / np.where(sums == 0, 1, sums)
    indices = np.clip(indices, 0, axis.size - 1)
    attributes = {"axis": axis.axis, "taps": weights.shape[1], "indices": [int(i) for i in indices.ravel()]}
    return add_node("resample", [x], {**attributes, "weights": [float(w) for w in weights.ravel()]})


def _places(axis: Axis, style: Style) -> AnyArray:
    """Where each output lies in the input."""
    x = np.arange(axis.outputs, dtype=np.float64)
    size, scale, mode = axis.size, axis.scale, style.coordinates
    outputs = scale * size  # before it was made whole
    if mode == "align_corners":
        return x * 0 if outputs == 1 else x * (size - 1) / (outputs - 1)
    if mode == "asymmetric":
        return x / scale
    if mode == "tf_half_pixel_for_nn":
        return (x + 0.5) / scale
    if mode == "tf_crop_and_resize":
        start, end = axis.roi
        steps = x * 0 + 0.5 if outputs == 1 else x / (outputs - 1)
        return start * (size - 1) + steps * (end - start) * (size - 1)
    places: AnyArray = (x + 0.5) / scale - 0.5
    if mode == "pytorch_half_pixel" and outputs == 1:
        return x * 0 - 0.5
    if mode == "half_pixel_symmetric":
        places += size / 2 * (1 - axis.outputs / outputs)
    return places


def _nearest(places: AnyArray, mode: str, scale: float) -> AnyArray:
    if mode == "by_scale":
        mode = "ceil" if scale < 1 else "floor"
    if mode == "round_prefer_floor":
        found = np.ceil(places - 0.5)
    elif mode == "round_prefer_ceil":
        found = np.floor(places + 0.5)
    else:
        found = np.floor(places) if mode == "floor" else np.ceil(places)
    return found.astype(np.int64)


def _taps(places: AnyArray, style: Style, scale: float) -> tuple[AnyArray, AnyArray]:
    """The first tap of each output, and the weights of all: (outputs, n)."""
    reach = 1.0 if style.mode == "linear" else 2.0  # of the kernel, to either side
    shrink = min(scale, 1.0) if style.antialias else 1.0  # an antialiased kernel is as wide as a pixel of the output
    start = math.floor(-reach / shrink) + 1
    count = 2 - 2 * start
    left = np.ceil(places).astype(np.int64) - 1  # a place on a pixel lies after the one before
    bounded((len(places), count), MOST_PLACES)
    distances = np.abs((start + np.arange(count) - (places - left)[:, None]) * shrink)
    weights = np.clip(1 - distances, 0, 1) if style.mode == "linear" else _cubic(distances, style.cubic_a)
    if style.antialias:
        weights = weights / weights.sum(1, keepdims=True)
    return left + start, weights


def _cubic(d: AnyArray, a: float) -> AnyArray:
    """Keys, 1981."""
    near = ((a + 2) * d - (a + 3)) * d * d + 1
    far = ((a * d - 5 * a) * d + 8 * a) * d - 4 * a
    result: AnyArray = np.where(d <= 1, near, np.where(d < 2, far, 0))
    return result
