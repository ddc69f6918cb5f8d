"""The array types that signatures speak of."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["AnyArray", "Array", "ArrayLike", "Shape", "numeric"]

Array = NDArray[np.float32]
AnyArray = NDArray[Any]
Shape = tuple[int, ...]


def numeric(where: str, name: str, value: ArrayLike) -> AnyArray:
    """`value` as an array of floating point or integers. Error: TypeError for anything else."""
    array = np.asarray(value)
    if array.dtype.kind not in "fiu":
        raise TypeError(f"[{where}] {name} must hold floating point numbers or integers. Got {array.dtype}.")
    return array
