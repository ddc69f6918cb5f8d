"""A plan told layer by layer: what each makes, and what is alive while it works."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple

from fastcnn.support.records import Block, PlannedGraph

__all__ = ["Arena", "Box", "LayerMemory", "boxes_of", "layers_of"]


class Box(NamedTuple):
    """A tensor in the arena: `bytes` from `offset` on belong to it at the steps first .. last, both included."""

    name: str  # of the layer that makes it
    op: str
    kind: str  # "activation", "gradient", "parameter gradient" or "workspace"
    offset: int
    bytes: int
    logical_bytes: int  # without the zeros around images and the unused lanes
    first: int
    last: int


class Arena(NamedTuple):
    """What a picture shows: the boxes, the layer of each step, and the size of the arena beside what it could be."""

    boxes: tuple[Box, ...]
    steps: tuple[str, ...]
    size: int
    lower_bound: int
    without_release: int


class LayerMemory(NamedTuple):
    """Bytes of a layer. Layers that are computed in one step share the row of the first; the others have a row for their parameters."""

    name: str
    parameters: int
    activations: int  # that it makes
    activation_gradients: int
    gradients: int  # of its parameters
    logical: int  # of all three, without the zeros around images and the unused lanes
    alive: int  # the most that is alive at one of its steps: what is needed with release
    kept: int  # all that was made up to and with its last step forward: what is needed without release


def boxes_of(graph: PlannedGraph, plan: Sequence[Block]) -> tuple[list[str], tuple[Box, ...]]:
    """The layer of each step of a run, and the boxes, their lives counted in these steps."""
    nodes = graph["nodes"]
    runs = [int(not (node["ahead"] or node["alias"])) for node in nodes]
    before = [0, *accumulate(runs)]  # how many steps are before each node
    boxes = []
    for block in plan:
        first, last = before[block["first"]], before[block["last"] + 1] - 1
        sizes = block["offset"], block["bytes"], block["logical_bytes"]
        boxes.append(Box(block["name"] or block["op"], block["op"], block["kind"], *sizes, first, max(first, last)))
    return [node["name"] or node["op"] for node, run in zip(nodes, runs, strict=True) if run], tuple(boxes)


def _parameters(graph: PlannedGraph) -> dict[str, int]:
    """Bytes of each layer's parameters, in the order in which layers were traced; layers without any are there with 0."""
    sizes = dict[str, int]()
    for value in graph["values"]:
        name = value["name"].rpartition(".")[0] or value["name"] if value["parameter"] else value["name"]
        sizes[name] = sizes.get(name, 0) + (value["logical_bytes"] if value["parameter"] else 0)
    return sizes


def _alive(steps: int, boxes: Sequence[Box]) -> list[int]:
    """Bytes that are alive at each step."""
    change = [0] * (steps + 1)
    for box in boxes:
        change[box.first] += box.bytes
        change[min(box.last, steps - 1) + 1] -= box.bytes
    return list(accumulate(change))


def layers_of(graph: PlannedGraph, steps: Sequence[str], boxes: Sequence[Box]) -> tuple[LayerMemory, ...]:
    alive = _alive(len(steps), boxes)
    made = [0] * len(steps)
    for box in boxes:
        made[box.first] += box.bytes
    kept = list(accumulate(made))
    backward = [node["backward"] for node in graph["nodes"] if not (node["ahead"] or node["alias"])]
    turn = next((step for step, back in enumerate(backward) if back), len(steps))
    places, reached = dict[str, list[int]](), 0
    for step, name in enumerate(steps):
        places.setdefault(name, []).append(step)
    rows = []
    for name, parameters in _parameters(graph).items():
        own = [box for box in boxes if box.name == name]
        here = places.get(name, [])
        if not (here or parameters):
            continue
        reached = max([reached, *(kept[step] for step in here if step < turn)])
        kinds = "activation", "gradient", "parameter gradient"
        activations, of_them, of_parameters = (sum(box.bytes for box in own if box.kind == kind) for kind in kinds)
        logical = sum(box.logical_bytes for box in own if box.kind != "workspace")
        most = max((alive[step] for step in here), default=0)
        rows.append(LayerMemory(name, parameters, activations, of_them, of_parameters, logical, most, reached if here else 0))
    return tuple(rows)
