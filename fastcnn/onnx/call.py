"""Call: one node for its handler, while it is traced or folded. It checks inputs and attributes and gives them in the form asked for.

An operand is a Value (its numbers come with a run), a Parameter (a weight), or an array (a constant).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NoReturn

import numpy as np

from fastcnn._core import Parameter
from fastcnn.onnx.messages import NodeProto
from fastcnn.onnx.refusals import refusal
from fastcnn.onnx.symbolic import MOST_CONSTANT
from fastcnn.support.arrays import AnyArray, Shape
from fastcnn.tracing.axes import axis_of
from fastcnn.tracing.batch_size import concrete
from fastcnn.tracing.trace import Trace
from fastcnn.tracing.value import Value, add_node

__all__ = ["Call", "Operand", "Results", "Scope"]

Operand = Value | Parameter | AnyArray
Results = Operand | tuple[Operand | None, ...]

_MOST_FOLDED = 1 << 26  # elements that folding makes or reads for one trace; 512 MB of int64
_MOST_LIFTED = 1 << 28  # elements of constants that become weights: repeated numbers, as of ConstantOfShape, are stored only then


class Scope:
    """The state that all calls of one trace share. trace None: a file is loaded, and nodes can only be folded.

    lifted: the weights that constants of the model became, by name. static: the operands of the model that all traces share.
    """

    def __init__(self, trace: Trace | None, lifted: dict[str, Parameter], static: dict[str, Operand]) -> None:
        self.trace = trace
        self.booleans: set[int] = set()  # ids of values that are 0 or 1 for false or true
        self._lifted = lifted
        self._static = static
        self._folded = 0  # elements so far
        self._elements = sum(parameter.size for parameter in lifted.values())

    def lift(self, name: str, array: AnyArray) -> Parameter:
        """A constant as a weight that is not trained. A constant that all traces share is lifted once."""
        if array.dtype.kind not in "fb":
            raise refusal(NotImplementedError, "operands of a run must be floating point", f"'{name}' of {array.dtype}")
        found = self._lifted.get(name)
        if found is not None and self._static.get(name) is array:
            return found
        self._elements += array.size
        if self._elements > _MOST_LIFTED:
            raise refusal(ValueError, f"constants must have at most {_MOST_LIFTED} elements together", f"'{name}' {array.shape}")
        parameter = Parameter(array.astype(np.float32, copy=False))
        if self._static.get(name) is array:
            self._lifted[name] = parameter
        return parameter

    def made(self, array: AnyArray, inputs: Sequence[Operand | None]) -> AnyArray:
        """Counts the elements of an array that folding made from the inputs, unless it is a view of one."""
        views = 0 in array.strides or any(isinstance(other, np.ndarray) and np.may_share_memory(array, other) for other in inputs)
        self.read(0 if views else array.size)
        return array

    def read(self, elements: int) -> None:
        """Counts elements that folding reads where these are more than it makes."""
        self._folded += elements
        if self._folded > _MOST_FOLDED:
            raise refusal(ValueError, f"constants must have at most {_MOST_FOLDED} elements together", "more")


class Call:
    """One node with its inputs. Its methods raise ValueError or NotImplementedError, by refusal(), for what a handler cannot take."""

    def __init__(self, scope: Scope, node: NodeProto, opset: int, inputs: list[Operand | None], folds: bool) -> None:
        self.scope = scope
        self.folds = folds  # whether NumPy computes the node
        self.node = node
        self.opset = opset
        self.inputs = inputs

    def fail(self, rule: str, got: object) -> NoReturn:
        raise refusal(ValueError, rule, got)

    def unsupported(self, rule: str, got: object) -> NoReturn:
        raise refusal(NotImplementedError, rule, got)

    # ---- inputs

    def __len__(self) -> int:
        return len(self.inputs)

    def has(self, index: int) -> bool:
        """Whether an input is given."""
        return index < len(self.inputs) and self.inputs[index] is not None

    def wants(self, output: int) -> bool:
        """Whether an output has a name: others are not needed."""
        return output < len(self.node.outputs) and self.node.outputs[output] != ""

    def input(self, index: int) -> Operand:
        operand = self.inputs[index] if index < len(self.inputs) else None
        if operand is None:
            self.fail(f"input {index} must be given", f"{len(self.inputs)} inputs")
        return operand

    def shape(self, index: int) -> Shape:
        """The shape of an input as integers, the batch included."""
        return concrete(self.input(index).shape)

    def rank(self, index: int) -> int:
        return len(self.input(index).shape)

    def operand(self, index: int) -> Value | Parameter:
        """An input for a node of the core. A constant becomes a weight."""
        operand = self.input(index)
        return self.scope.lift(self.node.inputs[index], operand) if isinstance(operand, np.ndarray) else operand

    def optional(self, index: int) -> Value | Parameter | None:
        """As operand(); None for an input that is left out."""
        return self.operand(index) if self.has(index) else None

    def value(self, index: int) -> Value:
        """An input as a symbolic value."""
        return self.symbolic(self.operand(index))

    def data(self, index: int) -> Any:
        """An input for the functions of symbolic.py that move values: an array if NumPy folds the node, else a symbolic value."""
        operand = self.input(index)
        return operand if self.folds and isinstance(operand, np.ndarray) else self.value(index)

    def symbolic(self, operand: Value | Parameter) -> Value:
        """An operand as a symbolic value."""
        if isinstance(operand, Value):
            return operand
        if self.scope.trace is None:
            self.fail("a node must not run while a file is loaded", self.node.op_type)
        return self.scope.trace.value(operand)

    def weight(self, name: str, array: AnyArray) -> Parameter:
        """A constant that the handler computed, as a weight, under a name that no value of the file has."""
        return self.scope.lift(f"\0{self.node.outputs[0]}\0{name}", array)

    def constant(self, index: int) -> AnyArray:
        """An input that must be known when the network is compiled: a constant, or what depends on shapes alone."""
        operand = self.input(index)
        if isinstance(operand, Value):
            self.unsupported(f"input {index} must be known before a run", f"'{self.node.inputs[index]}', a value of the run")
        return operand.numpy() if isinstance(operand, Parameter) else operand

    def whole_numbers(self, index: int) -> list[int]:
        """A constant input of integers, of any shape, as a flat list."""
        array = self.constant(index)
        if array.dtype.kind not in "iu" or array.size > MOST_CONSTANT:
            self.fail(f"input {index} must hold integers", f"{array.dtype} {array.shape}")
        return [int(entry) for entry in array.ravel()]

    def scalar(self, index: int) -> float:
        """A constant input of one element, as a number."""
        array = self.constant(index)
        if array.size != 1:
            self.fail(f"input {index} must be one number", array.shape)
        return float(array.reshape(()))

    def number_of(self, index: int) -> float | None:
        """A constant input of one number that adds no axes to the other inputs; None for all other inputs."""
        operand = self.input(index)
        if isinstance(operand, np.ndarray) and operand.size == 1 and operand.dtype.kind == "f":
            others = (len(other.shape) for i, other in enumerate(self.inputs) if other is not None and i != index)
            return float(operand.reshape(())) if operand.ndim <= max(others, default=0) else None
        return None

    def is_boolean(self, index: int) -> bool:
        """Whether an input is bool."""
        operand = self.input(index)
        return operand.id in self.scope.booleans if isinstance(operand, Value) else getattr(operand, "dtype", None) == np.bool_

    def is_integer(self, index: int) -> bool:
        """Whether an input is an int32 value of the run."""
        operand = self.input(index)
        return isinstance(operand, Value) and operand.trace.graph.dtype(operand.id) == "int32"

    def real(self, index: int) -> Value:
        """An input as float32. This is exact for integers up to 2^24, which indices along an axis are."""
        operand = self.input(index)
        if isinstance(operand, np.ndarray) and operand.dtype.kind in "iu":
            return self.symbolic(self.weight(f"real {index}", operand.astype(np.float32)))
        x = self.value(index)
        return add_node("cast", [x], {}) if self.is_integer(index) else x

    def boolean(self, value: Value) -> Value:
        """Marks a value as bool: it is 0 or 1."""
        self.scope.booleans.add(value.id)
        return value

    # ---- attributes

    def _attribute(self, name: str, kind: str, words: str) -> Any:
        """The value of an attribute of this kind, which `words` names; None if it is left out."""
        attribute = self.node.attributes.get(name)
        if attribute is None:
            return None
        if attribute.kind != kind or attribute.value is None:
            self.fail(f"attribute {name} must be {words}", attribute.kind or "another kind")
        return attribute.value

    def has_attribute(self, name: str) -> bool:
        return name in self.node.attributes

    def integer(self, name: str, default: int) -> int:
        value = self._attribute(name, "int", "an integer")
        return default if value is None else int(value)

    def flag(self, name: str, default: bool = False) -> bool:
        return bool(self.integer(name, int(default)))

    def number(self, name: str, default: float, finite: bool = True) -> float:
        """A finite number; finite=False: or an infinity."""
        value = self._attribute(name, "float", "a number")
        result = default if value is None else float(value)
        if math.isnan(result) or (finite and math.isinf(result)):
            self.fail(f"attribute {name} must be {'finite' if finite else 'a number'}", result)
        return result

    def text(self, name: str, default: str, *allowed: str) -> str:
        """A text, one of `allowed`."""
        value = self._attribute(name, "text", "a text")
        result = default if value is None else value.decode(errors="replace")
        if result not in allowed:
            self.unsupported(f"attribute {name} must be one of {', '.join(allowed)}", repr(result[:40]))
        return str(result)

    def integers(self, name: str, count: int | None = None) -> list[int] | None:
        """A list of integers, of `count` entries if that is given; None if it is left out."""
        value = self._attribute(name, "ints", "a list of integers")
        if value is not None and count is not None and len(value) != count:
            self.fail(f"attribute {name} must have {count} entries", len(value))
        return None if value is None else [int(entry) for entry in value]

    def numbers(self, name: str) -> list[float] | None:
        value = self._attribute(name, "floats", "a list of numbers")
        return None if value is None else [float(entry) for entry in value]

    def tensor(self, name: str) -> AnyArray | None:
        value = self._attribute(name, "tensor", "a tensor")
        return None if value is None else np.asarray(value)

    # ---- inputs or attributes

    def axis(self, default: int, rank: int) -> int:
        """The attribute axis of a value of this rank, from 0 on."""
        return axis_of(self.node.op_type, self.integer("axis", default), rank)

    def axes(self, index: int, rank: int) -> list[int] | None:
        """Axes from 0 on: input `index`, or the attribute axes that it was in older opsets; None if both are left out."""
        given = self.whole_numbers(index) if self.has(index) else self.integers("axes")
        if given is None:
            return None
        found = [axis_of(self.node.op_type, axis, rank) for axis in given]
        if len(set(found)) != len(found):
            self.fail("axes must not repeat", given)
        return found
