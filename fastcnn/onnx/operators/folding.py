"""The reader of ONNX: arithmetic of constants by NumPy, mostly of shapes. Integers stay integers and wrap around, others are float32."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from fastcnn.onnx.call import Call, Results
from fastcnn.onnx.handlers import fold
from fastcnn.onnx.symbolic import bounded
from fastcnn.support.arrays import AnyArray

__all__: list[str] = []

_UNARY: dict[str, Callable[[AnyArray], Any]] = {
    "Abs": np.abs,
    "Ceil": np.ceil,
    "Exp": np.exp,
    "Floor": np.floor,
    "Log": np.log,
    "Neg": np.negative,
    "Not": np.logical_not,
    "Reciprocal": np.reciprocal,
    "Round": np.rint,
    "Sign": np.sign,
    "Sqrt": np.sqrt,
}
_BINARY: dict[str, Callable[[AnyArray, AnyArray], Any]] = {
    "Add": np.add,
    "And": np.logical_and,
    "Equal": np.equal,
    "Greater": np.greater,
    "GreaterOrEqual": np.greater_equal,
    "Less": np.less,
    "LessOrEqual": np.less_equal,
    "Max": np.maximum,
    "Mean": np.add,
    "Min": np.minimum,
    "Mul": np.multiply,
    "Or": np.logical_or,
    "Pow": np.power,
    "Sub": np.subtract,
    "Sum": np.add,
    "Xor": np.logical_xor,
}
_REDUCTIONS: dict[str, Callable[..., Any]] = {
    "ReduceMax": np.max,
    "ReduceMean": np.mean,
    "ReduceMin": np.min,
    "ReduceProd": np.prod,
    "ReduceSum": np.sum,
}


@fold(*_UNARY)
def unary(call: Call) -> Results:
    x = call.constant(0)
    bounded(x.shape)
    return np.asarray(_UNARY[call.node.op_type](x)).astype(x.dtype)


@fold(*_BINARY)
def binary(call: Call) -> Results:
    """Two inputs; Max, Min, Sum and Mean: any number of inputs."""
    arrays = [call.constant(i) for i in range(len(call))]
    shape = bounded(np.broadcast_shapes(*(array.shape for array in arrays)))
    call.scope.read(math.prod(shape) * max(0, len(arrays) - 2))
    name = call.node.op_type
    result = arrays[0]
    for array in arrays[1:]:
        result = np.asarray(_BINARY[name](result, array))
    if name == "Mean":
        result = result / np.float32(len(arrays))
    return result if result.dtype == np.bool_ else result.astype(arrays[0].dtype)


@fold("Clip")
def clip(call: Call) -> Results:
    """Bounds: attributes before opset 11, then inputs."""
    x = call.constant(0)
    bounded(x.shape)
    for i, name, choose in ((1, "min", np.maximum), (2, "max", np.minimum)):
        if not (call.has(i) or (call.opset < 11 and call.has_attribute(name))):
            continue
        bound = np.asarray(call.constant(i) if call.has(i) else call.number(name, 0.0, finite=False))
        if bound.size != 1:
            call.fail(f"{name} must be one number", bound.shape)
        x = choose(x, bound.reshape(())).astype(x.dtype)
    return x


@fold("Div", "Mod")
def division(call: Call) -> Results:
    """Integer Div rounds towards zero. Mod has the sign of the divisor; with fmod, that of the dividend."""
    a = call.constant(0)
    b = call.constant(1)
    bounded(np.broadcast_shapes(a.shape, b.shape))
    if call.node.op_type == "Mod":
        if a.dtype.kind in "iu" and not np.all(b):
            call.fail("a divisor must not be zero", 0)
        return np.asarray(np.fmod(a, b) if call.flag("fmod") else np.mod(a, b)).astype(a.dtype)
    if a.dtype.kind == "f":
        return np.asarray(np.divide(a, b))
    if not np.all(b):
        call.fail("a divisor must not be zero", 0)
    down = np.floor_divide(a, b)
    return np.asarray(down + ((down < 0) & (down * b != a))).astype(a.dtype)


@fold("Where")
def where(call: Call) -> Results:
    arrays = [call.constant(i) for i in range(3)]
    bounded(np.broadcast_shapes(*(array.shape for array in arrays)))
    return np.where(*arrays).astype(arrays[1].dtype)


@fold(*_REDUCTIONS)
def reduction(call: Call) -> Results:
    x = call.constant(0)
    bounded(x.shape)
    call.scope.read(x.size)
    axes = call.axes(1, x.ndim)
    if not axes and call.flag("noop_with_empty_axes"):
        return x
    found = _REDUCTIONS[call.node.op_type](x, axis=tuple(axes) if axes else None, keepdims=call.flag("keepdims", True))
    return np.asarray(found).astype(x.dtype)


@fold("NonZero")
def non_zero(call: Call) -> Results:
    x = call.constant(0)
    bounded((x.ndim, *x.shape))
    call.scope.read(x.size)
    return np.array(np.nonzero(x), np.int64).reshape(x.ndim, -1)
