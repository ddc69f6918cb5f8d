"""The reader of ONNX: Resize and Upsample, nearest, linear and cubic, with every coordinate mode. tracing/resampling.py resizes an axis.

fastcnn/saving/onnx/graph.py (upscaled) and reduction.py (resample) write such operators.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from fastcnn.onnx.call import Call
from fastcnn.onnx.handlers import operator
from fastcnn.onnx.symbolic import MOST_PLACES, keep_places, take
from fastcnn.support.arrays import AnyArray
from fastcnn.tracing.batch_size import concrete
from fastcnn.tracing.resampling import nearest, positions, taps
from fastcnn.tracing.value import Value, add_node

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
    """The attributes of a Resize that all axes share."""

    mode: str  # nearest, linear, cubic
    coordinates: str
    nearest: str
    cubic_a: float = -0.75
    exclude_outside: bool = False
    antialias: bool = False
    extrapolation: float = 0.0


class Axis(NamedTuple):
    """How an axis is resized."""

    axis: int
    size: int  # of the input
    outputs: int
    scale: float
    roi: tuple[float, float] = (0.0, 1.0)  # of tf_crop_and_resize


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
    """Inputs x, scales. nearest rounds up where an axis shrinks, as in ONNX Runtime."""
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
    """A constant input of a few finite numbers."""
    array = call.constant(index)
    if array.dtype.kind != "f" or array.size > 16 or not np.all(np.isfinite(array)):
        call.fail(f"input {index} must be a few finite numbers", f"{array.dtype} {array.shape}")
    return [float(entry) for entry in array.ravel()]


def _axes_of_scales(call: Call, x: Value, scales: list[float], axes: list[int]) -> list[Axis]:
    if len(scales) != len(axes) or any(scale <= 0 or scale > _LONGEST_AXIS for scale in scales):
        call.fail(f"there must be {len(axes)} scales above 0", scales)
    shape = concrete(x.shape)
    pairs = [(shape[axis], scale) for axis, scale in zip(axes, scales, strict=True)]
    outputs = [math.floor(np.float32(size) * np.float32(scale)) for size, scale in pairs]  # in float32, as runtimes do: 5 * 1.4 is 7
    return [Axis(axis, size, count, scale) for axis, count, (size, scale) in zip(axes, outputs, pairs, strict=True)]


def _axes_of_sizes(call: Call, x: Value, axes: list[int]) -> list[Axis]:
    sizes = call.whole_numbers(3)
    shape = concrete(x.shape)
    policy = call.text("keep_aspect_ratio_policy", "stretch", "stretch", "not_larger", "not_smaller")
    if len(sizes) != len(axes) or any(not 0 <= size <= _LONGEST_AXIS for size in sizes):
        call.fail(f"there must be {len(axes)} sizes", sizes[:9])
    scales = [size / max(1, shape[axis]) for axis, size in zip(axes, sizes, strict=True)]
    if policy != "stretch":
        scale = min(scales) if policy == "not_larger" else max(scales)
        scales = [scale] * len(axes)
        sizes = [math.floor(scale * shape[axis] + 0.5) for axis in axes]
    return [Axis(axis, shape[axis], size, scale) for axis, size, scale in zip(axes, sizes, scales, strict=True)]


def _resized(call: Call, x: Value, axes: list[Axis], style: Style) -> Value:
    """x resized along one axis after another. Outputs outside of the image are `extrapolation`."""
    outside: list[tuple[int, AnyArray]] = []
    for axis in axes:
        if axis.outputs > _LONGEST_AXIS or min(axis.outputs, axis.size) < 1:
            call.fail(f"sizes must be between 1 and {_LONGEST_AXIS}", f"{axis.size} to {axis.outputs}")
        if axis.scale == 1 and axis.outputs == axis.size and axis.roi == (0.0, 1.0):
            continue
        # align_corners: PyTorch and ONNX Runtime scale by the number of outputs, ONNX's tests of opset 19 shrink by the given scale.
        whole = style.coordinates == "align_corners" and (call.opset < 19 or axis.scale > 1)
        scale = axis.outputs / axis.size if whole else axis.scale
        places = positions(axis.size, axis.outputs, scale, style.coordinates, axis.roi)
        if style.coordinates == "tf_crop_and_resize":
            outside.append((axis.axis, (places < 0) | (places > axis.size - 1)))
        x = _along(x, axis, style, places)
    for axis_number, mask in outside:
        if mask.any():  # outside of the image
            shape = [1] * x.ndim
            shape[axis_number] = len(mask)
            value = call.weight("extrapolation", np.array(style.extrapolation, np.float32))
            condition = call.weight(f"outside {axis_number} {shape}", mask.reshape(shape))
            x = add_node("where", [call.symbolic(condition), value, x], {})
    return x


def _along(x: Value, axis: Axis, style: Style, places: AnyArray) -> Value:
    """x resized along one axis. places: the position of each output in the input."""
    if style.mode == "nearest":
        rounding = style.nearest if style.nearest != "by_scale" else "ceil" if axis.scale < 1 else "floor"
        return take(x, axis.axis, nearest(places, axis.size, rounding))
    options = (style.cubic_a, style.exclude_outside, style.antialias, MOST_PLACES)
    indices, weights = taps(places, axis.size, style.mode, axis.scale, *options)
    keep_places(x, indices.size)
    return x.resampled(axis.axis, indices, weights)
