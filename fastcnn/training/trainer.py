"""Trainer: one network, one loss, one optimizer; a step for each batch. fit uses it, and so may a loop of the user's."""

from __future__ import annotations

from collections.abc import Sequence

from fastcnn._core import ArenaPool
from fastcnn.memory.budget import bytes_of
from fastcnn.memory.report import MemoryReport, training_report
from fastcnn.network.kept_programs import KeptPrograms, held_by
from fastcnn.network.network import Network
from fastcnn.support.arguments import number, shape_of, whole
from fastcnn.support.arrays import Array, ArrayLike, Shape, array_of
from fastcnn.tracing.trace import BatchCounter
from fastcnn.training.losses import Loss
from fastcnn.training.losses import named as named_loss
from fastcnn.training.optimizers import Optimizer
from fastcnn.training.optimizers import named as named_optimizer
from fastcnn.training.plan import TrainingPlan, trained_parameters, training_plan
from fastcnn.training.recomputing import plan_within

__all__ = ["Trainer"]


def _share(counters: Sequence[BatchCounter]) -> None:
    """Sets the weight of this batch in the mean over all batches, 1 / their number. A layer may come several times in a step."""
    times = dict[int, int]()
    for counter in counters:
        count = times[id(counter.batches)] = times.get(id(counter.batches), 0) + 1
        if counter.share is not None:
            counter.share.assign([1 / (int(counter.batches) + count)])


class Trainer:
    """Trains `net` batch by batch: `loss = trainer.step(xb, yb)`.

    batch_shape: (N, C, H, W). Another shape gets a program of its own when it comes, of the structure that the network has then; the latest
    programs are cached. The trained parameters are those whose requires_grad is True when the trainer is made.
    clip_norm: the largest norm of all gradients together. These are then kept until all are complete; otherwise each is released when its
    weights are updated.
    memory: the budget of a step as trainer.memory reports it, in bytes or as "4 GB". Activations that do not fit are recomputed in the
    backward pass, to the same bits, with the least work that the search finds. ValueError if that is not enough, with the missing bytes and
    a batch size that would fit.
    seed: of the masks of dropout. threads None: as many as fastcnn.get_num_threads().

    >>> import numpy as np
    >>> import fastcnn as fc
    >>> net = fc.Sequential(fc.Conv2d(1, 4, 3, seed=0), fc.ReLU(), fc.Flatten(), fc.Linear(4 * 6 * 6, 2, seed=1))
    >>> trainer = fc.Trainer(net, "cross_entropy", fc.optim.SGD(0.1), (4, 1, 8, 8))
    >>> x, y = np.eye(8)[None, None] * np.arange(4)[:, None, None, None], np.array([0, 0, 1, 1])
    >>> losses = [trainer.step(x, y) for _ in range(10)]
    >>> losses[-1] < losses[0], trainer.steps, trainer.output.shape
    (True, 10, (4, 2))
    """

    def __init__(
        self,
        net: Network,
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
        self.loss = named_loss(loss)
        self.optimizer = named_optimizer(optimizer)
        self.seed = whole("Trainer", "seed", seed)
        self.steps = 0  # so far
        self.output: Array | None = None  # what the network returned in the last step, before the update
        self._clip_norm = 0.0 if clip_norm is None else number("Trainer", "clip_norm", clip_norm, above=0)
        self._budget = None if memory is None else bytes_of("Trainer", "memory", memory)
        self._threads = 0 if threads is None else whole("Trainer", "threads", threads, 1)
        self._parameters = trained_parameters("Trainer", net)
        self.state = self.optimizer.bind(self._parameters)
        self.places = self.optimizer.places(self._parameters)  # the group of each
        self._arenas = ArenaPool()
        self._plans: KeptPrograms[Shape, TrainingPlan] = KeptPrograms()
        self.batch_shape = shape_of("Trainer", batch_shape)
        self.plan(self.batch_shape)

    def plan(self, shape: Shape) -> TrainingPlan:
        """The program for batches of this shape, compiled when it is new."""
        plan = self._plans.get(shape)
        if plan is None:
            new = self._new_plan(shape)
            plan = self._plans.put(shape, new, held_by(new.program))
        return plan

    def _new_plan(self, shape: Shape) -> TrainingPlan:
        def make(batch: int, budget: int | None) -> TrainingPlan:
            return training_plan(self.net, self.loss, (batch, *shape[1:]), self._parameters, self._arenas, self._clip_norm, budget)

        if self._budget is None:
            return make(shape[0], None)
        return plan_within(make, lambda plan: self._report(plan, self._state_to_come()).total, self._budget, shape[0])

    def _state_to_come(self) -> int:
        """Bytes of the optimizer's state, which it allocates in its first step."""
        return self.optimizer.state_bytes(self._parameters)

    def _report(self, plan: TrainingPlan, state: int) -> MemoryReport:
        return training_report(plan.program, plan.output, state, self._threads)

    def step(self, x: ArrayLike, y: ArrayLike) -> float:
        """One update. x: (N, C, H, W), y: targets of the loss for as many samples. Returns the loss before the update.

        FloatingPointError, and no update, if the loss is not finite; TypeError or ValueError for wrong arrays.
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
        """The bytes of a step with a batch of this shape, with the optimizer's state even if it is not allocated yet."""
        return self._report(self._plans.get(shape) or self._new_plan(shape), self._state_to_come())

    @property
    def memory(self) -> MemoryReport:
        """The bytes of a step with a batch of batch_shape."""
        return self._report(self.plan(self.batch_shape), self.state.bytes)
