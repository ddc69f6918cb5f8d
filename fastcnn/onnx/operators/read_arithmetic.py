"""The reader of ONNX: arithmetic of several values, comparison, choice, with NumPy's broadcasting.

fastcnn/saving/onnx/elementwise.py writes such operators.
"""

from __future__ import annotations

import math

import numpy as np

from fastcnn.onnx.call import Call
from fastcnn.onnx.handlers import operator
from fastcnn.onnx.symbolic import activation, affine, binary
from fastcnn.tracing.value import Value, add_node

__all__: list[str] = []


def _pair(call: Call, op: str) -> Value:
    return binary(op, call.value(0), call.operand(1))


@operator("Add")
def add(call: Call) -> Value:
    for i, other in ((0, 1), (1, 0)):
        number = call.number_of(i)
        if number is not None and math.isfinite(number):
            return affine(call.value(other), 1.0, number)
    return _pair(call, "add")


@operator("Sub")
def sub(call: Call) -> Value:
    first, second = call.number_of(0), call.number_of(1)
    if second is not None and math.isfinite(second):
        return affine(call.value(0), 1.0, -second)
    if first is not None and math.isfinite(first):
        return affine(call.value(1), -1.0, first)
    return _pair(call, "subtract")


@operator("Mul")
def mul(call: Call) -> Value:
    for i, other in ((0, 1), (1, 0)):
        number = call.number_of(i)
        if number is not None and math.isfinite(number):
            return affine(call.value(other), number, 0.0)
    return _pair(call, "multiply")


@operator("Div")
def div(call: Call) -> Value:
    number = call.number_of(1)
    if number and 2.0**-100 < abs(number) < 2.0**100:  # its inverse is a normal number
        return affine(call.value(0), 1 / number, 0.0)
    return _pair(call, "divide")


@operator("Pow")
def power(call: Call) -> Value:
    exponent = call.input(1)
    if isinstance(exponent, np.ndarray) and exponent.dtype.kind in "iu":  # the only operator whose inputs may have two types
        call.inputs[1] = exponent.astype(np.float32)
    number = call.number_of(1)
    if number is None:
        return _pair(call, "power")
    x = call.value(0)
    if number == 2:
        return binary("multiply", x, x)
    kinds = {0.5: "sqrt", -1.0: "reciprocal"}
    if number in kinds:
        return activation(x, kinds[number])
    return x if number == 1 else activation(x, "power", number)


_SERIES = {"Sum": "add", "Mean": "add", "Max": "maximum", "Min": "minimum"}


@operator(*_SERIES)
def series(call: Call) -> Value:
    """One input or more."""
    op = _SERIES[call.node.op_type]
    result = call.value(0)
    for i in range(1, len(call)):
        result = binary(op, result, call.operand(i))
    return affine(result, 1 / len(call), 0.0) if call.node.op_type == "Mean" else result


_COMPARISONS = {"Equal": "equal", "Less": "less", "LessOrEqual": "less_equal", "Greater": "greater", "GreaterOrEqual": "greater_equal"}


@operator(*_COMPARISONS)
def compare(call: Call) -> Value:
    """Floating point, or int32 values of the run (indices) with such values or constants."""
    kind = _COMPARISONS[call.node.op_type]
    if call.is_integer(0) or call.is_integer(1):
        return call.boolean(binary("compare", call.real(0), call.real(1), kind=kind))
    return call.boolean(binary("compare", call.value(0), call.operand(1), kind=kind))


@operator("And", "Or", "Xor")
def logic(call: Call) -> Value:
    """Both inputs are bool, 0 or 1."""
    if not (call.is_boolean(0) and call.is_boolean(1)):
        call.fail("both inputs must be bool", "another type")
    if call.node.op_type == "And":
        return call.boolean(_pair(call, "multiply"))
    if call.node.op_type == "Or":
        return call.boolean(_pair(call, "maximum"))
    return call.boolean(affine(binary("compare", call.value(0), call.operand(1), kind="equal"), -1.0, 1.0))


@operator("Not")
def negation(call: Call) -> Value:
    if not call.is_boolean(0):
        call.fail("the input must be bool", "another type")
    return call.boolean(affine(call.value(0), -1.0, 1.0))


@operator("Where")
def where(call: Call) -> Value:
    """a where the condition is true, b elsewhere."""
    chosen = add_node("where", [call.value(0), call.operand(1), call.operand(2)], {})
    return call.boolean(chosen) if call.is_boolean(1) and call.is_boolean(2) else chosen
