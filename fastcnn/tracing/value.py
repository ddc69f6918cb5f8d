"""Value: a symbolic array, on which forward() computes. It has a shape and no numbers; each operation appends a node to the graph.

The methods have the names of torch.Tensor's. A method without an operation in the core does not exist.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

import numpy as np

from fastcnn._core import Graph, Parameter
from fastcnn.support.arguments import number, whole
from fastcnn.support.arrays import numeric
from fastcnn.support.user_line import user_line
from fastcnn.tracing.axes import axis_of, merged_axes, slices_of
from fastcnn.tracing.batch_size import Size, Symbolic, concrete, reshaped
from fastcnn.tracing.image_methods import ImageMethods

__all__ = ["Tape", "Value", "activation", "add_binary", "add_node", "add_nodes", "matmul", "must_be_value", "operand_of"]


class Tape(Protocol):
    """The part of a trace (trace.py) that its values use."""

    graph: Graph
    training: bool
    dropouts: int
    places: int

    def add(self, op: str, inputs: Sequence[Any], attributes: Mapping[str, Any]) -> list[Value]: ...


class Value(ImageMethods, Symbolic):
    """A symbolic array: `shape`, operators with numbers, arrays, parameters and other values, slicing, and the methods below.

    Axes of `shape` that follow the batch have a symbolic size. It can be an argument of reshape and similar methods, and an operand of
    sums, products and //. Comparing it, or using it as a number, raises TypeError. The first axis of each input follows the batch, and so
    do the axes that operations make of it: for x (N, C) those are x.T.shape[1] and x.view(-1).shape[0], but no axis of x.mean(0) or of a
    parameter.
    """

    __array_ufunc__ = None  # makes NumPy call Value.__radd__ for `array + value`
    __hash__ = object.__hash__
    __slots__ = ("id", "shape", "trace")

    def __init__(self, trace: Tape, value: int, shape: tuple[Any, ...]) -> None:
        """shape: integers, and a Size for each axis that follows the batch."""
        self.trace = trace
        self.id = value
        self.shape = shape

    def __repr__(self) -> str:
        return f"Value(shape={self.shape})"

    # ---- arithmetic

    def __add__(self, other: Any) -> Value:
        number = _number(other)
        return self._scale_shift(1.0, number) if number is not None else self._with("add", other)

    def __mul__(self, other: Any) -> Value:
        number = _number(other)
        return self._scale_shift(number, 0.0) if number is not None else self._with("multiply", other)

    def __sub__(self, other: Any) -> Value:
        number = _number(other)
        return self._scale_shift(1.0, -number) if number is not None else self._with("subtract", other)

    def __rsub__(self, other: Any) -> Value:
        number = _number(other)
        return self._scale_shift(-1.0, number) if number is not None else add_binary("subtract", other, self)

    def __truediv__(self, other: Any) -> Value:
        number = _number(other)
        if number == 0:
            raise ZeroDivisionError(f"[divide] the divisor must not be zero. Got {other!r}.")
        if number is not None and math.isfinite(number) and not 2.0**-100 < abs(number) < 2.0**100:  # 1 / number is no normal float32
            root = 2.0 ** (math.frexp(number)[1] // 2)
            return self / root / (number / root)
        return self._scale_shift(1 / number, 0.0) if number is not None else self._with("divide", other)

    def __rtruediv__(self, other: Any) -> Value:
        number = _number(other)
        return self.reciprocal()._scale_shift(number, 0.0) if number is not None else add_binary("divide", other, self)

    def __pow__(self, other: Any) -> Value:
        number = _number(other)
        return activation("power", self, number) if number is not None else self._with("power", other)

    def __rpow__(self, other: Any) -> Value:
        return add_binary("power", other, self)

    def __neg__(self) -> Value:
        return self._scale_shift(-1.0, 0.0)

    def __abs__(self) -> Value:
        return activation("abs", self)

    __radd__ = __add__
    __rmul__ = __mul__
    add, sub, mul, div, pow, neg, abs = __add__, __sub__, __mul__, __truediv__, __pow__, __neg__, __abs__

    def _scale_shift(self, scale: float, shift: float) -> Value:
        return add_node("scale_shift", [self], {"scale": scale, "shift": shift})

    def append_nodes(self, op: str, attributes: Mapping[str, Any]) -> list[Value]:
        return add_nodes(op, [self], attributes)

    def _with(self, op: str, other: Any) -> Value:
        return add_binary(op, self, other)

    # ---- operations that need numbers: errors

    def _unknown(self, what: str) -> NoReturn:
        raise TypeError(f"[forward] a symbolic value cannot be {what}: it has a shape and no numbers yet. Got that {user_line()}.")

    def __bool__(self) -> NoReturn:
        self._unknown("used as a condition")

    def __iter__(self) -> Iterator[Value]:
        self._unknown("iterated over")

    def __float__(self) -> NoReturn:
        self._unknown("converted to a number")

    def __array__(self, *_: Any, **__: Any) -> NoReturn:
        self._unknown("converted to an array")

    def __lt__(self, other: object) -> bool:
        self._unknown("compared")

    def __eq__(self, other: object) -> bool:
        self._unknown("compared")

    __le__ = __gt__ = __ge__ = __lt__
    __ne__ = __eq__
    __int__ = __index__ = __float__

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> NoReturn:
            raise AttributeError(f"[Value] a symbolic value has no attribute or method of this name. Got .{name}.")

    # ---- shape

    def dim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    def size(self, dim: int | None = None) -> Any:
        """Returns the shape, or the size of one axis."""
        return self.shape if dim is None else self.shape[axis_of("size", dim, self.ndim)]

    def reshape(self, *shape: Any) -> Value:
        """Returns the same elements with another shape. One entry may be -1."""
        sizes = shape[0] if len(shape) == 1 and isinstance(shape[0], (tuple, list)) else shape
        return add_node("reshape", [self], {"shape": reshaped(self.shape, sizes)})

    view = reshape

    def flatten(self, start_dim: int = 0, end_dim: int = -1) -> Value:
        """Merges the axes start_dim .. end_dim, both included, into one."""
        return self.reshape(merged_axes(self.shape, start_dim, end_dim))

    # ---- parts

    def __getitem__(self, index: Any) -> Value:
        """Returns a part: integers and slices, with any step, along any axes."""
        cuts, kept = slices_of(concrete(self.shape), index)
        value = self
        for axis, start, stop, step in cuts:
            if step == 1:
                value = add_node("slice", [value], {"axis": axis, "start": start, "stop": stop})
            else:
                value = add_node("take", [value], {"axis": axis, "indices": list(range(start, stop, step)), "value": 0.0})
        return value if len(kept) == self.ndim else value.reshape([value.shape[axis] for axis in kept])

    def split(self, split_size: int | Sequence[int], dim: int = 0) -> tuple[Value, ...]:
        """Splits an axis into parts of `split_size` each (the last may be smaller), or of the given sizes."""
        axis = axis_of("split", dim, self.ndim)
        extent = concrete(self.shape)[axis]
        if isinstance(split_size, (tuple, list)):
            sizes = [whole("split", "split_size", size) for size in split_size]
        else:
            step = whole("split", "split_size", split_size, 1)
            sizes = [min(step, extent - start) for start in range(0, extent, step)]
        if sum(sizes) != extent:
            raise ValueError(f"[split] the sizes must add up to the axis. Got split_size={sizes}, axis of {extent}.")
        stops = [sum(sizes[: i + 1]) for i in range(len(sizes))]
        return tuple(
            add_node("slice", [self], {"axis": axis, "start": stop - size, "stop": stop}) for size, stop in zip(sizes, stops, strict=True)
        )

    def chunk(self, chunks: int, dim: int = 0) -> tuple[Value, ...]:
        """Splits an axis into at most `chunks` parts of equal size. The last may be smaller."""
        extent = concrete(self.shape)[axis_of("chunk", dim, self.ndim)]
        return self.split(max(1, -(-extent // whole("chunk", "chunks", chunks, 1))), dim)

    def cat(self, *others: Value, dim: int = 0) -> Value:
        """Joins this value and others along `dim`."""
        return add_node("concat", [self, *others], {"axis": axis_of("concat", dim, self.ndim)})

    # ---- functions

    def relu(self) -> Value:
        return activation("relu", self)

    def sigmoid(self) -> Value:
        return activation("sigmoid", self)

    def tanh(self) -> Value:
        return activation("tanh", self)

    def exp(self) -> Value:
        return activation("exp", self)

    def log(self) -> Value:
        return activation("log", self)

    def sqrt(self) -> Value:
        return activation("sqrt", self)

    def rsqrt(self) -> Value:
        return activation("power", self, -0.5)

    def square(self) -> Value:
        return activation("power", self, 2.0)

    def reciprocal(self) -> Value:
        return activation("reciprocal", self)

    def erf(self) -> Value:
        return activation("erf", self)

    def sign(self) -> Value:
        return activation("sign", self)

    def floor(self) -> Value:
        return activation("floor", self)

    def ceil(self) -> Value:
        return activation("ceil", self)

    def round(self) -> Value:
        return activation("round", self)

    def sin(self) -> Value:
        return activation("sin", self)

    def cos(self) -> Value:
        return activation("cos", self)

    def minimum(self, other: Any) -> Value:
        return add_binary("minimum", self, other)

    def maximum(self, other: Any) -> Value:
        return add_binary("maximum", self, other)

    def clamp(self, min: Any = None, max: Any = None) -> Value:
        """min(max(x, min), max). None means no bound. Bounds may be numbers, or arrays and values that broadcast."""
        if min is None and max is None:
            raise ValueError("[clamp] min or max must be given. Got None for both.")
        if all(bound is None or isinstance(bound, (int, float)) for bound in (min, max)):
            low = -float("inf") if min is None else number("clamp", "min", min, finite=False)
            high = float("inf") if max is None else number("clamp", "max", max, finite=False)
            return activation("clipped", self, low, high)
        raised = self if min is None else self.maximum(min)
        return raised if max is None else raised.minimum(max)

    def matmul(self, other: Any) -> Value:
        """The matrix product over the last two axes; see fastcnn.matmul."""
        return matmul(self, other)

    def __matmul__(self, other: Any) -> Value:
        return matmul(self, other)

    def __rmatmul__(self, other: Any) -> Value:
        return matmul(other, self)

    def softmax(self, dim: int) -> Value:
        return add_node("softmax", [self], {"axis": axis_of("softmax", dim, self.ndim)})

    def log_softmax(self, dim: int) -> Value:
        return add_node("log_softmax", [self], {"axis": axis_of("log_softmax", dim, self.ndim)})


def add_nodes(op: str, inputs: Sequence[Any], attributes: Mapping[str, Any]) -> list[Value]:
    """Appends a node to the trace of its first input and returns its outputs. inputs: values, parameters, None for inputs left out."""
    first = inputs[0]
    if not isinstance(first, Value):
        raise TypeError(f"[{op}] the input must be a symbolic value, as forward() gets it. Got {type(first).__name__}.")
    for operand in inputs:
        if not (operand is None or isinstance(operand, (Value, Parameter))):
            raise TypeError(f"[{op}] an operand must be a symbolic value or a parameter. Got {type(operand).__name__}.")
    return first.trace.add(op, inputs, attributes)


def add_node(op: str, inputs: Sequence[Any], attributes: Mapping[str, Any]) -> Value:
    """Appends a node like add_nodes() and returns its first output."""
    return add_nodes(op, inputs, attributes)[0]


def activation(kind: str, x: Value, a: float = 0.0, b: float = 0.0) -> Value:
    """Appends a function of one number, by its name in the core (cpp/simd/activations.inc). a, b: its parameters."""
    return add_node("activation", [x], {"kind": kind, "a": a, "b": b})


def operand_of(op: str, value: Any) -> Value | Parameter:
    """Returns a value or parameter unchanged, and arrays and numbers as constants."""
    return value if isinstance(value, (Value, Parameter)) else Parameter(numeric(op, "an operand", value))


def add_binary(op: str, a: Any, b: Any, attributes: Mapping[str, Any] | None = None) -> Value:
    """Appends a node with two operands. At least one must be a symbolic value."""
    value = next((operand for operand in (a, b) if isinstance(operand, Value)), None)
    if value is None:
        raise TypeError(f"[{op}] an operand must be a symbolic value, as forward() gets it. Got {type(a).__name__} and {type(b).__name__}.")
    return value.trace.add(op, [operand_of(op, a), operand_of(op, b)], attributes or {})[0]


def matmul(x: Any, other: Any) -> Value:
    """The matrix product over the last two axes; the other axes broadcast. A vector is a row on the left, a column on the right.

    At least one operand is a symbolic value, the other one a symbolic value, a parameter or an array.
    """
    if not isinstance(x, Value):
        must_be_value("matmul", other)
    trace = x.trace if isinstance(x, Value) else other.trace
    operands = [y if isinstance(y, (Value, Parameter)) else Parameter(numeric("matmul", "an operand", y)) for y in (x, other)]
    left, right = (len(operand.shape) == 1 for operand in operands)
    if left:
        operands[0] = trace.add("reshape", operands[:1], {"shape": [1, *operands[0].shape]})[0]
    if right:
        operands[1] = trace.add("reshape", operands[1:], {"shape": [*operands[1].shape, 1]})[0]
    product: Value = trace.add("matmul", operands, {})[0]
    shape = [*product.shape[:-2], *([] if left else product.shape[-2:-1]), *([] if right else product.shape[-1:])]
    return product.reshape(shape) if left or right else product


def must_be_value(where: str, x: Any) -> None:
    """Raises TypeError if x is not a symbolic value."""
    if not isinstance(x, Value):
        raise TypeError(f"[{where}] the input must be a symbolic value, as forward() gets it. Got {type(x).__name__}.")


def _number(value: Any) -> float | None:
    """Returns a number, or a Size in this trace, as a float; None for other operands."""
    if isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool):
        return float(value)
    return float(value.value) if isinstance(value, Size) else None
