"""Trainer: one network, one loss, one optimizer; a step for each batch. fit is built on it, and so is a loop of one's own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from fastcnn import _core, optim
from fastcnn import loss as losses
from fastcnn.arguments import number, shape_of, whole
from fastcnn.arrays import Array, ArrayLike, Shape, array_of
from fastcnn.batch import concrete
from fastcnn.budget import bytes_of
from fastcnn.compiled import traced
from fastcnn.loss import Loss
from fastcnn.optim import Optimizer
from fastcnn.recomputing import plan_within
from fastcnn.trace import Counter
from fastcnn.value import Value

if TYPE_CHECKING:
    from fastcnn.memory import MemoryReport
    from fastcnn.module import Module

__all__ = ["Trainer", "TrainingPlan", "trained_parameters", "training_plan", "with_loss"]


class TrainingPlan(NamedTuple):
    """The program of a step for one batch shape."""

    program: _core.TrainingProgram
    output: Shape  # what the network returns
    counters: list[Counter]


def trained_parameters(where: str, net: Module) -> list[_core.Parameter]:
    """Those that are not frozen."""
    parameters = list(net.parameters())
    trained = [parameter for parameter in parameters if parameter.requires_grad]
    if not trained:
        got = f"{type(net).__name__} with {len(parameters)}, all frozen" if parameters else f"{type(net).__name__} without any"
        raise ValueError(f"[{where}] the network must have parameters to train. Got {got}.")
    return trained


def with_loss(net: Module, loss: Loss, shape: Shape, training: bool) -> tuple[Any, Value, Value]:
    """Traces the network and its loss. Returns the trace, the output and the loss."""
    trace, output = traced(net, [shape], training)
    if not isinstance(output, Value):
        got = f"{len(output)}" if isinstance(output, tuple) else "an array"
        raise ValueError(f"[{loss.name}] a network that is trained must return one value. Got {got}.")
    target = trace.input("y", loss.target_shape(concrete(output.shape)), loss.dtype)
    return trace, output, loss(output, target)


def training_plan(
    net: Module,
    loss: Loss,
    shape: Shape,
    parameters: Sequence[_core.Parameter],
    arenas: _core.ArenaPool | None = None,
    clip_norm: float = 0.0,
    room: int | None = None,
) -> TrainingPlan:
    trace, output, value = with_loss(net, loss, shape, training=True)
    trace.graph.outputs([output.id])
    program = _core.TrainingProgram(trace.graph, value.id, parameters, arenas=arenas, clip_norm=clip_norm, budget=room)
    return TrainingPlan(program, concrete(output.shape), trace.counters)


def _share(counters: Sequence[Counter]) -> None:
    """What each batch is to weigh in a mean of all, this one counted; a layer may be passed several times."""
    passed = dict[int, int]()
    for counter in counters:
        count = passed[id(counter.batches)] = passed.get(id(counter.batches), 0) + 1
        if counter.share is not None:
            counter.share.assign([1 / (int(counter.batches) + count)])


class Trainer:
    """Trains `net` batch by batch: `loss = trainer.step(xb, yb)`.

    batch_shape: (N, C, H, W). Batches of another size get a program of their own when they first come. The network's structure is that of
    the moment when a batch shape is first seen; what is trained are the parameters whose requires_grad is True when the trainer is made.
    seed: of the random masks of dropout. threads None: as many as fastcnn.get_num_threads(). clip_norm: the largest norm of all gradients
    together; they are kept until all are complete, otherwise each goes as soon as its weights are updated. memory: the most bytes, or a
    text like "4 GB", that a step may take as trainer.memory reports it: what does not fit in is computed once more on the way back, to the
    same bits, with as little work as can be found. ValueError if that is not enough: what is missing, and which batch size would fit.
    """

    def __init__(
        self,
        net: Module,
        loss: Loss | str,
        optimizer: Optimizer | str,
        batch_shape: Sequence[int],
        *,
        clip_norm: float | None = None,
        memory: int | str | None = None,
        seed: int = 0,
        threads: int | None = None,
    ) -> None:
        self.net = net
        self.loss = losses.named(loss)
        self.optimizer = optim.named(optimizer)
        self.seed = whole("Trainer", "seed", seed)
        self.steps = 0  # done so far
        self.output: Array | None = None  # what the network returned in the last step, before the update
        self._clip_norm = 0.0 if clip_norm is None else number("Trainer", "clip_norm", clip_norm, above=0)
        self._budget = None if memory is None else bytes_of("Trainer", "memory", memory)
        self._threads = 0 if threads is None else whole("Trainer", "threads", threads, 1)
        self._parameters = trained_parameters("Trainer", net)
        self.state = self.optimizer.bind(self._parameters)
        self.places = self.optimizer.places(self._parameters)  # the group of each
        self._arenas = _core.ArenaPool()
        self._plans: dict[Shape, TrainingPlan] = {}
        self.batch_shape = shape_of("Trainer", batch_shape)
        self.plan(self.batch_shape)

    def plan(self, shape: Shape) -> TrainingPlan:
        """The program for batches of this shape, made if it is new."""
        plan = self._plans.get(shape)
        if plan is None:
            plan = self._plans[shape] = self._new_plan(shape)
        return plan

    def _new_plan(self, shape: Shape) -> TrainingPlan:
        def make(batch: int, room: int | None) -> TrainingPlan:
            return training_plan(self.net, self.loss, (batch, *shape[1:]), self._parameters, self._arenas, self._clip_norm, room)

        if self._budget is None:
            return make(shape[0], None)
        return plan_within(make, lambda plan: self._report(plan, self._state_to_come()).total, self._budget, shape[0])

    def _state_to_come(self) -> int:
        from fastcnn.memory import optimizer_state

        return optimizer_state(self.optimizer, self._parameters)

    def _report(self, plan: TrainingPlan, state: int) -> MemoryReport:
        from fastcnn.memory import training_report

        return training_report(plan.program, plan.output, state, self._threads)

    def step(self, x: ArrayLike, y: ArrayLike) -> float:
        """One update. x: (N, C, H, W), y: targets of the loss. Returns the loss before the update.

        FloatingPointError, and no update, if the loss is not finite.
        """
        images = array_of("Trainer", "x", x)
        plan = self.plan(images.shape)
        targets = self.loss.targets(y, plan.output)
        if len(targets) != len(images):
            raise ValueError(f"[Trainer] there must be a target for each sample. Got {len(images)} samples, {len(targets)} targets.")
        groups = self.optimizer.hyper()
        _share(plan.counters)
        results = plan.program.step([images, targets], self.state, groups, self._threads, self.seed, self.steps)
        for counter in plan.counters:
            counter.batches[...] += 1
        self.steps += 1
        self.output = results[1]
        return float(results[0])

    def memory_before(self, shape: Shape) -> MemoryReport:
        """What a step with a batch of this shape will take, the optimizer's state included though it may not be there yet."""
        return self._report(self._plans.get(shape) or self._new_plan(shape), self._state_to_come())

    @property
    def memory(self) -> MemoryReport:
        """What a step with a batch of batch_shape takes, in bytes."""
        return self._report(self.plan(self.batch_shape), self.state.bytes)
