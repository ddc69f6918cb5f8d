"""Tracing: forward() of a network runs once on symbolic values and builds a graph of the C++ core.

A trace knows whether it is for training, the path of the current layer (for names in reports and errors), and the counters of batches that
a training step must update beside the graph.
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
    """Returns the trace that is running in this thread, None outside forward()."""
    return _current.get()


class BatchCounter(NamedTuple):
    """The counter of the batches that a batch norm has seen."""

    batches: AnyArray  # (), the count, which each training step raises by 1
    share: Parameter | None  # (1,), holds 1 / count during a step


class Trace:
    """One call of forward() on symbolic values.

    paths: the path of each module by its id, for names in reports and errors. names: the key of each parameter and buffer by its id.
    """

    def __init__(self, paths: Mapping[int, str], names: Mapping[int, str], training: bool) -> None:
        self.graph = Graph()
        self.training = training
        self.counters: list[BatchCounter] = []  # one entry for each call of a batch norm
        self.dropouts = 0  # the number of dropouts so far; each has random numbers of its own
        self.places = 0  # the number of indices that nodes of ONNX models keep as attributes
        self.parameters: dict[int, Parameter] = {}  # by the id of their value in the graph
        self._paths = paths
        self._names = names
        self._path: list[str] = []

    @property
    def path(self) -> str:
        """The path of the layer that is being traced: "features.3"; "" for the network itself."""
        return self._path[-1] if self._path else ""

    def enter(self, module: object) -> None:
        """Begins a layer: the nodes that are added until leave() get its path as their name."""
        self._path.append(self._paths.get(id(module), type(module).__name__))

    def leave(self) -> None:
        """Ends the layer of the latest enter()."""
        self._path.pop()

    @contextmanager
    def at(self, path: str) -> Iterator[None]:
        """Names the nodes that are added inside the context."""
        self._path.append(path)
        try:
            yield
        finally:
            self._path.pop()

    def run(self, forward: Callable[..., Any], *inputs: Value) -> Any:
        """Calls forward(*inputs) with this trace as the current one."""
        token = _current.set(self)
        try:
            return forward(*inputs)
        finally:
            _current.reset(token)

    def input(self, name: str, shape: Shape, dtype: Literal["float32", "int32"] = "float32") -> Value:
        """Adds an input of the graph. Its first axis is the batch."""
        return Value(self, self.graph.input(name, shape, dtype), (*(Size(size, size) for size in shape[:1]), *shape[1:]))

    def name_of(self, parameter: Parameter) -> str | None:
        """Returns the key of a parameter in the network's state, None for a parameter that is not in the network."""
        return self._names.get(id(parameter))

    def value(self, parameter: Parameter) -> Value:
        """Returns a parameter as a symbolic value."""
        return Value(self, self._parameter(parameter), parameter.shape)

    def add(self, op: str, inputs: Sequence[Value | Parameter | None], attributes: Mapping[str, Any]) -> list[Value]:
        """Appends a node and returns its outputs. Errors name the layer."""
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
        """Returns the id of a parameter in the graph. Raises ValueError for a value of another trace."""
        if isinstance(operand, Value):
            raise ValueError(f"[{op}] a value is only good inside the call of forward() that it was made in. Got one of another call.")
        return self._parameter(operand)

    def _parameter(self, operand: Parameter) -> int:
        value = self.graph.parameter(operand, self._names.get(id(operand), "constant"))
        self.parameters[value] = operand
        return value
