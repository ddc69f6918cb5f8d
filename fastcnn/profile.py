"""Profiles: the time of each step of a compiled network."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import Any, NamedTuple

from fastcnn import _core
from fastcnn.arrays import ArrayLike
from fastcnn.text import table

__all__ = ["Profile", "StepTime", "profile"]

_RUNS = 10


class StepTime(NamedTuple):
    name: str  # the layer's path
    op: str
    algorithm: str
    seconds: float  # median
    gflops: float  # 1e9 multiplications and additions a second


class Profile(list[StepTime]):
    """One entry a step. print() shows a table."""

    @property
    def seconds(self) -> float:
        """The sum over all steps."""
        return sum(step.seconds for step in self)

    def __str__(self) -> str:
        total = self.seconds or 1.0
        rows = [
            [s.name, s.op, s.algorithm, f"{1e3 * s.seconds:.4f}", f"{100 * s.seconds / total:.1f}", f"{s.gflops:.1f}" if s.gflops else "-"]
            for s in self
        ]
        rows.append(["total", "", "", f"{1e3 * self.seconds:.4f}", "100.0", ""])
        return table(["layer", "op", "algorithm", "ms", "%", "GFLOP/s"], rows, left=3)

    __repr__ = __str__


def profile(program: _core.Program, inputs: Sequence[ArrayLike], threads: int) -> Profile:
    program.run(inputs, None, threads)  # so that weights are prepared and pages are there
    runs: list[list[dict[str, Any]]] = [program.profile(inputs, threads) for _ in range(_RUNS)]
    steps = Profile()
    for times in zip(*runs, strict=True):
        seconds, first = median(time["seconds"] for time in times), times[0]
        gflops = first["flops"] / seconds / 1e9 if seconds else 0.0
        steps.append(StepTime(first["name"], first["op"], first["algorithm"], seconds, gflops))
    return steps
