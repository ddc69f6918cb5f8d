"""Summary: a table of a network's layers, from the graph that one call of forward() leaves behind."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

from fastcnn.insight.receptive_field import fields_of, size_of
from fastcnn.network.network import Network
from fastcnn.network.traced import traced
from fastcnn.support.arrays import Shape
from fastcnn.support.records import Node
from fastcnn.support.tables import count_text, size_text, sizes_text, table
from fastcnn.tracing.operators import row_of
from fastcnn.tracing.trace import Trace

__all__ = ["LEGEND", "RULES", "Summary", "SummaryRow", "field_text", "summarize"]

LEGEND = {
    "output": "for one image, CxHxW",
    "MACs": "multiply-adds",
    "sees": "receptive field, pixels a side",
    "activation": "bytes of the output",
}


class SummaryRow(NamedTuple):
    layer: str
    op: str
    output: Shape  # for one input
    parameters: int
    macs: int  # multiply-adds of convolutions and linear layers
    receptive_field: tuple[int, int] | str | None  # (height, width), "whole image", or None: it depends on no image
    activation_bytes: int  # of the output, 4 an element


class Summary(list[SummaryRow]):
    """One entry for each operation. print() shows a table."""

    def __str__(self) -> str:
        rows = [[row.layer or row.op, row.op, sizes_text(row.output[1:]), *_counts(row.parameters, row.macs), *_sizes(row)] for row in self]
        sums = _counts(sum(row.parameters for row in self), sum(row.macs for row in self))
        rows.append(["total", "", "", *sums, "", size_text(sum(row.activation_bytes for row in self))])
        return table(["layer", "op", "output", "parameters", "MACs", "sees", "activation"], rows, left=3)

    __repr__ = __str__


def _counts(parameters: int, macs: int) -> list[str]:
    return [f"{parameters:,}" if parameters else "-", count_text(macs) if macs else "-"]


def _sizes(row: SummaryRow) -> list[str]:
    return [field_text(row.receptive_field), size_text(row.activation_bytes)]


def field_text(seen: tuple[int, int] | str | None) -> str:
    """A receptive field: "7" for 7x7 pixels, "all" for the whole image."""
    return "all" if isinstance(seen, str) else (str(seen[0]) if seen[0] == seen[1] else sizes_text(seen)) if seen else "-"


def summarize(net: Network, shape: Shape) -> Summary:
    """shape: of one input, without the batch: (C, H, W)."""
    trace, _ = traced(net, [(1, *shape)])
    summary = Summary()
    counted = set[int]()
    fields = fields_of(trace) if len(shape) == 3 else {}
    for node in trace.graph.nodes():
        weights = [value for value in node["inputs"] if value in trace.parameters]
        new = {value for value in weights if value not in counted and _trained(net, trace, value)}
        counted |= new
        seen = size_of(fields.get(node["outputs"][0]), shape[1:])
        output = trace.graph.shape(node["outputs"][0])
        size = sum(trace.parameters[value].size for value in new)
        macs = RULES[row_of(node["op"]).macs](node, trace)
        summary.append(SummaryRow(node["name"], node["op"], output, size, macs, seen, 4 * math.prod(output)))
    return summary


def _trained(net: Network, trace: Trace, value: int) -> bool:
    return any(parameter is trace.parameters[value] for parameter in net.parameters())


# ---- rules: (node, trace) -> multiply-adds


def _none(node: Node, trace: Trace) -> int:
    return 0


def _per_output(node: Node, trace: Trace) -> int:
    """weight: (O, ...). Each entry of the output is a sum of products with all of weight[o]."""
    return math.prod(trace.graph.shape(node["outputs"][0])) * _weights(node, trace)


def _per_input(node: Node, trace: Trace) -> int:
    """weight: (I, ...). Each entry of the input is multiplied with all of weight[i]."""
    return math.prod(trace.graph.shape(node["inputs"][0])) * _weights(node, trace)


def _weights(node: Node, trace: Trace) -> int:
    return math.prod(trace.graph.shape(node["inputs"][1])[1:])


RULES: dict[str, Callable[[Node, Trace], int]] = {"none": _none, "per_input": _per_input, "per_output": _per_output}
