"""Bounds of the ops that move, reduce, multiply and resample arrays; tolerance.py, which takes them up, says how bounds are derived.

Reductions and normalizations sum in double: 2^-53 of the magnitudes for each term, and what is rounded to float32 after it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from case import Case

Array = np.ndarray

EPS = 2.0**-24
FLUSHED = 2.0**-120
DOUBLE = 2.0**-53

EXACT = {"transpose", "expand", "take"}
MULTILINEAR = {"transpose", "expand", "take", "resample", "matmul"}
ROUNDINGS = {"resample": 2}  # of the weights, and the product with them


def forward_length(case: Case, arrays: Sequence[Array]) -> int:
    """Terms of one output's sum, for the multilinear ops."""
    if case.op == "matmul":
        return arrays[0].shape[-2 if case.attributes.get("transpose_a") else -1]
    return case.attributes["taps"]


def gradient_length(case: Case, arrays: Sequence[Array], y: Array, operand: int) -> float:
    """Terms of one element of the gradient's sum, for the multilinear ops."""
    if case.op == "matmul":  # the matrices that a broadcast operand is used for, times their columns or rows
        matrices = math.prod(y.shape[:-2]) // max(1, math.prod(arrays[operand].shape[:-2]))
        return matrices * y.shape[-1 if operand == 0 else -2]
    if "indices" in case.attributes:
        return max((case.attributes["indices"].count(i) for i in set(case.attributes["indices"])), default=0)
    return y.size // max(arrays[operand].size, 1)


def _reduce(case: Case, arrays: Sequence[Array], outputs: Sequence[Array]) -> list[Array]:
    x, y = abs(arrays[0].astype(np.float64)), outputs[0]
    magnitude = x.max(initial=1) ** 2 * DOUBLE * (x.size + 8)
    finite = np.where(np.isfinite(y), abs(y), 0)
    return [2 * EPS * finite + magnitude + FLUSHED]


def _reduce_gradient(case: Case, arrays: Sequence[Array], outputs: Sequence[Array], dy: Array, operand: int) -> Array:
    """Each a product of dy, the slope and, where y is in the slope, the rounding of y."""
    x, kind = abs(arrays[0].astype(np.float64)), case.attributes["kind"]
    axes = tuple(axis % x.ndim for axis in case.attributes["axes"])
    kept = [1 if axis in axes else size for axis, size in enumerate(x.shape)]
    dy, y = dy.reshape(kept), outputs[0].reshape(kept)
    slope = {
        "mean": lambda: math.prod(kept) / max(x.size, 1),
        "sum_square": lambda: 2 * x,
        "product": lambda: abs(y) / np.where(x == 0, 1, x),
        "log_sum_exp": lambda: np.exp(arrays[0] - y) * (1 + abs(y)),
    }.get(kind, lambda: 1.0)()
    return 6 * EPS * dy * slope + FLUSHED


def _normalize(case: Case, arrays: Sequence[Array], outputs: Sequence[Array]) -> list[Array]:
    """The mean errs by some 2^-53 of the largest magnitude for each term, the standard deviation, as large as that, too."""
    y, inv_std = outputs
    row = (slice(None),) * inv_std.ndim + (None,) * case.attributes["axes"]
    statistics = DOUBLE * (arrays[0].size + 8) * abs(arrays[0]).max(initial=0) * inv_std
    return [2 * EPS * abs(y) + (1 + abs(y)) * statistics[row] + FLUSHED, 2 * EPS * inv_std + statistics * inv_std + FLUSHED]


def _normalize_gradient(case: Case, arrays: Sequence[Array], outputs: Sequence[Array], dy: Array, operand: int) -> Array:
    """dx = inv_std (dy - mean(dy) - y mean(dy y)), with y and inv_std rounded."""
    y, inv_std = outputs
    axes = case.attributes["axes"]
    over = {"axis": tuple(range(y.ndim - axes, y.ndim)), "keepdims": True}
    terms = dy + dy.mean(**over) + abs(y) * (dy * abs(y)).mean(**over)
    return 6 * EPS * inv_std[(slice(None),) * inv_std.ndim + (None,) * axes] * terms + FLUSHED


FORWARD = {"reduce": _reduce, "normalize": _normalize}
GRADIENT = {"reduce": _reduce_gradient, "normalize": _normalize_gradient}
