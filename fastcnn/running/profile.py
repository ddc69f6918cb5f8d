"""Profiles: the time of each step of a compiled network."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from statistics import median
from typing import Any, NamedTuple

import numpy as np

from fastcnn._core import Program, measure_bandwidth, measure_peak
from fastcnn.support.arrays import ArrayLike
from fastcnn.support.figure import COLOURS, LONGEST_NAME, figure_of
from fastcnn.support.tables import brief, shortened, table

__all__ = ["LEGEND", "Limits", "Profile", "StepTime", "profile", "step_times"]

LEGEND = {"ms": "the median of 10 runs", "% of floor": "what this processor needs at least, of it; over 100 with fewer multiplications"}

_RUNS = 10
_OTHERS = "#999999"  # the colour of algorithms beyond the palette
_MANY_STEPS = 64  # with more steps, the times stand at the top of the picture as well
_LEAST_BYTES = 1 << 14  # a part of an L1 cache
_MOST_BYTES = 1 << 28  # more than any cache


class StepTime(NamedTuple):
    """The time of one step."""

    name: str  # the layer's path
    op: str
    algorithm: str
    seconds: float  # median
    gflops: float  # 1e9 multiplications and additions a second
    floor_seconds: float  # the least that the machine needs, see Profile

    @property
    def share_of_floor(self) -> float:
        """floor_seconds / seconds: 1 is as fast as direct summation can be."""
        return self.floor_seconds / self.seconds if self.seconds else 0.0


class Profile(list[StepTime]):
    """One entry a step. print() shows a table.

    The floor of a step is the longer of two times: its multiplications and additions in direct summation, at the rate of a multiply-add
    loop; and reading its input and weights and writing its output once, at the rate of copies in the smallest cache that holds them.
    Winograd's and Strassen's algorithms need fewer multiplications, so a share may be above 100 %.
    """

    @property
    def seconds(self) -> float:
        """The sum over all steps."""
        return sum(step.seconds for step in self)

    def plot(self) -> Any:
        """A matplotlib figure with one bar per step, coloured by algorithm."""
        return step_times(self)

    def __str__(self) -> str:
        total = self.seconds or 1.0
        rows = []
        for s in self:
            rate = f"{s.gflops:.1f}" if s.gflops else "-"
            times = [f"{1e3 * s.seconds:.4f}", f"{100 * s.seconds / total:.1f}"]
            rows.append([brief(s.name) or s.op, s.op, s.algorithm or s.op, *times, rate, f"{100 * s.share_of_floor:.0f}"])
        rows.append(["total", "", "", f"{1e3 * self.seconds:.4f}", "100.0", "", ""])
        return table(["layer", "op", "algorithm", "ms", "%", "GFLOP/s", "% of floor"], rows, left=3)

    __repr__ = __str__


def profile(program: Program, inputs: Sequence[ArrayLike], threads: int) -> Profile:
    """Runs the program ten times, after a first run. threads: 0 for as many as are set."""
    program.run(inputs, None, threads)  # prepares weights and touches every page
    runs = [program.profile(inputs, threads) for _ in range(_RUNS)]
    limits = Limits(program.useful_threads(threads))
    steps = Profile()
    weights = sum(time["weight_bytes"] for time in runs[0])
    for times in zip(*runs, strict=True):
        seconds = median(time["seconds"] for time in times)
        first = times[0]
        gflops = first["flops"] / seconds / 1e9 if seconds else 0.0
        floor = max(limits.compute(first["flops"]), limits.copy(first["activation_bytes"]) + limits.copy(first["weight_bytes"], weights))
        steps.append(StepTime(first["name"], first["op"], first["algorithm"], seconds, gflops, floor))
    return steps


class Limits:
    """The speed limits of this machine with so many threads, measured at first use: half a second in all."""

    def __init__(self, threads: int) -> None:
        self._threads = threads

    def compute(self, flops: float) -> float:
        """The seconds that so many multiplications and additions take in registers."""
        return flops / 1e9 / _peak(self._threads)

    def copy(self, count: int, among: int = 0) -> float:
        """The seconds to read or write `count` bytes of a working set of `among` bytes, or of `count` if that is more."""
        size = max(count, among, _LEAST_BYTES)
        return count / 1e9 / _bandwidth(min(1 << (size - 1).bit_length(), _MOST_BYTES), self._threads)


@cache
def _peak(threads: int) -> float:
    return measure_peak(threads=threads)


@cache
def _bandwidth(size: int, threads: int) -> float:
    return measure_bandwidth(size, threads=threads)


# ---- the picture


def step_times(profile: Profile) -> Any:
    """A matplotlib figure: a bar a step, in order, coloured by algorithm. Milliseconds; the longest bars have their share of the sum."""
    if not profile:
        raise ValueError("[plot] the profile must have a step at least. Got none.")
    kinds = [step.algorithm.partition(" ")[0] or step.op for step in profile]
    order = sorted(set(kinds), key=lambda kind: -sum(step.seconds for step, own in zip(profile, kinds, strict=True) if own == kind))
    names = order if len(order) <= len(COLOURS) else order[: len(COLOURS) - 1]
    colours = {kind: COLOURS[names.index(kind)] if kind in names else _OTHERS for kind in order}
    figure = figure_of(8.0, 1.5 + 0.19 * len(profile))
    axis = figure.subplots()
    _draw_bars(axis, profile, [colours[kind] for kind in kinds])
    labels = [*names, "others"] if len(names) < len(order) else names
    handles = [axis.barh([0], [0], color=colours.get(label, _OTHERS)) for label in labels]
    look = {"fontsize": 8, "title_fontsize": 8, "frameon": False, "ncols": min(5, len(labels))}
    figure.legend(handles, labels, title="algorithm", loc="outside upper center", **look)
    return figure


def _draw_bars(axis: Any, profile: Profile, colours: list[str]) -> None:
    times = [1e3 * step.seconds for step in profile]
    places = np.arange(len(times))
    axis.barh(places, times, color=colours, height=0.8)
    axis.set_yticks(places, _step_names(profile), fontsize=7)
    xlabel = f"time of the step in ms, all together {1e3 * profile.seconds:.3f} ms"
    axis.set(xlabel=xlabel, ylim=(len(times) - 0.4, -0.6), xlim=(0, 1.12 * max(times) or 1))
    if len(times) > _MANY_STEPS:
        axis.tick_params(axis="x", top=True, labeltop=True)
    for place, time in zip(places, times, strict=True):
        if time > 0.3 * max(times):
            axis.text(time, place, f" {time / (10 * profile.seconds):.0f} %", va="center", fontsize=7)
    axis.grid(axis="x", alpha=0.3)
    axis.spines[["top", "right"]].set_visible(False)


def _step_names(profile: Profile) -> list[str]:
    """The names of the layers, with the op where a layer has several steps."""
    names = [shortened(brief(step.name) or step.op, LONGEST_NAME) for step in profile]
    return [f"{name} ({step.op})" if names.count(name) > 1 and step.op != name else name for name, step in zip(names, profile, strict=True)]
