"""The memory of a plan by layer: the bytes that each layer allocates, and the bytes that are alive while it runs."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple

from fastcnn.support.records import Block, PlannedGraph

__all__ = ["Arena", "Box", "LayerMemory", "boxes_of", "layers_of"]


class Box(NamedTuple):
    """A tensor in the arena: it occupies `bytes` from `offset` on during the steps first .. last, both included."""

    name: str  # of the layer that computes it
    op: str
    kind: str  # "activation", "gradient", "parameter gradient" or "workspace"
    offset: int
    bytes: int
    logical_bytes: int  # without the zeros around images and the unused lanes
    first: int
    last: int


class Arena(NamedTuple):
    """What a picture of the arena shows. Sizes in bytes."""

    boxes: tuple[Box, ...]
    steps: tuple[str, ...]  # the layer of each
    size: int
    lower_bound: int  # the largest sum of live bytes at one step: no plan is smaller
    without_release: int  # if nothing were released during a run


class LayerMemory(NamedTuple):
    """The bytes of a layer. Layers that are fused into one step share the row of the first; the others keep a row for their parameters."""

    name: str
    parameters: int
    activations: int  # its outputs
    activation_gradients: int
    gradients: int  # of its parameters
    logical: int  # of all three, without the zeros around images and the unused lanes
    alive: int  # the largest sum of live bytes at one of its steps: the need with release
    kept: int  # all that is allocated up to and with its last forward step: the need without release


def boxes_of(graph: PlannedGraph, plan: Sequence[Block]) -> tuple[list[str], tuple[Box, ...]]:
    """The layer of each step of a run, and the boxes, with their lifetimes counted in these steps."""
    nodes = graph["nodes"]
    runs = [int(not (node["ahead"] or node["alias"])) for node in nodes]
    before = [0, *accumulate(runs)]  # the number of steps before each node
    boxes = []
    for block in plan:
        first, last = before[block["first"]], before[block["last"] + 1] - 1
        sizes = block["offset"], block["bytes"], block["logical_bytes"]
        boxes.append(Box(block["name"] or block["op"], block["op"], block["kind"], *sizes, first, max(first, last)))
    return [node["name"] or node["op"] for node, run in zip(nodes, runs, strict=True) if run], tuple(boxes)


def _parameters(graph: PlannedGraph) -> dict[str, int]:
    """Bytes of each layer's parameters, in the order of the trace; 0 for layers without any."""
    sizes = dict[str, int]()
    for value in graph["values"]:
        name = value["name"].rpartition(".")[0] or value["name"] if value["parameter"] else value["name"]
        sizes[name] = sizes.get(name, 0) + (value["logical_bytes"] if value["parameter"] else 0)
    return sizes


def _alive(steps: int, boxes: Sequence[Box]) -> list[int]:
    """The live bytes at each step."""
    change = [0] * (steps + 1)
    for box in boxes:
        change[box.first] += box.bytes
        change[min(box.last, steps - 1) + 1] -= box.bytes
    return list(accumulate(change))


def layers_of(graph: PlannedGraph, steps: Sequence[str], boxes: Sequence[Box]) -> tuple[LayerMemory, ...]:
    """A row for each layer with steps or parameters, in the order of the trace."""
    alive = _alive(len(steps), boxes)
    allocated = [0] * len(steps)
    for box in boxes:
        allocated[box.first] += box.bytes
    kept = list(accumulate(allocated))
    backward = [node["backward"] for node in graph["nodes"] if not (node["ahead"] or node["alias"])]
    first_backward = next((step for step, is_backward in enumerate(backward) if is_backward), len(steps))
    steps_of: dict[str, list[int]] = {}
    for step, name in enumerate(steps):
        steps_of.setdefault(name, []).append(step)
    rows = []
    reached = 0
    for name, parameters in _parameters(graph).items():
        own = [box for box in boxes if box.name == name]
        own_steps = steps_of.get(name, [])
        if not (own_steps or parameters):
            continue
        reached = max([reached, *(kept[step] for step in own_steps if step < first_backward)])
        kinds = "activation", "gradient", "parameter gradient"
        activations, gradients, of_parameters = (sum(box.bytes for box in own if box.kind == kind) for kind in kinds)
        logical = sum(box.logical_bytes for box in own if box.kind != "workspace")
        most = max((alive[step] for step in own_steps), default=0)
        rows.append(LayerMemory(name, parameters, activations, gradients, of_parameters, logical, most, reached if own_steps else 0))
    return tuple(rows)
