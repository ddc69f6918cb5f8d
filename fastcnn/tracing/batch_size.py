"""The size N of the batch in shapes: a Size stands for it while forward() is traced, so that no network silently depends on it.

The first axis of every input is the batch. From there the rule of each op says which axes of its output follow: the shape of a symbolic
value has a Size for these, wherever they are, and an integer for all others. A trace is for one N, so a Size has a value, which only this
package reads.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

import numpy as np

from fastcnn.support.arrays import Shape
from fastcnn.support.user_line import user_line
from fastcnn.tracing.axes import expanded_shape, resolved_shape
from fastcnn.tracing.operators import row_of

__all__ = ["RULES", "Size", "Symbolic", "batch_axis", "concrete", "expanded", "followed", "reshaped"]

Sizes = Sequence[Any]  # integers and Sizes


class Symbolic:
    """Marks symbolic values. Arithmetic of a Size with one is left to the symbolic value."""

    __slots__ = ()


class Size:
    """N, or the result of + - * and // with it. It is accepted where a shape is, and cannot be read as a number.

    Sizes that are equal for every batch compare as equal, so that x.shape == y.shape may be asked; any other comparison raises TypeError.
    """

    __slots__ = ("_batch", "_major", "_times", "value")
    __array_ufunc__ = None  # NumPy leaves `number * size` to Size

    def __init__(self, value: int, batch: int, times: int | None = 1, major: bool = False) -> None:
        """value: the size in this trace, whose N is `batch`. times: value = times * N + a fixed number; None: another function of N.

        major: whether the axis has the entries of the first sample, then those of the second.
        """
        self.value = value
        self._batch = batch
        self._times = times
        self._major = major or (times == 1 and value == batch)

    def __repr__(self) -> str:
        """As in "2*N+1=9"."""
        if self._times is None:
            return f"f(N)={self.value}"
        return ("N" if self._times == 1 else f"{self._times}*N") + (f"{self._fixed:+}" if self._fixed else "") + f"={self.value}"

    @property
    def _fixed(self) -> int:
        return self.value - (self._times or 0) * self._batch

    @property
    def sample_major(self) -> bool:
        """Whether the entries are those of the first sample, then those of the second: so are those of N itself."""
        return self._major

    def merged(self, axis: int, before: Sizes) -> Size:
        """As the axis of an array that was reshaped: its first axis holds sample after sample if that of the array before it did."""
        first = before[0] if before else 0
        major = axis == 0 and isinstance(first, Size) and first._major and self._times is not None and not self._fixed
        return Size(self.value, self._batch, self._times, major)

    def other(self, value: int, major: bool = False) -> Size:
        """A size that follows the batch in an unknown way."""
        return Size(value, self._batch, None, major)

    # ---- arithmetic

    def __add__(self, other: Any) -> Any:
        if (b := self._operand("+", other)) is None:
            return NotImplemented
        return self._made(self.value + b.value, None if self._times is None or b._times is None else self._times + b._times)

    def __mul__(self, other: Any) -> Any:
        if (b := self._operand("*", other)) is None:
            return NotImplemented
        return self._made(self.value * b.value, self._times * b.value if self._times is not None and b._times == 0 else None)

    def __floordiv__(self, other: Any) -> Any:
        if (b := self._operand("//", other)) is None:
            return NotImplemented
        if self._times and b._times and not (self._times % b._times or self._fixed or b._fixed):
            return self._times // b._times  # 49*N // N is 49
        exact = b._times == 0 and self._times is not None and not (self._times % b.value or self._fixed % b.value)
        return self._made(self.value // b.value, self._times // b.value if exact and self._times else None)

    def __sub__(self, other: Any) -> Any:
        return self + -1 * other

    def __rsub__(self, other: Any) -> Any:
        return -1 * self + other

    __radd__ = __add__
    __rmul__ = __mul__

    def _operand(self, sign: str, other: Any) -> Size | None:
        """An integer as a Size with times=0. None for a symbolic value, which computes the result instead."""
        if isinstance(other, Symbolic):
            return None
        if isinstance(other, Size):
            return other if other._batch == self._batch else self.other(other.value)
        if not isinstance(other, (int, np.integer)):
            self._refuse("combined with anything but integers", f"{sign} {type(other).__name__}")
        return Size(int(other), self._batch, 0)

    def _made(self, value: int, times: int | None) -> Size | int:
        return value if times == 0 else Size(value, self._batch, times)

    # ---- operations that would make the network depend on the batch

    def _refuse(self, what: str, got: str = "") -> NoReturn:
        rule = f"the size of the batch must not be {what}: it may go into reshape and its like, and with integers into +, -, * and //"
        raise TypeError(f"[trace] {rule}. Got {self}{got and f' {got}'} {user_line()}.")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Size) or self._times is None:
            self._refuse("compared")
        if (self.value, self._batch, self._times) != (other.value, other._batch, other._times):
            self._refuse("compared")
        return True

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __lt__(self, other: object) -> bool:
        self._refuse("compared")

    __le__ = __gt__ = __ge__ = __lt__

    def __hash__(self) -> int:
        self._refuse("looked up in a set or dictionary")

    def __bool__(self) -> bool:
        self._refuse("used as a condition")

    def __index__(self) -> int:
        self._refuse("used as an index, a range or another integer")

    def __int__(self) -> int:
        self._refuse("converted to a number")

    def __float__(self) -> float:
        self._refuse("converted to a number")

    def __mod__(self, other: object) -> NoReturn:
        self._refuse("combined by another operator", f"and {other!r}")

    __rmod__ = __truediv__ = __rtruediv__ = __rfloordiv__ = __divmod__ = __rdivmod__ = __pow__ = __rpow__ = __mod__

    def __neg__(self) -> NoReturn:
        self._refuse("negated")


# ---- shapes


def concrete(shape: Sizes) -> Shape:
    """The shape of a value, a parameter or an array in numbers."""
    return tuple([size.value if isinstance(size, Size) else size for size in shape])


def batch_axis(shape: Sizes) -> int | None:
    """Returns the axis of a shape whose entries are the samples of the batch; None if there is none or none that is known.

    An axis of 2*N is only known where a reshape has merged N with what is behind it: otherwise entries of other samples may lie between
    those of one.
    """
    following = [axis for axis, size in enumerate(shape) if isinstance(size, Size)]
    return following[0] if len(following) == 1 and shape[following[0]].sample_major else None


def reshaped(shape: Sizes, wanted: Sizes) -> list[Any]:
    """`wanted` with its -1, if it has one, replaced by what is left: a Size where that follows the batch."""
    entries = concrete(wanted)
    sizes = resolved_shape(concrete(shape), entries)
    known = math.prod(size for size, entry in zip(wanted, entries, strict=True) if entry != -1)
    rest = math.prod(shape) // known if -1 in entries else 0
    return [given if isinstance(given, Size) else rest if given == -1 else size for given, size in zip(wanted, sizes, strict=True)]


def expanded(shape: Sizes, wanted: Sizes) -> list[Any]:
    """`wanted` with each -1 replaced by the size that is there."""
    sizes = expanded_shape(concrete(shape), concrete(wanted))
    return [given if isinstance(given, Size) else size for given, size in zip(wanted, sizes, strict=True)]


# ---- which axes of a node's output follow the batch


def followed(op: str, inputs: Sequence[Any], attributes: Mapping[str, Any], sizes: Shape) -> tuple[Any, ...]:
    """The shape of an output, `sizes` in numbers, with a Size for each axis that follows the batch. inputs: values, parameters, None."""
    shapes = [operand.shape for operand in inputs if operand is not None]
    axes = RULES[row_of(op).batch](shapes, attributes, len(sizes))
    if len(axes) > len(sizes):  # statistics of channels beside the first output
        return sizes
    axes = [*(0,) * (len(sizes) - len(axes)), *axes]
    # an axis that is cut, padded or resampled has another size than the one it comes from
    return tuple([n if not isinstance(a, Size) else a if a.value == n else a.other(n) for a, n in zip(axes, sizes, strict=True)])


def _broadcast(shapes: Sequence[Sizes]) -> Sizes:
    """Axis by axis, from the last one: the Size where one of the shapes has one."""
    if len(shapes) == 1:
        return shapes[0]
    axes: list[Any] = [None] * max(map(len, shapes), default=0)
    for shape in shapes:
        for axis, size in enumerate(shape, len(axes) - len(shape)):
            if isinstance(size, Size) and (axes[axis] is None or size.value > axes[axis].value):
                axes[axis] = size
    return axes


# ---- rules: (shapes of the inputs, attributes, number of the output's axes) -> sizes of its last axes, all others follow nothing


def _none(shapes: Sequence[Sizes], attributes: Mapping[str, Any], rank: int) -> Sizes:
    """A number for the whole batch, or no output."""
    return []


def _alike(shapes: Sequence[Sizes], attributes: Mapping[str, Any], rank: int) -> Sizes:
    return _broadcast(shapes)


def _rows(shapes: Sequence[Sizes], attributes: Mapping[str, Any], rank: int) -> Sizes:
    """The axes of the input. Statistics of rows have the first ones."""
    return shapes[0][:rank]


def _reshape(shapes: Sequence[Sizes], attributes: Mapping[str, Any], rank: int) -> Sizes:
    """A shape of numbers alone, as in ONNX files: equal sizes at both ends are the same axes, any between them may follow the batch."""
    before = shapes[0]
    after = list(attributes["shape"])
    if any(isinstance(size, Size) for size in after):
        return [size.merged(axis, before) if isinstance(size, Size) else size for axis, size in enumerate(after)]
    numbers = concrete(before)
    most = min(len(before), len(after))
    head = next((i for i in range(most) if numbers[i] != after[i]), most)
    tail = next((i for i in range(most - head) if numbers[-1 - i] != after[-1 - i]), most - head)
    between = [size for size in before[head : len(before) - tail] if isinstance(size, Size)]
    middle = after[head : len(after) - tail]
    major = head == 0 and len(middle) == 1 and bool(between) and before[0] is between[0] and between[0].sample_major  # N * so many
    return [*before[:head], *(between[0].other(size, major) if between else size for size in middle), *before[len(before) - tail :]]


def _expand(shapes: Sequence[Sizes], attributes: Mapping[str, Any], rank: int) -> Sizes:
    return _broadcast([*shapes, attributes["shape"]])


def _transpose(shapes: Sequence[Sizes], attributes: Mapping[str, Any], rank: int) -> Sizes:
    return [shapes[0][axis] for axis in attributes["axes"]]


def _concat(shapes: Sequence[Sizes], attributes: Mapping[str, Any], rank: int) -> Sizes:
    axes = list(_broadcast(shapes))
    axis = attributes["axis"]
    axes[axis] = sum(shape[axis] for shape in shapes)
    return axes


def _reduction(shapes: Sequence[Sizes], attributes: Mapping[str, Any], rank: int) -> Sizes:
    """Over attribute axes, or axis."""
    over = attributes["axes"] if "axes" in attributes else [attributes["axis"]]
    left = [1 if axis in over else size for axis, size in enumerate(shapes[0])]
    return left if attributes["keepdims"] else [size for axis, size in enumerate(left) if axis not in over]


def _take(shapes: Sequence[Sizes], attributes: Mapping[str, Any], rank: int) -> Sizes:
    """The axes of the input. Attribute axis follows in an unknown way unless all its entries are taken in their order."""
    axes = list(shapes[0])
    axis = attributes["axis"]
    indices = attributes["indices"]
    if isinstance(axes[axis], Size) and not (len(indices) == axes[axis].value and all(map(operator.eq, indices, range(len(indices))))):
        axes[axis] = axes[axis].other(len(indices))
    return axes


def _one_axis(shapes: Sequence[Sizes], attributes: Mapping[str, Any], rank: int) -> Sizes:
    """The axes of the input, but attribute axis has another size, a fixed one."""
    return [0 if axis == attributes["axis"] else size for axis, size in enumerate(shapes[0])]


def _matmul(shapes: Sequence[Sizes], attributes: Mapping[str, Any], rank: int) -> Sizes:
    a, b = shapes
    row = -1 if attributes.get("transpose_a") else -2
    column = -2 if attributes.get("transpose_b") else -1
    return [*_broadcast([a[:-2], b[:-2]]), a[row], b[column]]


RULES: dict[str, Callable[[Sequence[Sizes], Mapping[str, Any], int], Sizes]] = {
    "alike": _alike,
    "concat": _concat,
    "expand": _expand,
    "matmul": _matmul,
    "none": _none,
    "one_axis": _one_axis,
    "reduction": _reduction,
    "reshape": _reshape,
    "rows": _rows,
    "take": _take,
    "transpose": _transpose,
}
