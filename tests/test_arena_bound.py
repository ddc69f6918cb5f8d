"""The arena of every network beside its lower bound: the most bytes alive at one step. The bound is counted here, from the final graph,
with lifetimes, work in place and concatenations found anew."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from zoo_networks import make

import fastcnn as fc
from fastcnn.cli.models import OTHER_IMAGES
from fastcnn.training.losses import named
from fastcnn.training.plan import trained_parameters, training_plan

MOST = 1.02
CACHE_LINE = 64


def shape_of(name: str, batch: int) -> tuple[int, ...]:
    return batch, *OTHER_IMAGES.get(name, (3, 224, 224))


class Groups:
    """Values that share bytes, as the graph allows it, and the steps at which each group is alive."""

    def __init__(self, graph: dict[str, Any]) -> None:
        self.nodes, self.values = graph["nodes"], graph["values"]
        self.returned = set(graph["outputs"])
        self.last_use = {value: step for step, node in enumerate(self.nodes) for value in node["inputs"] if value >= 0}
        self.group = dict[int, int]()  # of each value: the value that stands for it
        self.first, self.last = dict[int, int](), dict[int, int]()
        self.elsewhere = {value for value, entry in enumerate(self.values) if entry["outside"]}  # groups with no bytes in the arena
        for step, node in enumerate(self.nodes):
            for place, value in enumerate(node["outputs"]):
                self._add(step, node, place, value)

    def _add(self, step: int, node: dict[str, Any], place: int, value: int) -> None:
        if value in self.group:  # a whole, begun by its parts
            group = self.group[value]
        elif node["alias"]:
            group = self.group.get(node["inputs"][0], node["inputs"][0])
        elif self.values[value]["part_of"] >= 0:
            group = value
            while self.values[group]["part_of"] >= 0:
                self.group[group] = group
                group = self.values[group]["part_of"]
            for part in (part for part, own in self.group.items() if own == part and self._whole(part) == group):
                self.group[part] = group
            self.group[group] = group
        else:
            group = self._taken_over(step, node) if place == 0 else value
            group = value if group < 0 else group
        self.group[value] = group
        self.first.setdefault(group, step)
        members = [member for member, own in self.group.items() if own == group]
        self.last[group] = max(step, self.last.get(group, step), *(self.last_use.get(member, step) for member in members))
        if node["ahead"] or value in self.returned:
            self.elsewhere.add(group)

    def _whole(self, value: int) -> int:
        while self.values[value]["part_of"] >= 0:
            value = self.values[value]["part_of"]
        return value

    def _taken_over(self, step: int, node: dict[str, Any]) -> int:
        """The group that the first output lies in after an op that can work in place; -1: one of its own."""
        if node["ahead"]:
            return -1
        for place in node["in_place"]:
            value = node["inputs"][place] if place < len(node["inputs"]) else -1
            if value < 0 or node["inputs"].count(value) > 1:
                continue
            group = self.group.get(value, value)
            if any(other != value and self.group.get(other, other) == group for other in node["inputs"]):
                continue
            same = all(self.values[value][key] == self.values[node["outputs"][0]][key] for key in ("shape", "layout"))
            if same and group not in self.elsewhere and self.last[group] == step:
                return group
        return -1

    def bound(self, kind: str = "bytes") -> int:
        """The largest sum over the steps; kind "logical_bytes": without rings and unused lanes."""
        lines = CACHE_LINE if kind == "bytes" else 1
        sizes = {group: -(-self.values[group][kind] // lines) * lines for group in self.first if group not in self.elsewhere}
        alive = [
            [size for group, size in sizes.items() if self.first[group] <= step <= self.last[group]] for step in range(len(self.nodes))
        ]
        return max(map(sum, alive), default=0)


@pytest.mark.parametrize("name", fc.zoo.__all__)
def test_inference(name: str) -> None:
    net = make(name)
    for batch in (1, 3):
        program = net.compile(shape_of(name, batch))._program
        bound, memory = Groups(program.graph).bound(), program.memory
        assert memory["lower_bound"] == bound
        assert bound <= memory["arena"] <= MOST * bound
        assert 0 < memory["logical_bound"] == Groups(program.graph).bound("logical_bytes") <= bound


@pytest.mark.parametrize("name", ["densenet121", "googlenet", "mobilenet_v2", "resnet18", "squeezenet1_1", "unet", "vgg11_bn"])
def test_training(name: str) -> None:
    net = make(name)
    program = training_plan(net, named("cross_entropy"), shape_of(name, 2), trained_parameters("test", net)).program
    bound, memory = Groups(program.graph).bound(), program.memory
    assert memory["lower_bound"] == bound
    assert bound <= memory["arena"] <= MOST * bound


@pytest.mark.parametrize(("channels", "kernel", "side"), [(16, 3, 9), (48, 3, 30), (64, 1, 17), (512, 1, 15)])
def test_a_residual_sum_lies_where_the_residual_did(channels: int, kernel: int, side: int) -> None:
    """By each algorithm that may, with the numbers of an arena where nothing is taken over; Strassen's writes some pixels twice."""

    class Block(fc.Module):
        def __init__(self) -> None:
            self.first = fc.Conv2d(3, channels, 1, seed=1)
            self.conv = fc.Conv2d(channels, channels, kernel, padding=kernel // 2, seed=2)
            self.last = fc.Conv2d(channels, 2, kernel, padding=kernel // 2, seed=3)

        def forward(self, x: fc.Value) -> Any:
            y = fc.relu(self.first(x))
            total = self.conv(y * 0.5) + y
            return self.last(fc.relu(total)) if self.apart else (self.last(fc.relu(total)), y)

    x = np.random.default_rng(0).standard_normal((2, 3, side, side)).astype(np.float32)
    taken, kept = Block(), Block()
    taken.apart, kept.apart = True, False
    program = taken.compile(x.shape)._program
    groups = Groups(program.graph)
    [node] = [node for node in program.graph["nodes"] if node["op"] == "conv2d" and len(node["inputs"]) > 3 and node["inputs"][3] >= 0]
    algorithm = next(step["algorithm"] for step in program.steps if step["name"] == "conv")
    assert (groups.group[node["inputs"][3]] == groups.group[node["outputs"][0]]) == (algorithm != "strassen")
    assert np.array_equal(taken(x), kept(x)[0])
