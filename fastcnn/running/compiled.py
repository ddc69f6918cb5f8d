"""Compiled networks: a Compiled is a network compiled for inputs of certain shapes; Plans caches those of a module's latest calls.

Weights are shared, not copied: a call uses the values that the network has at the time of the call.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from itertools import combinations
from threading import RLock
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakValueDictionary

import numpy as np

from fastcnn._core import ArenaPool, Parameter, Program
from fastcnn.network.network import Network
from fastcnn.network.traced import Fixed, traced
from fastcnn.support.arrays import AnyArray, ArrayLike, Shape
from fastcnn.support.user_line import user_line
from fastcnn.tracing.value import Value

if TYPE_CHECKING:
    from fastcnn.memory.report import MemoryReport
    from fastcnn.running.profile import Profile

__all__ = ["Compiled", "Options", "check_modes", "compiled", "program_of"]

_MOST_BYTES = 256 << 20  # of cached programs of a module, beside the latest
_BYTES_A_STEP = 8 << 10  # estimated size of a program: zoo networks take 4 to 9 KB a step


class Options(NamedTuple):
    """Options of a program."""

    strict: bool = False  # only algorithms with the error of direct summation
    small: bool = False  # row bands, and no weights that are larger than the layers' own


_DEFAULT = Options()

Key = tuple[tuple[Shape, ...], Options, bool]  # shapes of the inputs, options, whether it is tuned


class Compiled:
    """A network compiled for inputs of certain shapes, as Module.compile returns it. Python threads may call it at the same time.

    run(x): x (N, C, H, W), any strides; floating point or integers, converted to float32 without scaling. Returns a new array, or `out`:
    a C-contiguous float32 array of the output's shape. A network with several inputs is called with as many arrays; one with several
    outputs returns (and takes as `out`) a tuple of arrays. ValueError for another shape, TypeError for another type.

    >>> import numpy as np
    >>> import fastcnn as fc
    >>> run = fc.Sequential(fc.Conv2d(3, 8, 3, padding=1), fc.ReLU(), fc.MaxPool2d(2)).compile((1, 3, 32, 32))
    >>> run
    Compiled(shape=(1, 3, 32, 32), threads=default)
    >>> run(np.zeros((1, 3, 32, 32))).shape
    (1, 8, 16, 16)
    """

    __slots__ = ("_plan", "_program", "_run", "_threads")

    def __init__(self, plan: Plan, threads: int) -> None:
        self._plan = plan
        self._program = plan.program
        self._run = plan.program.run
        self._threads = threads

    def __call__(self, *inputs: ArrayLike, out: Any = None) -> Any:
        count = self._plan.count
        fixed = self._plan.fixed
        if count is None and not fixed:
            return self._run(inputs, None if out is None else [out], self._threads)[0]
        if out is not None:
            _check_apart(out)
        results = self._run(inputs, None if out is None else list(out), self._threads)
        for place, array in fixed.items():  # in ascending order
            results.insert(place, array.copy())
        return results[0] if count is None else tuple(results[:count])

    @property
    def program(self) -> Program:
        """The program of the core."""
        return self._program

    @property
    def forms(self) -> Mapping[int, int]:
        """The bytes of what the program holds beside arenas and parameters, by id; programs share the parts whose ids are equal."""
        return self._plan.forms

    @property
    def shape(self) -> Shape | tuple[Shape, ...]:
        """The shape of the input; a tuple of shapes where there are several inputs."""
        shapes = self._plan.shapes
        return shapes[0] if len(shapes) == 1 else shapes

    @property
    def memory(self) -> MemoryReport:
        """The bytes of a run, from its plan."""
        from fastcnn.memory.report import inference_report

        return inference_report(self._program, self._threads)

    def profile(self, *inputs: ArrayLike) -> Profile:
        """The time of each step, the median of ten runs, with its algorithm, GFLOP/s and share of what the machine can do.

        inputs: arrays as for a call.
        """
        from fastcnn.running.profile import profile

        return profile(self._program, inputs, self._threads)

    def __repr__(self) -> str:
        return f"Compiled(shape={self.shape}, threads={self._threads or 'default'})"


def _check_apart(out: Any) -> None:
    """Raises an error if outputs share memory: they are written one after another, so the last would overwrite others."""
    if not isinstance(out, (tuple, list)):
        raise TypeError(f"[run] out must be a tuple of arrays, one for each output. Got {type(out).__name__}.")
    for (i, a), (j, b) in combinations(enumerate(out), 2):
        if isinstance(a, np.ndarray) and isinstance(b, np.ndarray) and np.may_share_memory(a, b):
            raise ValueError(f"[run] outputs must not share memory. Got out[{i}] and out[{j}] in the same.")


class Plan:
    """A program with what a call of it needs to know."""

    __slots__ = ("__weakref__", "count", "fixed", "forms", "program", "shapes")

    def __init__(self, program: Program, shapes: Sequence[Shape], count: int | None, fixed: Mapping[int, AnyArray]) -> None:
        """count: the number of outputs; None for one that is not in a tuple. fixed: outputs that no program computes, by index."""
        self.program = program
        self.shapes = tuple(shapes)
        self.count = count
        self.fixed = fixed
        self.forms = dict(program.forms)
        self.forms[id(self)] = _BYTES_A_STEP * len(program.steps)


class Plans:
    """The programs of a module, by the shapes of its inputs and the options. They share their arenas.

    Programs of calls are cached in order of use. The oldest are dropped while the older ones hold more than _MOST_BYTES that the latest
    does not share: their steps, and weights prepared for other algorithms. Programs of compile() live as long as their user keeps them.
    """

    def __init__(self) -> None:
        self.arenas = ArenaPool()
        self._alive: WeakValueDictionary[Key, Plan] = WeakValueDictionary()
        self._kept: OrderedDict[Key, Compiled] = OrderedDict()
        self._edits = 0
        self._lock = RLock()
        self._compiling = False

    def get(self, net: Network, shapes: tuple[Shape, ...], options: Options, tune: bool, threads: int, keep: bool) -> Compiled:
        """threads: of the runs, and of the measurement if tune. keep: caches the program for later calls."""
        key = shapes, options, tune
        with self._lock:
            if self._compiling:  # by this thread: others wait for the lock
                rule = "a network must not be run or compiled by its own forward()"
                raise RuntimeError(f"[forward] {rule}. Got {type(net).__name__} for {shapes} {user_line()}.")
            if self._edits != Network.edits:  # some module was changed, perhaps a part of this network
                self._alive.clear()
                self._kept.clear()
            plan = self._alive.get(key)
            if plan is None:
                self._compiling = True
                try:
                    plan = self._alive[key] = self._compile(net, shapes, options, threads if tune else None)
                finally:
                    self._compiling = False
                self._edits = Network.edits
            return self._keep(key, plan) if keep else Compiled(plan, threads)

    def _keep(self, key: Key, plan: Plan) -> Compiled:
        """Caches a plan as the latest. Drops older ones where all hold too many bytes."""
        kept = self._kept.get(key)
        if kept is not None:
            self._kept.move_to_end(key)
            return kept
        kept = self._kept[key] = Compiled(plan, 0)
        held = set(plan.forms)
        total = 0
        for older in list(self._kept)[-2::-1]:
            forms = self._kept[older].forms
            total += sum(size for form, size in forms.items() if form not in held)
            held |= forms.keys()
            if total > _MOST_BYTES:
                del self._kept[older]
        return kept

    def _compile(self, net: Network, shapes: tuple[Shape, ...], options: Options, tuning_threads: int | None) -> Plan:
        trace, result = traced(net, shapes)
        outputs = result if isinstance(result, tuple) else (result,)
        values = [output for output in outputs if isinstance(output, Value)]
        if not values:  # a program must have an output; no caller sees this one
            values = [trace.value(Parameter(np.zeros((), np.float32)))]
        trace.graph.outputs([value.id for value in values])
        fixed = {place: output.array for place, output in enumerate(outputs) if isinstance(output, Fixed)}
        count = len(outputs) if isinstance(result, tuple) else None

        def program(choices: dict[str, str]) -> Program:
            return Program(trace.graph, arenas=self.arenas, strict=options.strict, small=options.small, choices=choices)

        choices: dict[str, str] = {}
        if tuning_threads is not None:
            from fastcnn.running.tuning import tuned_choices

            choices = tuned_choices(program, shapes, tuning_threads)
        return Plan(program(choices), shapes, count, fixed)


def compiled(
    net: Network, *shapes: Shape, options: Options = _DEFAULT, tune: bool = False, threads: int = 0, keep: bool = True
) -> Compiled:
    """The network compiled for inputs of these shapes, or the cached one of an earlier call. keep: caches it for later calls."""
    plans: Plans | None = net.__dict__.get("_plans")
    if plans is None:
        plans = net.__dict__.setdefault("_plans", Plans())
    return plans.get(net, shapes, options, tune, threads, keep)


def program_of(net: Network, shape: Shape) -> Program:
    """The program of a network for its only input, of this shape, with the default options."""
    return compiled(net, shape, keep=False).program


def check_modes(where: str, memory: str, accuracy: str) -> None:
    """ValueError for other modes than memory="fast", "small" (row bands) and accuracy="fast", "strict" (errors of direct sums)."""
    if memory not in ("fast", "small"):
        raise ValueError(f"[{where}] memory must be 'fast' or 'small'. Got memory={memory!r}.")
    if accuracy not in ("fast", "strict"):
        raise ValueError(f"[{where}] accuracy must be 'fast' or 'strict'. Got accuracy={accuracy!r}.")
