"""Running networks: a Compiled is a network made ready for one input shape; Plans keeps the latest of them for each module.

Weights are shared, not copied: a Compiled always runs with the values that the network has at the time of the call.
"""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock
from typing import TYPE_CHECKING, Any

from fastcnn import _core
from fastcnn.arrays import ArrayLike, Shape
from fastcnn.registry import Registry
from fastcnn.trace import Trace
from fastcnn.value import Value

if TYPE_CHECKING:
    from fastcnn.memory import MemoryReport
    from fastcnn.module import Module
    from fastcnn.profile import Profile

__all__ = ["Compiled", "Plans", "traced"]

_MOST_PLANS = 8  # shapes that a module remembers: programs are small, their arena is shared


def traced(net: Module, shape: Shape, training: bool = False) -> tuple[Trace, Value | tuple[Value, ...]]:
    """Runs forward() on a symbolic input. Returns the trace and what forward() returned."""
    trace = Trace(net, training)
    result = trace.run(net, trace.input("x", shape))
    outputs = tuple(result) if isinstance(result, (tuple, list)) else result
    for output in outputs if isinstance(outputs, tuple) else (outputs,):
        if not isinstance(output, Value):
            raise TypeError(f"[forward] it must return a symbolic value or a tuple of them. Got {type(output).__name__}.")
    return trace, outputs


class Compiled:
    """A network for inputs of one shape. May be called from several Python threads at once.

    run(x): x (N, C, H, W), any strides; floating point or integers, converted to float32 without scaling. Returns a new array, or `out`:
    a C-contiguous float32 array of the output's shape. A network with several outputs returns (and takes as `out`) a tuple of arrays.
    """

    __slots__ = ("_output", "_program", "_run", "_threads", "shape")

    def __init__(self, program: _core.Program, shape: Shape, single: bool, threads: int) -> None:
        self.shape = shape
        self._program = program
        self._run = program.run
        self._output = single
        self._threads = threads

    def __call__(self, x: ArrayLike, out: Any = None) -> Any:
        if self._output:
            return self._run([x], None if out is None else [out], self._threads)[0]
        return tuple(self._run([x], None if out is None else list(out), self._threads))

    def with_threads(self, threads: int) -> Compiled:
        """The same program, run with another number of threads."""
        return Compiled(self._program, self.shape, self._output, threads)

    @property
    def memory(self) -> MemoryReport:
        """What the plan allocates, in bytes."""
        from fastcnn.memory import inference_report

        return inference_report(self._program, self._threads)

    def profile(self, x: ArrayLike) -> Profile:
        """The time of each step: median of ten runs."""
        from fastcnn.profile import profile

        return profile(self._program, x, self._threads)

    def __repr__(self) -> str:
        return f"Compiled(shape={self.shape}, threads={self._threads or 'default'})"


class Plans:
    """The programs of a module, by input shape, the latest used last. They share the memory of their runs."""

    def __init__(self) -> None:
        self.arenas = _core.ArenaPool()
        self._plans: OrderedDict[Shape, Compiled] = OrderedDict()
        self._edits = 0
        self._lock = Lock()

    def get(self, net: Module, shape: Shape) -> Compiled:
        with self._lock:
            if self._edits != Registry.edits:  # a module was changed: it may have been a part of this network
                self._plans.clear()
            plan = self._plans.get(shape)
            if plan is None:
                plan = self._plans[shape] = self._compile(net, shape)
                self._edits = Registry.edits
            self._plans.move_to_end(shape)
            if len(self._plans) > _MOST_PLANS:
                self._plans.popitem(last=False)
            return plan

    def _compile(self, net: Module, shape: Shape) -> Compiled:
        trace, result = traced(net, shape)
        outputs = result if isinstance(result, tuple) else (result,)
        trace.graph.outputs([output.id for output in outputs])
        return Compiled(_core.Program(trace.graph, arenas=self.arenas), shape, not isinstance(result, tuple), 0)
