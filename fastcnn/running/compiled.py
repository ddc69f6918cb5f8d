"""Compiled networks: a Compiled is a network compiled for inputs of certain shapes; Plans caches those of a module's latest calls.

Weights are shared, not copied: a call uses the values that the network has at the time of the call.
"""

from __future__ import annotations

import operator
from _thread import RLock  # as threading.RLock, which takes longer to import
from collections.abc import Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakValueDictionary

import numpy as np

from fastcnn._core import ArenaPool, Parameter, Program
from fastcnn.network.kept_programs import KeptPrograms, held_by
from fastcnn.network.network import Network
from fastcnn.network.traced import Fixed, traced
from fastcnn.support.arrays import ArrayLike, Shape
from fastcnn.support.user_line import user_line
from fastcnn.tracing.batch_size import batch_axis, concrete
from fastcnn.tracing.trace import Trace
from fastcnn.tracing.value import Value

if TYPE_CHECKING:
    from fastcnn.memory.report import MemoryReport
    from fastcnn.running.profile import Profile

__all__ = ["Compiled", "Options", "check_modes", "compiled", "program_of"]


class Options(NamedTuple):
    """Options of a program."""

    strict: bool = False  # only algorithms with the error of direct summation
    small: bool = False  # row bands, and no weights that are larger than the layers' own


_DEFAULT = Options()

Key = tuple[tuple[Shape, ...], Options, bool]  # shapes of the inputs, options, whether it is tuned


class Output(NamedTuple):
    """What is known of an output of a program."""

    shape: Shape
    batch_axis: int | None  # along which the outputs of two batches may be joined; None where there is none, or none is known
    constant: bool  # known without a run


class Compiled:
    """A network compiled for inputs of certain shapes, as Module.compile returns it. Python threads may call it at the same time.

    run(x): x (N, C, H, W), any strides; floating point or integers, converted to float32 without scaling. Returns a new array, or `out`:
    a C-contiguous float32 array of the output's shape. A network with several inputs is called with as many arrays; one with several
    outputs returns (and takes as `out`) a tuple of arrays. ValueError for another shape, TypeError for another type.
    A copy or pickle holds the network, and is compiled again from it.

    >>> import numpy as np
    >>> import fastcnn as fc
    >>> run = fc.Sequential(fc.Conv2d(3, 8, 3, padding=1), fc.ReLU(), fc.MaxPool2d(2)).compile((1, 3, 32, 32))
    >>> run
    Compiled(shape=(1, 3, 32, 32), threads=default)
    >>> run(np.zeros((1, 3, 32, 32))).shape
    (1, 8, 16, 16)
    """

    __slots__ = ("_key", "_net", "_plan", "_program", "_run", "_threads")

    def __init__(self, plan: Plan, threads: int, net: Network | None = None, key: Key | None = None) -> None:
        """net, key: what it is compiled from again. None where the network itself keeps it: there would be a circle."""
        self._plan = plan
        self._program = plan.program
        self._run = plan.program.run
        self._threads = threads
        self._net = net
        self._key = key

    def __reduce__(self) -> tuple[Any, ...]:
        if self._net is None or self._key is None:
            raise TypeError("[pickle] a program that a network keeps for its calls is copied with the network. Got one alone.")
        if not _same(self._plan, plans_of(self._net).plan(self._net, self._key, self._threads)):
            rule = "a compiled network is copied from its network, which must be as it was: compile it again"
            raise ValueError(f"[pickle] {rule}. Got {type(self._net).__name__}, changed since.")
        return _compiled_again, (self._net, self._key, self._threads)

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
    def outputs(self) -> tuple[Output, ...]:
        """What is known of each output."""
        return self._plan.outputs

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

    __slots__ = ("__weakref__", "count", "fixed", "forms", "outputs", "parameters", "program", "shapes")

    def __init__(self, program: Program, shapes: Sequence[Shape], trace: Trace, result: Any) -> None:
        """result: of forward(), from traced()."""
        outputs = result if isinstance(result, tuple) else (result,)
        self.program = program
        self.shapes = tuple(shapes)
        self.count = len(outputs) if isinstance(result, tuple) else None  # the number of outputs; None for one that is not in a tuple
        self.fixed = {place: output.array for place, output in enumerate(outputs) if isinstance(output, Fixed)}  # computed by no program
        self.outputs = tuple(_output(output, trace) for output in outputs)
        self.parameters = tuple(trace.parameters.values())
        self.forms = held_by(program)


def _output(result: Value | Fixed, trace: Trace) -> Output:
    if isinstance(result, Fixed):
        return Output(result.array.shape, None, True)
    return Output(concrete(result.shape), batch_axis(result.shape), result.id in trace.parameters)


def _same(a: Plan, b: Plan) -> bool:
    """Returns whether two plans of one network compute the same."""
    if a is b:
        return True
    steps = [[(step["op"], step["name"], step["algorithm"]) for step in plan.program.steps] for plan in (a, b)]
    return steps[0] == steps[1] and len(a.parameters) == len(b.parameters) and all(map(operator.is_, a.parameters, b.parameters))


class Plans:
    """The programs of a module, by the shapes of its inputs and the options. They share their arenas.

    Programs of calls are cached within a bound, see KeptPrograms. Programs of compile() live as long as their user keeps them.
    """

    def __init__(self, net: Network) -> None:
        self.owner = id(net)  # a copy of the module's attributes may bring these plans into another module
        self.arenas = ArenaPool()
        self._alive: WeakValueDictionary[Key, Plan] = WeakValueDictionary()
        self._kept: KeptPrograms[Key, Compiled] = KeptPrograms()
        self._edits = 0
        self._lock = RLock()
        self._compiling = False

    def get(self, net: Network, key: Key, threads: int, keep: bool) -> Compiled:
        """threads: of the runs, and of the measurement if the program is tuned. keep: caches the program for later calls."""
        with self._lock:
            plan = self.plan(net, key, threads)
            if not keep:
                return Compiled(plan, threads, net, key)
            return self._kept.get(key) or self._kept.put(key, Compiled(plan, 0), plan.forms)

    def plan(self, net: Network, key: Key, threads: int) -> Plan:
        with self._lock:
            if self._compiling:  # by this thread: others wait for the lock
                rule = "a network must not be run or compiled by its own forward()"
                raise RuntimeError(f"[forward] {rule}. Got {type(net).__name__} for {key[0]} {user_line()}.")
            if self._edits != Network.edits:  # some module was changed, perhaps a part of this network
                self._alive.clear()
                self._kept.clear()
            plan = self._alive.get(key)
            if plan is None:
                self._compiling = True
                try:
                    plan = self._alive[key] = self._compile(net, key, threads)
                finally:
                    self._compiling = False
                self._edits = Network.edits
            return plan

    def _compile(self, net: Network, key: Key, threads: int) -> Plan:
        shapes, options, tune = key
        trace, result = traced(net, shapes)
        values = [output for output in (result if isinstance(result, tuple) else (result,)) if isinstance(output, Value)]
        if not values:  # a program must have an output; no caller sees this one
            values = [trace.value(Parameter(np.zeros((), np.float32)))]
        trace.graph.outputs([value.id for value in values])

        def program(choices: dict[str, str]) -> Program:
            return Program(trace.graph, arenas=self.arenas, strict=options.strict, small=options.small, choices=choices)

        choices: dict[str, str] = {}
        if tune:
            from fastcnn.running.tuning import tuned_choices

            choices = tuned_choices(program, shapes, threads)
        return Plan(program(choices), shapes, trace, result)


def plans_of(net: Network) -> Plans:
    """Returns the plans of a module."""
    plans: Plans | None = net.__dict__.get("_plans")
    if plans is None:
        plans = net.__dict__.setdefault("_plans", Plans(net))
    elif plans.owner != id(net):
        plans = net.__dict__["_plans"] = Plans(net)
    return plans


def compiled(
    net: Network, *shapes: Shape, options: Options = _DEFAULT, tune: bool = False, threads: int = 0, keep: bool = True
) -> Compiled:
    """The network compiled for inputs of these shapes, or the cached one of an earlier call. keep: caches it for later calls."""
    return plans_of(net).get(net, (shapes, options, tune), threads, keep)


def _compiled_again(net: Network, key: Key, threads: int) -> Compiled:
    return plans_of(net).get(net, key, threads, keep=False)


def program_of(net: Network, shape: Shape) -> Program:
    """The program of a network for its only input, of this shape, with the default options."""
    return compiled(net, shape, keep=False).program


def check_modes(where: str, memory: str, accuracy: str) -> None:
    """ValueError for other modes than memory="fast", "small" (row bands) and accuracy="fast", "strict" (errors of direct sums)."""
    if memory not in ("fast", "small"):
        raise ValueError(f"[{where}] memory must be 'fast' or 'small'. Got memory={memory!r}.")
    if accuracy not in ("fast", "strict"):
        raise ValueError(f"[{where}] accuracy must be 'fast' or 'strict'. Got accuracy={accuracy!r}.")
