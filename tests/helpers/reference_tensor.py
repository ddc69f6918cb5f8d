"""The oracle of the ops that move, reduce, multiply and resample arrays; reference.py has all others, and these names too."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

__all__ = ["expand", "matmul", "normalize", "reduce", "resample", "take", "transpose"]

Array = np.ndarray


def transpose(x: Array, *, axes: Sequence[int]) -> Array:
    return np.asarray(x, np.float64).transpose(axes)


def expand(x: Array, *, shape: Sequence[int]) -> Array:
    return np.broadcast_to(np.asarray(x, np.float64), shape)


def reduce(x: Array, *, kind: str, axes: Sequence[int], keepdims: bool) -> Array:
    x = np.asarray(x, np.float64)
    along = {"axis": tuple(axes), "keepdims": keepdims}
    return np.asarray(
        {
            "sum": lambda: x.sum(**along),
            "mean": lambda: x.mean(**along),
            "max": lambda: x.max(**along, initial=-np.inf),
            "min": lambda: x.min(**along, initial=np.inf),
            "l1": lambda: abs(x).sum(**along),
            "l2": lambda: np.sqrt((x**2).sum(**along)),
            "sum_square": lambda: (x**2).sum(**along),
            "product": lambda: x.prod(**along),
            "log_sum_exp": lambda: np.logaddexp.reduce(x, **along),
        }[kind]()
    )


def take(x: Array, *, axis: int, indices: Sequence[int], value: float) -> Array:
    """Entry -1 is a new one at the end of the axis, full of `value`."""
    x = np.asarray(x, np.float64)
    shape = list(x.shape)
    shape[axis] = 1
    return np.concatenate([x, np.full(shape, value)], axis).take(np.asarray(indices, int), axis)


def resample(x: Array, *, axis: int, taps: int, indices: Sequence[int], weights: Sequence[float]) -> Array:
    """A matrix with a row of `taps` weights for each output, applied along the axis."""
    x = np.moveaxis(np.asarray(x, np.float64), axis, 0)
    matrix = np.zeros((len(indices) // taps, len(x)))
    np.add.at(matrix, (np.repeat(np.arange(len(matrix)), taps), np.asarray(indices, int)), np.asarray(weights, float))
    return np.moveaxis(np.tensordot(matrix, x, 1), 0, axis)


def matmul(a: Array, b: Array, *, transpose_a: bool = False, transpose_b: bool = False) -> Array:
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    return (a.swapaxes(-1, -2) if transpose_a else a) @ (b.swapaxes(-1, -2) if transpose_b else b)


def normalize(x: Array, *, axes: int, eps: float) -> tuple[Array, Array]:
    """x with mean 0 and variance 1 over its last `axes` axes, and 1 / sqrt(variance + eps), one number a row."""
    x = np.asarray(x, np.float64)
    over = tuple(range(x.ndim - axes, x.ndim))
    deviation = x - x.mean(axis=over, keepdims=True)
    inv_std = 1 / np.sqrt((deviation**2).mean(axis=over, keepdims=True) + eps)
    return deviation * inv_std, inv_std.reshape(x.shape[: x.ndim - axes])
