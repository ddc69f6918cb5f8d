"""Types of the dictionaries that the core returns: nodes of graphs, and values, blocks and steps of programs."""

from __future__ import annotations

from typing import Any, Literal, TypedDict

__all__ = ["Block", "Node", "PlannedGraph", "PlannedNode", "PlannedValue", "ProgramMemory", "Step", "TimedStep"]


class Node(TypedDict):
    """A node of a traced graph, before all passes."""

    op: str
    name: str  # the path of its layer
    inputs: list[Any]  # ids of values, integers; None for an input that is left out
    outputs: list[int]
    attributes: dict[str, Any]


class PlannedNode(TypedDict):
    """A node after all passes."""

    op: str
    name: str
    inputs: list[int]  # ids of values; -1 for an input that is left out
    outputs: list[int]
    in_place: list[int]  # inputs whose memory the output may reuse
    alias: bool  # the output is the input with another shape, in the same memory
    ahead: bool  # computed from parameters, once before the runs
    backward: bool


class PlannedValue(TypedDict):
    shape: list[int]
    bytes: int
    logical_bytes: int  # without the ring of zeros around images and without unused lanes
    layout: tuple[Any, int, int]  # kind, channels per block, width of the ring of zeros
    part_of: int
    outside: bool  # an input or a parameter: its memory is not in the arena
    name: str
    parameter: bool


class PlannedGraph(TypedDict):
    nodes: list[PlannedNode]
    values: list[PlannedValue]
    outputs: list[int]


class Block(TypedDict):
    """A piece of the arena with its lifetime, the nodes first .. last. It belongs to one value, or to several that share it."""

    name: str
    op: str
    bytes: int
    offset: int
    logical_bytes: int
    first: int
    last: int
    kind: Literal["activation", "gradient", "parameter gradient", "workspace"]


class ProgramMemory(TypedDict):
    """The memory of a program, in bytes."""

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
    problem: str  # the key of a convolution in the cache of tuning
    choice: str  # its algorithm


class Step(_Convolution):
    """The work of a run for one node, as a whole or in row bands."""

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
