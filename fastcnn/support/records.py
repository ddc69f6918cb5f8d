"""What crosses from the core as dictionaries: nodes of graphs, and values, blocks and steps of programs."""

from __future__ import annotations

from typing import Any, Literal, TypedDict

__all__ = ["Block", "Node", "PlannedGraph", "PlannedNode", "PlannedValue", "ProgramMemory", "Step", "TimedStep"]


class Node(TypedDict):
    """A node as forward() left it."""

    op: str
    name: str  # the path of its layer
    inputs: list[Any]  # values, integers; None: left out
    outputs: list[int]
    attributes: dict[str, Any]


class PlannedNode(TypedDict):
    """A node after all passes."""

    op: str
    name: str
    inputs: list[int]  # -1: left out
    outputs: list[int]
    in_place: list[int]  # inputs whose memory the output may take over
    alias: bool  # the output is the input under another shape
    ahead: bool  # computed before the runs, from parameters
    backward: bool


class PlannedValue(TypedDict):
    shape: list[int]
    bytes: int
    logical_bytes: int  # without the zeros around images and the unused lanes
    layout: tuple[Any, int, int]  # kind, channels a block, width of the ring of zeros
    part_of: int
    outside: bool  # it comes from outside, as an input or a parameter
    name: str
    parameter: bool


class PlannedGraph(TypedDict):
    nodes: list[PlannedNode]
    values: list[PlannedValue]
    outputs: list[int]


class Block(TypedDict):
    """A piece of the arena, which belongs to one value or several that share it, at the nodes first .. last."""

    name: str
    op: str
    bytes: int
    offset: int
    logical_bytes: int
    first: int
    last: int
    kind: Literal["activation", "gradient", "parameter gradient", "workspace"]


class ProgramMemory(TypedDict):
    """Bytes."""

    parameters: int
    prepared: int
    arena: int
    scratch_per_thread: int
    inputs: int
    outputs: int
    lower_bound: int
    without_release: int
    logical_bound: int


class _Convolution(TypedDict, total=False):
    problem: str  # what tuning knows a convolution by
    choice: str  # its algorithm


class Step(_Convolution):
    """What a run does for one node, in one piece or in row bands."""

    op: str
    name: str
    algorithm: str
    units: int
    flops: float
    bands: int
    activation_bytes: int
    weight_bytes: int


class TimedStep(Step):
    seconds: float
