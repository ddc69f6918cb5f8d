"""Memory reports: what a run or a training step takes, from its plan. Nothing is run or allocated for one."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from fastcnn import _core, optim
from fastcnn import loss as losses
from fastcnn.arrays import Shape
from fastcnn.loss import Loss
from fastcnn.optim import Optimizer
from fastcnn.text import size_text, table
from fastcnn.trainer import trained_parameters, training_plan

if TYPE_CHECKING:
    from fastcnn.module import Module

__all__ = ["MemoryReport", "inference_memory", "inference_report", "training_memory", "training_report"]


@dataclass(frozen=True)
class MemoryReport:
    """Bytes of memory, physical: alignment and the padding of layouts included. print() shows a table.

    Activations, their gradients and workspace take turns in one arena. Of its bytes, `activations` counts those that an activation lies
    in at some time, `activation_gradients` those that only gradients need beside them, `workspace` the rest and the scratch of all threads.
    """

    parameters: int
    prepared_weights: int  # weights in the order that the chosen algorithms read
    gradients: int  # of the parameters
    optimizer_state: int
    activations: int
    activation_gradients: int
    workspace: int
    batch: int  # the arrays that go in and come out
    lower_bound: int  # of the arena: the most that is needed at one step, so that no plan can be smaller
    without_release: int  # the arena if nothing were released during a run

    @property
    def total(self) -> int:
        """All of it; lower_bound and without_release are other sizes of a part and do not count."""
        return sum(getattr(self, name) for name, _ in _ROWS)

    def __str__(self) -> str:
        rows = [[text, size_text(getattr(self, name))] for name, text in _ROWS]
        arena = [["lower bound of the arena", size_text(self.lower_bound)], ["the arena without release", size_text(self.without_release)]]
        return table(["memory", "size"], [*rows, ["total", size_text(self.total)], *arena])


_ROWS = (
    ("parameters", "parameters"),
    ("prepared_weights", "prepared weights"),
    ("gradients", "gradients"),
    ("optimizer_state", "optimizer state"),
    ("activations", "activations"),
    ("activation_gradients", "activation gradients"),
    ("workspace", "workspace"),
    ("batch", "batch"),
)


def _covered(intervals: Iterable[tuple[int, int]]) -> int:
    """How many bytes lie in at least one interval (begin, end)."""
    total, reached = 0, 0
    for begin, end in sorted(intervals):
        total += max(0, end - max(begin, reached))
        reached = max(reached, end)
    return total


def _report(memory: dict[str, int], plan: list[dict[str, Any]], threads: int, batch: int, gradients: int, state: int) -> MemoryReport:
    def covered(*kinds: str) -> int:
        return _covered((block["offset"], block["offset"] + block["bytes"]) for block in plan if block["kind"] in kinds)

    activations, both = covered("activation"), covered("activation", "gradient")
    return MemoryReport(
        parameters=memory["parameters"],
        prepared_weights=memory["prepared"],
        gradients=gradients,
        optimizer_state=state,
        activations=activations,
        activation_gradients=both - activations,
        workspace=memory["arena"] - both + memory["scratch_per_thread"] * threads,
        batch=batch,
        lower_bound=memory["lower_bound"],
        without_release=memory["without_release"],
    )


def inference_report(program: _core.Program, threads: int) -> MemoryReport:
    """threads 0: as many as are set."""
    memory = program.memory
    return _report(memory, program.plan, program.useful_threads(threads), memory["inputs"] + memory["outputs"], 0, 0)


def training_report(program: _core.TrainingProgram, output: Shape, state: int, threads: int) -> MemoryReport:
    """output: the shape of what the network returns; it comes back from each step, beside the loss."""
    memory = program.memory
    batch = memory["inputs"] + 4 * math.prod(output)
    return _report(memory, program.plan, program.useful_threads(threads), batch, memory["gradients"], state)


def inference_memory(
    net: Module, shape: Shape, threads: int, memory: Literal["fast", "small"], accuracy: Literal["fast", "strict"]
) -> MemoryReport:
    return net.compile(shape, threads=threads or None, memory=memory, accuracy=accuracy).memory


def training_memory(net: Module, shape: Shape, optimizer: Optimizer | str, loss: Loss | str, threads: int) -> MemoryReport:
    parameters = trained_parameters("memory", net)
    plan = training_plan(net, losses.named(loss), shape, parameters)
    copy = sum(64 * math.ceil(parameter.size / 16) for parameter in parameters)  # each parameter starts on a cache line
    return training_report(plan.program, plan.output, optim.named(optimizer).copies * copy, threads)
