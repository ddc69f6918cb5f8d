"""Summary: a table of a network's layers, from the graph that one call of forward() leaves behind."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

from fastcnn.arrays import Shape
from fastcnn.compiled import traced
from fastcnn.text import size_text, table
from fastcnn.trace import Trace

if TYPE_CHECKING:
    from fastcnn.module import Module

__all__ = ["Summary", "SummaryRow", "summarize"]


class Field(NamedTuple):
    """How the pixels of a value see the input: `size` pixels (height, width), `jump` apart. None: all of it, or no image any more."""

    size: tuple[int, int]
    jump: tuple[int, int]


class SummaryRow(NamedTuple):
    layer: str
    op: str
    output: Shape  # for one input
    parameters: int
    macs: int  # multiply-adds of convolutions and linear layers
    receptive_field: tuple[int, int] | None
    activation_bytes: int  # of the output, 4 an element


class Summary(list[SummaryRow]):
    """One entry for each operation. print() shows a table."""

    def __str__(self) -> str:
        rows = [
            [row.layer, row.op, str(row.output), f"{row.parameters:,}", f"{row.macs:,}", _field_text(row), size_text(row.activation_bytes)]
            for row in self
        ]
        sums = [f"{sum(row.parameters for row in self):,}", f"{sum(row.macs for row in self):,}"]
        rows.append(["total", "", "", *sums, "", size_text(sum(row.activation_bytes for row in self))])
        return table(["layer", "op", "output", "parameters", "MACs", "sees", "activation"], rows, left=3)

    __repr__ = __str__


def _field_text(row: SummaryRow) -> str:
    return f"{row.receptive_field[0]}x{row.receptive_field[1]}" if row.receptive_field else "-"


def summarize(net: Module, shape: Shape) -> Summary:
    """shape: of one input, without the batch: (C, H, W)."""
    trace, _ = traced(net, [(1, *shape)])
    summary, counted = Summary(), set[int]()
    fields: dict[int, Field | None] = {0: Field((1, 1), (1, 1)) if len(shape) == 3 else None}
    for node in trace.graph.nodes():
        weights = [value for value in node["inputs"] if value in trace.parameters]
        new = {value for value in weights if value not in counted and _trained(net, trace, value)}
        counted |= new
        field = fields[node["outputs"][0]] = _field_of(node, fields, trace)
        output = trace.graph.shape(node["outputs"][0])
        size = sum(trace.parameters[value].size for value in new)
        summary.append(
            SummaryRow(node["name"], node["op"], output, size, _macs(node, trace, output), field and field.size, 4 * math.prod(output))
        )
    return summary


def _trained(net: Module, trace: Trace, value: int) -> bool:
    return any(parameter is trace.parameters[value] for parameter in net.parameters())


def _macs(node: dict[str, Any], trace: Trace, output: Shape) -> int:
    if node["op"] == "conv_transpose2d":  # each input pixel meets all of its kernel
        output = trace.graph.shape(node["inputs"][0])
    elif node["op"] not in ("conv2d", "linear"):
        return 0
    return math.prod(output) * math.prod(trace.graph.shape(node["inputs"][1])[1:])


def _field_of(node: dict[str, Any], fields: dict[int, Field | None], trace: Trace) -> Field | None:
    """Of the node's output: the largest of its inputs, widened by the node's window."""
    seen = [fields[value] for value in node["inputs"] if value in fields]
    known = [field for field in seen if field is not None]
    attributes = node["attributes"]
    if len(known) != len(seen) or not known or node["op"] in ("reshape", "linear", "conv_transpose2d") or "adaptive" in attributes:
        return None
    size = max(f.size[0] for f in known), max(f.size[1] for f in known)
    jump = max(f.jump[0] for f in known), max(f.jump[1] for f in known)
    if node["op"] not in ("conv2d", "max_pool", "avg_pool"):
        return Field(size, jump)
    kernel = trace.graph.shape(node["inputs"][1])[2:] if node["op"] == "conv2d" else attributes["kernel"]
    dilation, stride = attributes.get("dilation", (1, 1)), attributes["stride"]
    height, width = (s + (k - 1) * d * j for s, k, d, j in zip(size, kernel, dilation, jump, strict=True))
    return Field((height, width), (jump[0] * stride[0], jump[1] * stride[1]))
