"""cost: parameters, multiply-adds, activations, memory for the backward pass and expected time of each layer of a network.

Nothing is run: the numbers come from the graph and its plans, the time from what this machine reaches in two short measurements.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from fastcnn.insight.summary import LEGEND as _SUMMARY_LEGEND
from fastcnn.insight.summary import field_text, summarize
from fastcnn.network.network import Network
from fastcnn.running.compiled import program_of
from fastcnn.running.profile import Limits
from fastcnn.support.arguments import shape_of, whole
from fastcnn.support.arrays import Shape
from fastcnn.support.records import Step
from fastcnn.support.tables import count_text, size_text, sizes_text, table
from fastcnn.training.plan import kept_bytes

__all__ = ["LEGEND", "Cost", "LayerCost", "cost"]

LEGEND = {
    **_SUMMARY_LEGEND,
    "backward": "kept for it by a training step of one image",
    "FLOP/B": "operations for each byte moved",
    "ms": "to expect at best, on this processor",
    "-": "none, or in the step of a layer before",
}

# Multiplications of direct summation for each one of the algorithm. Winograd computes m outputs of r taps with m + r - 1 products along an
# axis: (m r / (m + r - 1))^2 in two axes; first layers use one axis, 4 outputs of 3 or 4 taps: the smaller of 12/6 and 16/7. Strassen
# computes 8 products with 7. Differences of upsampled images compute 4 with 1.
_FEWER = {
    "winograd_f2": 2.25,
    "winograd_f4": 4.0,
    "winograd_f5": 225 / 49,
    "winograd_f6": 324 / 64,
    "winograd_f2_5x5": 100 / 36,
    "first_winograd": 2.0,
    "strassen": 8 / 7,
    "differences": 4.0,
}


class LayerCost(NamedTuple):
    """The cost of one operation for one image."""

    layer: str
    op: str
    algorithm: str  # of the step that computes it; "" where another operation's step does, or none is needed
    output: Shape  # without the batch
    parameters: int
    macs: int  # multiply-adds of convolutions and linear layers
    activation_bytes: int  # of the output, 4 an element
    backward_bytes: int | None  # that a training step keeps for the backward pass; None: the network cannot be trained
    receptive_field: tuple[int, int] | str | None  # (height, width), "whole image", or None: not of an image
    intensity: float  # operations of the step for each byte that it must read or write; 0 without a step
    seconds: float  # expected on this machine; 0 without a step


class Cost(list[LayerCost]):
    """What Module.cost returns: an entry for each operation. print() shows a table.

    The expected time of a step is the longer of two: its multiplications and additions, by the chosen algorithm, at the rate of a
    multiply-add loop; and reading its input and weights and writing its output once, at the rate of copies (Williams, Waterman and
    Patterson, "Roofline: An Insightful Visual Performance Model for Multicore Architectures", 2009). Real steps take somewhat longer:
    Compiled.profile measures them.

    >>> import fastcnn as fc
    >>> cost = fc.Sequential(fc.Conv2d(3, 8, 3, padding=1), fc.ReLU(), fc.Flatten(), fc.Linear(8192, 10)).cost((3, 32, 32))
    >>> [(row.layer, row.op, row.macs) for row in cost if row.macs]
    [('0', 'conv2d', 221184), ('3', 'linear', 81920)]
    >>> cost.parameters, cost.macs
    (82154, 303104)
    """

    def _sum(self, name: str) -> Any:
        return sum(getattr(row, name) for row in self)

    @property
    def parameters(self) -> int:
        return int(self._sum("parameters"))

    @property
    def macs(self) -> int:
        return int(self._sum("macs"))

    @property
    def activation_bytes(self) -> int:
        return int(self._sum("activation_bytes"))

    @property
    def backward_bytes(self) -> int | None:
        return None if any(row.backward_bytes is None for row in self) else int(self._sum("backward_bytes"))

    @property
    def seconds(self) -> float:
        return float(self._sum("seconds"))

    def __str__(self) -> str:
        rows = [[row.layer or row.op, row.op, _own(row.algorithm), sizes_text(row.output), *_numbers(row)] for row in self]
        total = LayerCost("", "", "", (), self.parameters, self.macs, self.activation_bytes, self.backward_bytes, None, 0.0, self.seconds)
        rows.append(["total", "", "", "", *_numbers(total)])
        return table(_HEADER, rows, left=4)

    __repr__ = __str__


_HEADER = ["layer", "op", "algorithm", "output", "params", "MACs", "activation", "backward", "sees", "FLOP/B", "ms"]


def _own(algorithm: str) -> str:
    """The algorithm without those of later layers in the same step: "first_winograd" of "first_winograd + max_pool"."""
    return algorithm.partition(" ")[0]


def _numbers(row: LayerCost) -> list[str]:
    return [
        count_text(row.parameters) if row.parameters else "-",
        count_text(row.macs) if row.macs else "-",
        size_text(row.activation_bytes),
        "-" if row.backward_bytes is None else size_text(row.backward_bytes),
        field_text(row.receptive_field),
        f"{row.intensity:.1f}" if row.intensity else "-",
        f"{1e3 * row.seconds:.3f}" if row.seconds else "-",
    ]


def cost(net: Network, shape: Sequence[int], threads: int | None) -> Cost:
    """See Module.cost."""
    image = shape_of("cost", shape)
    count = 0 if threads is None else whole("cost", "threads", threads, 1)
    summary = summarize(net, image)
    kept = kept_bytes(net, image)
    program = program_of(net, (1, *image))
    limits = Limits(program.useful_threads(count))
    steps = list(program.steps)
    weights = sum(step["weight_bytes"] for step in steps)
    shares = None if kept is None else _shares(kept, [(row.layer, row.op) for row in summary])
    costs = Cost()
    for place, (row, own) in enumerate(zip(summary, _steps_of([(row.layer, row.op) for row in summary], steps), strict=True)):
        expected = [_expected(step, weights, limits) for step in own] or [("", 0.0, 0.0)]
        (algorithm, intensity, _), seconds = expected[0], sum(each[2] for each in expected)
        numbers = (row.output[1:], row.parameters, row.macs, row.activation_bytes, None if shares is None else shares[place])
        costs.append(LayerCost(row.layer, row.op, algorithm, *numbers, row.receptive_field, intensity, seconds))
    return costs


def _expected(step: Step, weights: int, limits: Limits) -> tuple[str, float, float]:
    """(algorithm, operations for each byte, seconds) of a step. weights: bytes of all weights, the working set that its own are part of."""
    algorithm = step["algorithm"]
    compute = limits.compute(step["flops"] / _FEWER.get(algorithm.partition(" ")[0], 1.0))
    seconds = max(compute, limits.copy(step["activation_bytes"]) + limits.copy(step["weight_bytes"], weights))
    moved = step["activation_bytes"] + step["weight_bytes"]
    return algorithm, step["flops"] / moved if moved else 0.0, seconds


def _steps_of(rows: Sequence[tuple[str, str]], steps: list[Step]) -> list[list[Step]]:
    """The steps of each row (layer, op): assigned by layer and op, in order; then the rest by the layer alone.

    A step of several layers, "a + b", belongs to the first. A layer has a second step where its output is copied into another layout.
    """
    found: list[list[Step]] = [[] for _ in rows]
    left = list(steps)
    for exactly in (True, False):
        for place, (layer, op) in enumerate(rows):
            if not found[place]:
                step = next((s for s in left if _first(s) == layer and (s["op"] == op or not exactly)), None)
                if step is not None:
                    found[place].append(step)
                    left.remove(step)
    for step in left if rows else []:
        places = [place for place, (layer, op) in enumerate(rows) if _first(step) == (layer or op)]
        found[places[-1] if places else -1].append(step)
    return found


def _first(step: Step) -> str:
    """The layer of a step; the first of several."""
    return str(step["name"]).partition(" + ")[0]


def _shares(kept: dict[tuple[str, str], int], rows: list[tuple[str, str]]) -> list[int]:
    """The kept bytes of each row. Bytes of another op of its layer go to the layer's last row, those of another layer to the last row."""
    shares = [0] * len(rows)
    for (layer, op), count in kept.items():
        exact = [place for place, row in enumerate(rows) if row == (layer, op)]
        near = [place for place, (name, _) in enumerate(rows) if name == layer]
        places = exact or near[-1:] or [len(rows) - 1]
        for place in places:
            shares[place] += count // len(places)
        shares[places[-1]] += count % len(places)
    return shares
