"""Memory reports: the bytes of a run or of a training step, from its plan. Nothing is run or allocated for a report."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from fastcnn._core import Program, TrainingProgram
from fastcnn.memory.layers import Arena, Box, LayerMemory, boxes_of, layers_of
from fastcnn.support.arrays import Shape
from fastcnn.support.tables import size_text, table

__all__ = ["LEGEND", "MemoryReport", "inference_report", "training_report"]

LEGEND = {"of which arena": "what activations, all gradients and workspace lie in by turns, with the zeros around images"}


@dataclass(frozen=True)
class MemoryReport:
    """Bytes of a run or of a training step, alignment and the padding of layouts included. print() shows a table.

    Activations, gradients and workspace share one arena. Each byte of it is counted once: in `activations` if it holds an activation at
    some step, else in `activation_gradients` if it holds the gradient of one, else in `gradients` if it holds a parameter's gradient, else
    in `workspace`, which includes the scratch memory of all threads.

    >>> import fastcnn as fc
    >>> report = fc.Conv2d(3, 8, 3).memory((2, 3, 32, 32))
    >>> report.parameters, report.batch  # 8 * 3 * 3 * 3 weights and 8 biases; x (2, 3, 32, 32) and y (2, 8, 30, 30)
    (896, 82176)
    >>> report.lower_bound <= report.arena < report.total
    True
    """

    parameters: int
    prepared_weights: int  # weights in the order that the chosen algorithms read
    gradients: int  # of the parameters; each is released when its weights are updated, or with clip_norm when all are complete
    optimizer_state: int
    activations: int
    activation_gradients: int
    workspace: int
    batch: int  # the arrays of inputs, targets and outputs
    lower_bound: int  # of the arena: the largest sum of live bytes at one step; no plan is smaller
    without_release: int  # the arena if nothing were released during a run
    logical_bound: int = 0  # lower_bound without the zeros around images, unused lanes and alignment
    arena: int = 0  # activations, gradients, and the workspace without the scratch of threads
    layers: tuple[LayerMemory, ...] = field(default=(), repr=False)
    boxes: tuple[Box, ...] = field(default=(), repr=False)  # the tensors in the arena, with their lifetimes
    steps: tuple[str, ...] = field(default=(), repr=False)  # the layer of each step

    @property
    def total(self) -> int:
        """The sum of all parts, from `parameters` to `batch`. The fields after `batch` describe the arena and are not added."""
        return sum(getattr(self, name) for name, _ in _ROWS)

    def __str__(self) -> str:
        rows = [[text, size_text(getattr(self, name))] for name, text in _ROWS]
        arena = [
            ["of which arena", size_text(self.arena)],
            ["arena at least", size_text(self.lower_bound)],
            ["arena at least, unpadded", size_text(self.logical_bound)],
            ["arena without release", size_text(self.without_release)],
        ]
        return table(["memory", "size"], [*rows, ["total", size_text(self.total)], *arena])

    def by_layer(self) -> str:
        """A table of the layers: bytes that each allocates, that are alive while it runs, and that would be without release."""
        header = ["layer", "parameters", "activations", "their gradients", "weight gradients", "unpadded", "alive", "without release"]
        return table(header, [[row.name, *map(size_text, row[1:])] for row in self.layers])

    def plot(self, path: str | os.PathLike[str] | None = None) -> Any:
        """A picture of the arena: offset against step, a box for each tensor with its layer and size.

        Returns a matplotlib Figure; path: a file to write it to as well. ImportError where matplotlib is not installed.
        """
        from fastcnn.memory.picture import plot

        return plot(Arena(self.boxes, self.steps, self.arena, self.lower_bound, self.without_release), path)


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
    """The number of bytes that lie in at least one interval (begin, end)."""
    total = 0
    reached = 0
    for begin, end in sorted(intervals):
        total += max(0, end - max(begin, reached))
        reached = max(reached, end)
    return total


def _report(program: Program | TrainingProgram, threads: int, batch: int, state: int) -> MemoryReport:
    memory = program.memory
    plan = program.plan
    graph = program.graph
    steps, boxes = boxes_of(graph, plan)
    scratch = memory["scratch_per_thread"] * program.useful_threads(threads)

    def covered(*kinds: str) -> int:
        return _covered((block["offset"], block["offset"] + block["bytes"]) for block in plan if block["kind"] in kinds)

    activations = covered("activation")
    both = covered("activation", "gradient")
    all_three = covered("activation", "gradient", "parameter gradient")
    return MemoryReport(
        parameters=memory["parameters"],
        prepared_weights=memory["prepared"],
        gradients=all_three - both,
        optimizer_state=state,
        activations=activations,
        activation_gradients=both - activations,
        workspace=memory["arena"] - all_three + scratch,
        batch=batch,
        lower_bound=memory["lower_bound"],
        without_release=memory["without_release"],
        logical_bound=memory["logical_bound"],
        arena=memory["arena"],
        layers=layers_of(graph, steps, boxes),
        boxes=boxes,
        steps=tuple(steps),
    )


def inference_report(program: Program, threads: int) -> MemoryReport:
    """The report of a run on so many threads; 0: as many as are set."""
    memory = program.memory
    return _report(program, threads, memory["inputs"] + memory["outputs"], 0)


def training_report(program: TrainingProgram, output: Shape, state: int, threads: int) -> MemoryReport:
    """The report of a training step. output: the shape of what the network returns, which each step gives back beside the loss.

    state: bytes of the optimizer. threads: 0 for as many as are set.
    """
    memory = program.memory
    batch = memory["inputs"] + 4 * math.prod(output)
    return _report(program, threads, batch, state)
