"""Element-wise arithmetic with the names of torch: functions of one value, and functions of two values with NumPy's broadcasting.

An operand is a symbolic value, a parameter, an array or a number. At least one operand must be a symbolic value.
"""

from __future__ import annotations

from typing import Any

from fastcnn.tracing.value import Value, activation, add_binary, add_node, must_be_value, operand_of

__all__ = [
    "abs", "ceil", "clamp", "cos", "eq", "erf", "exp", "floor", "ge", "gt", "le", "log", "lt", "maximum", "minimum", "pow", "reciprocal",
    "round", "sign", "sin", "sqrt", "where",
]  # fmt: skip


def exp(x: Value) -> Value:
    """e to the power of x."""
    return activation("exp", x)


def log(x: Value) -> Value:
    """The natural logarithm; NaN for negative numbers."""
    return activation("log", x)


def sqrt(x: Value) -> Value:
    """The square root; NaN for negative numbers."""
    return activation("sqrt", x)


def reciprocal(x: Value) -> Value:
    """1 / x"""
    return activation("reciprocal", x)


def abs(x: Value) -> Value:
    """The absolute value."""
    return activation("abs", x)


def sign(x: Value) -> Value:
    """-1, 0 or 1. Its gradient is zero, like that of floor, ceil and round."""
    return activation("sign", x)


def floor(x: Value) -> Value:
    """The largest integer that is at most x."""
    return activation("floor", x)


def ceil(x: Value) -> Value:
    """The smallest integer that is at least x."""
    return activation("ceil", x)


def round(x: Value) -> Value:
    """The nearest integer; halves become the even neighbour."""
    return activation("round", x)


def erf(x: Value) -> Value:
    """The error function, 2 / sqrt(pi) times the integral of exp(-t^2) from 0 to x."""
    return activation("erf", x)


def sin(x: Value) -> Value:
    """The sine of x in radians."""
    return activation("sin", x)


def cos(x: Value) -> Value:
    """The cosine of x in radians."""
    return activation("cos", x)


def clamp(x: Value, min: Any = None, max: Any = None) -> Value:
    """min(max(x, min), max). None means no bound. Bounds may be numbers, or arrays and values that broadcast."""
    must_be_value("clamp", x)
    return x.clamp(min, max)


def pow(x: Any, exponent: Any) -> Value:
    """x to the power of `exponent`; NaN where x is negative and the exponent is not an integer."""
    return x.pow(exponent) if isinstance(x, Value) else add_binary("power", x, exponent)


def minimum(x: Any, other: Any) -> Value:
    """The smaller operand, NaN where either is NaN. Equal operands get half of the gradient each."""
    return add_binary("minimum", x, other)


def maximum(x: Any, other: Any) -> Value:
    """The larger operand, NaN where either is NaN. Equal operands get half of the gradient each."""
    return add_binary("maximum", x, other)


def eq(x: Any, other: Any) -> Value:
    """1 where x == other, else 0. Comparisons have no gradient."""
    return add_binary("compare", x, other, {"kind": "equal"})


def lt(x: Any, other: Any) -> Value:
    """1 where x < other, else 0"""
    return add_binary("compare", x, other, {"kind": "less"})


def le(x: Any, other: Any) -> Value:
    """1 where x <= other, else 0"""
    return add_binary("compare", x, other, {"kind": "less_equal"})


def gt(x: Any, other: Any) -> Value:
    """1 where x > other, else 0"""
    return add_binary("compare", x, other, {"kind": "greater"})


def ge(x: Any, other: Any) -> Value:
    """1 where x >= other, else 0"""
    return add_binary("compare", x, other, {"kind": "greater_equal"})


def where(condition: Value, x: Any, other: Any) -> Value:
    """x where the condition (from gt, lt, ...) is not zero, else `other`"""
    return add_node("where", [condition, operand_of("where", x), operand_of("where", other)], {})
