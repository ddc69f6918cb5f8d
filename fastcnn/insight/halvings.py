"""Halvings: how often a network halves an image, along the path where it does most. Upsampling of any kind takes halvings back.

Convolutions and pooling halve by their strides. What a take, a resampling, a transposed convolution, or a reshape and a transpose (as
pixel_shuffle and its inverse consist of) do is read off the receptive field, counted anew from the last value that is an image: its step is
2 where every other pixel is left, and 1/2 where there are twice as many.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from fractions import Fraction

import numpy as np

from fastcnn.insight.receptive_field import IMAGE, Along, Field, field_after
from fastcnn.support.records import Node
from fastcnn.tracing.trace import Trace

__all__ = ["most_halvings"]

_WINDOWS = ("conv2d", "max_pool", "avg_pool")
_TAPS = 4  # of a cubic filter
_ROUNDED = 1e-4  # the most that the rounded weights of an output sum to beside 1
_MOST_RESAMPLED = 1 << 22  # weights of a matrix that is looked at: 2048 pixels to as many
_NEARLY = 0.25  # of a halving: by so much steps of sizes that were rounded, 8 to 15 pixels, differ from a whole one at most


def most_halvings(nodes: Iterable[Node], trace: Trace, axis: int) -> int:
    """Returns the number along height (0) or width (1). A count below zero on the way means an image larger than the first one."""
    counts: dict[int, int] = {0: 0}
    fields: dict[int, Field] = {0: IMAGE}  # since the count
    for node in nodes:
        known = [counts[value] for value in node["inputs"] if value in counts]
        if not known or "adaptive" in node["attributes"]:
            continue
        for output, field in field_after(node, fields, trace).items():
            counts[output] = max(known)
            fields[output] = field
            is_image = len(trace.graph.shape(output)) == 4 and field[axis].axis in (None, 2 + axis)
            if is_image or node["op"] in _WINDOWS:
                counts[output] += _halved(_step(node, field[axis], trace, axis))
                fields[output] = IMAGE if is_image else (field[0]._replace(jump=Fraction(1)), field[1]._replace(jump=Fraction(1)))
    return max(counts.values())


def _step(node: Node, along: Along, trace: Trace, axis: int) -> Fraction:
    """Returns the pixels from one entry of a node's output to the next."""
    image = next(value for value in node["inputs"] if value is not None and value not in trace.parameters)
    before = trace.graph.shape(image)
    after = trace.graph.shape(node["outputs"][0])
    if node["op"] in _WINDOWS and after[2 + axis] <= 1:
        return Fraction(1)  # all pixels are combined
    if len(before) == len(after) == 4 and (node["op"] == "resample" or _is_resampling(node, trace)):
        return Fraction(before[2 + axis], max(1, after[2 + axis]))  # taps of wide filters are clipped at borders: no even steps
    return along.widened(1, 1).jump


def _is_resampling(node: Node, trace: Trace) -> bool:
    """Whether a product with a constant matrix makes each output of a few neighbours with weights that sum to 1, as ONNX files have it."""
    matrix = next((trace.parameters[value] for value in node["inputs"] if value in trace.parameters), None)
    if node["op"] != "matmul" or matrix is None or len(matrix.shape) != 2 or matrix.size > _MOST_RESAMPLED:
        return False
    weights = matrix.numpy()
    outputs = weights if node["inputs"][0] in trace.parameters else weights.T
    return bool(np.all(np.abs(outputs.sum(axis=1) - 1) < _ROUNDED) and np.all(np.count_nonzero(outputs, axis=1) <= _TAPS))


def _halved(step: Fraction) -> int:
    """Returns how often a step of so many pixels halves an image, below zero for a part of a pixel."""
    if step <= 0:
        return 0
    if 1 in (step.numerator, step.denominator):
        return _twos(step.numerator) - _twos(step.denominator)
    power = math.log2(step)
    return round(power) if abs(power - round(power)) <= _NEARLY else 0


def _twos(number: int) -> int:
    """Returns how often 2 divides a number."""
    return (number & -number).bit_length() - 1
