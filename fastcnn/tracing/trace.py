"""Tracing: a network's forward() runs once on symbolic values and leaves a graph of the C++ core behind.

A trace knows whether it is for training, in which layer it is (for names in reports and errors), and what a training step has to do beside
the graph: count its batches.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Literal, NamedTuple

from fastcnn._core import Graph, Parameter
from fastcnn.support.arrays import AnyArray, Shape
from fastcnn.support.errors import in_layer
from fastcnn.tracing.batch_size import Size, concrete, followed
from fastcnn.tracing.value import Value

__all__ = ["BatchCounter", "Trace", "current_trace"]

_current: ContextVar[Trace | None] = ContextVar("fastcnn_trace", default=None)


def current_trace() -> Trace | None:
    """The trace that is running in this thread."""
    return _current.get()


class BatchCounter(NamedTuple):
    """Counts the batches that a batch norm has seen."""

    batches: AnyArray  # the number, which each training step raises
    share: Parameter | None  # holds 1 / number during a step


class Trace:
    """One call of forward() on symbolic values.

    paths: the path of each module by its id, for names in reports and errors. names: the key of each parameter by its id.
    """

    def __init__(self, paths: Mapping[int, str], names: Mapping[int, str], training: bool) -> None:
        self.graph = Graph()
        self.training = training
        self.counters: list[BatchCounter] = []  # of the batch norms, once for each time that one is passed
        self.dropouts = 0
        self.places = 0  # that nodes of ONNX keep as attributes
        self.parameters: dict[int, Parameter] = {}  # by the id of their value
        self._paths = paths
        self._names = names
        self._path: list[str] = []

    @property
    def path(self) -> str:
        """The layer that is being traced: "features.3"; "" in the network itself."""
        return self._path[-1] if self._path else ""

    def enter(self, module: object) -> None:
        """What is traced from here to leave() belongs to this layer."""
        self._path.append(self._paths.get(id(module), type(module).__name__))

    def leave(self) -> None:
        self._path.pop()

    @contextmanager
    def at(self, path: str) -> Iterator[None]:
        """What is traced inside bears this name."""
        self._path.append(path)
        try:
            yield
        finally:
            self._path.pop()

    def run(self, forward: Callable[..., Any], *inputs: Value) -> Any:
        token = _current.set(self)
        try:
            return forward(*inputs)
        finally:
            _current.reset(token)

    def input(self, name: str, shape: Shape, dtype: Literal["float32", "int32"] = "float32") -> Value:
        """A value that comes with a run; its first axis is the batch."""
        return Value(self, self.graph.input(name, shape, dtype), (*(Size(size, size) for size in shape[:1]), *shape[1:]))

    def name_of(self, parameter: Parameter) -> str | None:
        """Its key in the network's state; None for one that is not the network's."""
        return self._names.get(id(parameter))

    def value(self, parameter: Parameter) -> Value:
        """A parameter as a symbolic value."""
        return Value(self, self._parameter(parameter), parameter.shape)

    def add(self, op: str, inputs: Sequence[Value | Parameter | None], attributes: Mapping[str, Any]) -> list[Value]:
        """Appends a node. Errors say in which layer."""
        numbers = {**attributes, "shape": concrete(attributes["shape"])} if "shape" in attributes else attributes
        try:
            ids = [
                operand.id if isinstance(operand, Value) and operand.trace is self else None if operand is None else self._id(op, operand)
                for operand in inputs
            ]
            outputs = self.graph.add(op, ids, numbers, self.path)
        except (ValueError, TypeError, NotImplementedError) as error:
            if not self.path:
                raise
            raise in_layer(error, self.path) from None
        return [Value(self, output, followed(op, inputs, attributes, self.graph.shape(output))) for output in outputs]

    def _id(self, op: str, operand: Value | Parameter) -> int:
        """Of a parameter, or of a value that is not ours."""
        if isinstance(operand, Value):
            raise ValueError(f"[{op}] a value is only good inside the call of forward() that it was made in. Got one of another call.")
        return self._parameter(operand)

    def _parameter(self, operand: Parameter) -> int:
        value = self.graph.parameter(operand, self._names.get(id(operand), "constant"))
        self.parameters[value] = operand
        return value
