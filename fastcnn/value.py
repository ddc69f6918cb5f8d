"""Value: what forward() computes with. It has a shape and no numbers; each operation on it appends a node to the graph being traced.

Its methods are named as a torch.Tensor's. A method that has no operation in the core yet is absent.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from fastcnn._core import Parameter
from fastcnn.arguments import whole
from fastcnn.arrays import numeric
from fastcnn.batch import Size, concrete, reshaped
from fastcnn.caller import user_line
from fastcnn.indexing import axis_of, merged_axes, slices_of
from fastcnn.methods import TensorMethods

if TYPE_CHECKING:
    from fastcnn.trace import Trace

__all__ = ["Value", "activation", "add_binary", "add_node", "add_nodes", "must_be_value", "operand_of"]


class Value(TensorMethods):
    """A symbolic array: `shape`, operators with numbers, arrays, parameters and other values, slicing, and the methods below.

    In `shape`, axes that follow the batch have a symbolic size: it goes into reshape and its like, into sums, products and //, and raises
    TypeError where it is compared or used as a number. The first axis of each input follows, and what operations make of it: of x (N, C)
    that is x.T.shape[1] and x.view(-1).shape[0], but no axis of x.mean(0) or of a parameter.
    """

    __array_ufunc__ = None  # NumPy leaves `array + value` to us
    __hash__ = object.__hash__
    __slots__ = ("id", "shape", "trace")

    def __init__(self, trace: Trace, value: int, shape: tuple[Any, ...]) -> None:
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
        if number is not None and math.isfinite(number) and not 2.0**-100 < abs(number) < 2.0**100:  # its inverse is no normal float32
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

    def _node(self, op: str, attributes: Mapping[str, Any]) -> Value:
        return add_node(op, [self], attributes)

    def _nodes(self, op: str, attributes: Mapping[str, Any]) -> list[Value]:
        return add_nodes(op, [self], attributes)

    def _with(self, op: str, other: Any) -> Value:
        return add_binary(op, self, other)

    # ---- what a value without numbers cannot do

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

    @property
    def ndim(self) -> int:
        return len(self.shape)

    def dim(self) -> int:
        return len(self.shape)

    def size(self, dim: int | None = None) -> Any:
        """The shape, or one entry of it."""
        return self.shape if dim is None else self.shape[axis_of("size", dim, self.ndim)]

    def reshape(self, *shape: Any) -> Value:
        """The same numbers in another shape; one entry may be -1."""
        sizes = shape[0] if len(shape) == 1 and isinstance(shape[0], (tuple, list)) else shape
        return add_node("reshape", [self], {"shape": reshaped(self.shape, sizes)})

    view = reshape

    def flatten(self, start_dim: int = 0, end_dim: int = -1) -> Value:
        return self.reshape(merged_axes(self.shape, start_dim, end_dim))

    # ---- parts

    def __getitem__(self, index: Any) -> Value:
        """Integers and slices, of any step, along any axes."""
        cuts, kept = slices_of(concrete(self.shape), index)
        value = self
        for axis, start, stop, step in cuts:
            if step == 1:
                value = add_node("slice", [value], {"axis": axis, "start": start, "stop": stop})
            else:
                value = add_node("take", [value], {"axis": axis, "indices": list(range(start, stop, step)), "value": 0.0})
        return value if len(kept) == self.ndim else value.reshape([value.shape[axis] for axis in kept])

    def split(self, split_size: int | Sequence[int], dim: int = 0) -> tuple[Value, ...]:
        """Parts of `split_size` each (the last may be smaller), or of the sizes given."""
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
        """At most `chunks` parts of equal size; the last may be smaller."""
        extent = concrete(self.shape)[axis_of("chunk", dim, self.ndim)]
        return self.split(max(1, -(-extent // whole("chunk", "chunks", chunks, 1))), dim)

    def cat(self, *others: Value, dim: int = 0) -> Value:
        """This value and others, one after another along `dim`."""
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
        from fastcnn import functional

        return functional.clamp(self, min, max)

    def interpolate(self, size: Any = None, scale_factor: Any = None, mode: str = "nearest", align_corners: bool | None = None) -> Value:
        from fastcnn import functional

        return functional.interpolate(self, size, scale_factor, mode, align_corners)

    def softmax(self, dim: int) -> Value:
        return add_node("softmax", [self], {"axis": axis_of("softmax", dim, self.ndim)})

    def log_softmax(self, dim: int) -> Value:
        return add_node("log_softmax", [self], {"axis": axis_of("log_softmax", dim, self.ndim)})


def add_nodes(op: str, inputs: Sequence[Any], attributes: Mapping[str, Any]) -> list[Value]:
    """Appends a node to the trace of its first input. inputs: values, parameters, None for those left out."""
    first = inputs[0]
    if not isinstance(first, Value):
        raise TypeError(f"[{op}] the input must be a symbolic value, as forward() gets it. Got {type(first).__name__}.")
    for operand in inputs:
        if not (operand is None or isinstance(operand, (Value, Parameter))):
            raise TypeError(f"[{op}] an operand must be a symbolic value or a parameter. Got {type(operand).__name__}.")
    return first.trace.add(op, inputs, attributes)


def add_node(op: str, inputs: Sequence[Any], attributes: Mapping[str, Any]) -> Value:
    return add_nodes(op, inputs, attributes)[0]


def activation(kind: str, x: Value, a: float = 0.0, b: float = 0.0) -> Value:
    """A function of one number, by its name in the core (cpp/simd/activations.inc)."""
    return add_node("activation", [x], {"kind": kind, "a": a, "b": b})


def operand_of(op: str, value: Any) -> Value | Parameter:
    """A value or parameter as it is; arrays and numbers as constants."""
    return value if isinstance(value, (Value, Parameter)) else Parameter(numeric(op, "an operand", value))


def add_binary(op: str, a: Any, b: Any, attributes: Mapping[str, Any] | None = None) -> Value:
    """A node of two operands, one of them at least a symbolic value."""
    value = next((operand for operand in (a, b) if isinstance(operand, Value)), None)
    if value is None:
        raise TypeError(f"[{op}] an operand must be a symbolic value, as forward() gets it. Got {type(a).__name__} and {type(b).__name__}.")
    return value.trace.add(op, [operand_of(op, a), operand_of(op, b)], attributes or {})[0]


def must_be_value(where: str, x: Any) -> None:
    if not isinstance(x, Value):
        raise TypeError(f"[{where}] the input must be a symbolic value, as forward() gets it. Got {type(x).__name__}.")


def _number(value: Any) -> float | None:
    if isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool):
        return float(value)
    return float(value.value) if isinstance(value, Size) else None
