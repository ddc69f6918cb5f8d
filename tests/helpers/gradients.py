"""Gradients from the oracle alone: central differences of L = sum(op(inputs) * dy) in float64, along directions.

A direction is either one random vector, along which every element of the gradient counts, or a unit vector, which singles out one element.
Along d the derivative of L is sum(gradient * d).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import reference
import tolerance
from case import Case

Array = np.ndarray

SMALL_STEP = 2.0**-17  # about the cube root of float64's epsilon: rounding and curvature then cost the same, some 1e-10
SINGLE_ELEMENTS = 6  # unit directions for each operand


@dataclass(frozen=True)
class Expected:
    operand: int
    direction: Array
    derivative: float
    bound: float


def first_output(op: str, inputs: Sequence[Array | None], attributes: dict) -> Array:
    y = getattr(reference, op)(*inputs, **attributes)
    return y[0] if isinstance(y, tuple) else y


def output_gradient(case: Case, y: Array) -> Array:
    """The dy of a case: seeded, float32, shaped like the first output."""
    rng = np.random.default_rng(len(str(case)))
    return rng.uniform(-1, 1, y.shape).astype(np.float32)


def directions(shape: tuple[int, ...], rng: np.random.Generator) -> list[Array]:
    size = int(np.prod(shape))
    found = [rng.uniform(-1, 1, shape)]
    for index in rng.choice(size, min(size, SINGLE_ELEMENTS), replace=False):
        unit = np.zeros(size)
        unit[index] = 1
        found.append(unit.reshape(shape))
    return found


def difference(case: Case, function, arrays: Sequence[Array | None], operand: int, direction: Array, dy: Array, step: float) -> float:
    def loss(sign: int) -> float:
        moved = [array if array is None or array.dtype.kind == "i" else array.astype(np.float64) for array in arrays]
        moved[operand] = moved[operand] + sign * step * direction
        return float(np.sum(function(*moved) * dy))

    return (loss(1) - loss(-1)) / (2 * step)


def expected_gradients(case: Case, arrays: Sequence[Array | None], outputs: Sequence[Array], dy: Array) -> list[Expected]:
    """For every operand with a gradient, its derivatives along some directions, each with the bound of its float32 computation."""
    rng = np.random.default_rng(len(case.name) + 1)

    def op(*inputs: Array | None) -> Array:
        return first_output(case.op, inputs, case.attributes)

    multilinear = case.op in tolerance.MULTILINEAR
    step = 1.0 if multilinear else SMALL_STEP  # linear in one operand: the difference is exact for any step
    dy = dy.astype(np.float64)
    own_error = 2.0**-50 / step * float(np.sum(np.abs(outputs[0] * dy)))
    found = []
    for operand in case.wanted_gradients():
        for direction in directions(arrays[operand].shape, rng):
            derivative = difference(case, op, arrays, operand, direction, dy, step)
            if multilinear:
                magnitude = tolerance.on_absolute_values(case, arrays)
                terms = difference(case, magnitude, tolerance.absolute(arrays), operand, abs(direction), abs(dy), 1.0)
                bound = tolerance.tolerance(case.op, tolerance.gradient_length(case, arrays, outputs[0], operand), terms)
            else:
                bound = np.sum(tolerance.gradient_magnitude(case, arrays, outputs, dy, operand) * abs(direction))
            found.append(Expected(operand, direction, derivative, float(bound) + own_error + tolerance.FLUSHED))
    return found
