"""The reader of ONNX: constants and operators that become one: Constant, ConstantOfShape, Shape, Size, Range, Cast."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import DTypeLike

from fastcnn.onnx.call import Call, Results
from fastcnn.onnx.handlers import fold, operator
from fastcnn.onnx.symbolic import affine, binary, bounded, expand
from fastcnn.onnx.tensors import DTYPES, is_float
from fastcnn.tracing.value import Value

__all__: list[str] = []

_MOST_AXES = 8


@fold("Constant")
def constant(call: Call) -> Results:
    if call.has_attribute("value"):
        found = call.tensor("value")
    elif call.has_attribute("value_float"):
        found = np.array(call.number("value_float", 0.0), np.float32)
    elif call.has_attribute("value_floats"):
        found = np.array(call.numbers("value_floats"), np.float32)
    elif call.has_attribute("value_int"):
        found = np.array(call.integer("value_int", 0), np.int64)
    else:
        found = np.array(call.integers("value_ints"), np.int64) if call.has_attribute("value_ints") else None
    if found is None:
        call.unsupported("a constant must be numbers", ", ".join(call.node.attributes) or "nothing")
    return found


@fold("ConstantOfShape")
def constant_of_shape(call: Call) -> Results:
    """One number in every element: a view, which takes no memory."""
    value = call.tensor("value")
    shape = call.whole_numbers(0)
    value = np.zeros(1, np.float32) if value is None else value
    if value.size != 1 or len(shape) > _MOST_AXES or any(size < 0 for size in shape):
        call.fail("it must be one number and a shape", f"{value.shape}, {shape[:9]}")
    return expand(value.reshape(()), shape)


@fold("Shape")
def shape(call: Call) -> Results:
    """The sizes of axes start .. end - 1."""
    sizes = call.shape(0)
    return np.array(sizes[slice(call.integer("start", 0), call.integer("end", len(sizes)))], np.int64)


@fold("Size")
def size(call: Call) -> Results:
    return np.array(math.prod(call.shape(0)), np.int64)


@fold("Range")
def arange(call: Call) -> Results:
    start, limit, delta = (call.scalar(i) for i in range(3))
    if delta == 0 or not all(map(math.isfinite, (start, limit, delta))):
        call.fail("delta must not be zero, and all be finite", (start, limit, delta))
    count = max(0, math.ceil((limit - start) / delta))
    bounded((count,))
    dtype = call.constant(0).dtype
    return (call.constant(0).reshape(()) + call.constant(2).reshape(()) * np.arange(count)).astype(dtype)


def _dtype(call: Call) -> DTypeLike:
    """The type that the attribute `to` of a Cast names."""
    code = call.integer("to", 0)
    if code not in DTYPES:
        call.unsupported("attribute to must be a known type", code)
    return np.float32 if is_float(code) else np.bool_ if code == 9 else DTYPES[code].code.replace("<", "=")


@fold("Cast")
def cast_constant(call: Call) -> Results:
    """Floating point to integers rounds towards zero."""
    array = call.constant(0)
    bounded(array.shape)
    return array.astype(_dtype(call))


@operator("Cast")
def cast(call: Call) -> Value:
    return _cast(call, np.dtype(_dtype(call)))


@operator("CastLike")
def cast_like(call: Call) -> Value:
    like = call.input(1)
    if isinstance(like, np.ndarray):
        return _cast(call, like.dtype)
    return _cast(call, np.dtype(np.bool_ if call.is_boolean(1) else np.int32 if call.is_integer(1) else np.float32))


@fold("CastLike")
def cast_constant_like(call: Call) -> Results:
    array = call.constant(0)
    bounded(array.shape)
    return array.astype(call.constant(1).dtype)


def _cast(call: Call, to: np.dtype[np.generic]) -> Value:
    """The cast of a value of the run. Floating point of any width is float32; int32 (indices of ArgMax and TopK) is the integer type."""
    if call.is_integer(0) and to in (np.int32, np.int64):
        return call.value(0)
    x = call.real(0)
    if to.kind == "f" or (to.kind == "b" and call.is_boolean(0)):
        return x
    if to.kind != "b":
        call.unsupported("a value of the run must stay floating point or bool", f"a cast to {to}")
    zero = call.weight("zero", np.zeros((), np.float32))
    return call.boolean(affine(binary("compare", x, zero, kind="equal"), -1.0, 1.0))
