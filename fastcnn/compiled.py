"""Running networks: a Compiled is a network made ready for inputs of certain shapes; Plans keeps the latest of them for each module.

Weights are shared, not copied: a Compiled always runs with the values that the network has at the time of the call.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from itertools import combinations
from threading import RLock
from typing import TYPE_CHECKING, Any

import numpy as np

from fastcnn import _core
from fastcnn.arrays import AnyArray, ArrayLike, Shape
from fastcnn.caller import user_line
from fastcnn.registry import Registry
from fastcnn.trace import Trace
from fastcnn.value import Value

if TYPE_CHECKING:
    from fastcnn.memory import MemoryReport
    from fastcnn.module import Module
    from fastcnn.profile import Profile

__all__ = ["Compiled", "Fixed", "Plans", "traced"]

_MOST_PLANS = 8  # groups of shapes that a module remembers: programs are small, their arena is shared


def traced(net: Module, shapes: Sequence[Shape], training: bool = False) -> tuple[Trace, Any]:
    """Runs forward() on symbolic inputs. Returns the trace and what forward() returned: a value, or a tuple of values."""
    Registry.traced()
    trace = Trace(net, training)
    names = net.input_names(len(shapes))
    try:
        result = trace.run(net, *(trace.input(name, shape) for name, shape in zip(names, shapes, strict=True)))
    except RecursionError:
        raise RecursionError("[forward] it must not call itself without end. Got more calls than Python allows.") from None
    finally:
        Registry.traced()
    outputs = tuple(result) if isinstance(result, (tuple, list)) else result
    for output in outputs if isinstance(outputs, tuple) else (outputs,):
        if not isinstance(output, (Value, Fixed)):
            raise TypeError(f"[forward] it must return a symbolic value or a tuple of them. Got {type(output).__name__}.")
    return trace, outputs


class Fixed:
    """An output that depends on the shapes of the inputs alone."""

    def __init__(self, array: AnyArray) -> None:
        self.array = array


class Compiled:
    """A network for inputs of certain shapes. May be called from several Python threads at once.

    run(x): x (N, C, H, W), any strides; floating point or integers, converted to float32 without scaling. Returns a new array, or `out`:
    a C-contiguous float32 array of the output's shape. A network with several inputs is called with as many arrays; one with several
    outputs returns (and takes as `out`) a tuple of arrays.
    """

    __slots__ = ("_count", "_fixed", "_program", "_run", "_shapes", "_threads")

    def __init__(
        self, program: _core.Program, shapes: Sequence[Shape], count: int | None, fixed: Mapping[int, AnyArray], threads: int
    ) -> None:
        """count: of outputs, None for one that is no tuple. fixed: outputs that are no program's, by their place."""
        self._shapes = tuple(shapes)
        self._program = program
        self._run = program.run
        self._count = count
        self._fixed = fixed
        self._threads = threads

    def __call__(self, *inputs: ArrayLike, out: Any = None) -> Any:
        if self._count is None and not self._fixed:
            return self._run(inputs, None if out is None else [out], self._threads)[0]
        if out is not None:
            _check_apart(out)
        results = self._run(inputs, None if out is None else list(out), self._threads)
        for place, array in self._fixed.items():  # ascending
            results.insert(place, array.copy())
        return results[0] if self._count is None else tuple(results[: self._count])

    def with_threads(self, threads: int) -> Compiled:
        """The same program, run with another number of threads."""
        return Compiled(self._program, self._shapes, self._count, self._fixed, threads)

    @property
    def shape(self) -> Shape | tuple[Shape, ...]:
        """Of the input, or of each where there are several."""
        return self._shapes[0] if len(self._shapes) == 1 else self._shapes

    @property
    def memory(self) -> MemoryReport:
        """What the plan allocates, in bytes."""
        from fastcnn.memory import inference_report

        return inference_report(self._program, self._threads)

    def profile(self, *inputs: ArrayLike) -> Profile:
        """The time of each step: median of ten runs."""
        from fastcnn.profile import profile

        return profile(self._program, inputs, self._threads)

    def __repr__(self) -> str:
        return f"Compiled(shape={self.shape}, threads={self._threads or 'default'})"


def _check_apart(out: Any) -> None:
    """Outputs are written one after another: in shared memory the last would win."""
    if not isinstance(out, (tuple, list)):
        raise TypeError(f"[run] out must be a tuple of arrays, one for each output. Got {type(out).__name__}.")
    for (i, a), (j, b) in combinations(enumerate(out), 2):
        if isinstance(a, np.ndarray) and isinstance(b, np.ndarray) and np.may_share_memory(a, b):
            raise ValueError(f"[run] outputs must not share memory. Got out[{i}] and out[{j}] in the same.")


class Plans:
    """The programs of a module, by the shapes of inputs, accuracy and memory, the latest used last. They share the memory of their runs."""

    def __init__(self) -> None:
        self.arenas = _core.ArenaPool()
        self._plans: OrderedDict[tuple[tuple[Shape, ...], bool, bool], Compiled] = OrderedDict()
        self._edits = 0
        self._lock = RLock()
        self._compiling = False

    def get(self, net: Module, shapes: tuple[Shape, ...], strict: bool, small: bool) -> Compiled:
        key = shapes, strict, small
        with self._lock:
            if self._compiling:  # in this thread: others wait for the lock
                rule = "a network must not be run or compiled by its own forward()"
                raise RuntimeError(f"[forward] {rule}. Got {type(net).__name__} for {shapes} {user_line()}.")
            if self._edits != Registry.edits:  # a module was changed: it may have been a part of this network
                self._plans.clear()
            plan = self._plans.get(key)
            if plan is None:
                self._compiling = True
                try:
                    plan = self._plans[key] = self._compile(net, shapes, strict, small)
                finally:
                    self._compiling = False
                self._edits = Registry.edits
            self._plans.move_to_end(key)
            if len(self._plans) > _MOST_PLANS:
                self._plans.popitem(last=False)
            return plan

    def _compile(self, net: Module, shapes: tuple[Shape, ...], strict: bool, small: bool) -> Compiled:
        trace, result = traced(net, shapes)
        outputs = result if isinstance(result, tuple) else (result,)
        values = [output for output in outputs if isinstance(output, Value)]
        if not values:  # a program has an output, though nobody sees this one
            values = [trace.value(_core.Parameter(np.zeros((), np.float32)))]
        trace.graph.outputs([value.id for value in values])
        fixed = {place: output.array for place, output in enumerate(outputs) if isinstance(output, Fixed)}
        count = len(outputs) if isinstance(result, tuple) else None
        return Compiled(_core.Program(trace.graph, arenas=self.arenas, strict=strict, small=small), shapes, count, fixed, 0)
