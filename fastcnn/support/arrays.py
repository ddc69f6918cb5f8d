"""The array types that signatures speak of."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["AnyArray", "Array", "ArrayLike", "Shape", "array_of", "numeric", "of_tensor"]

Array = NDArray[np.float32]
AnyArray = NDArray[Any]
Shape = tuple[int, ...]


def array_of(where: str, name: str, value: ArrayLike) -> AnyArray:
    """`value`, or a tensor of PyTorch, as an array. Error: ValueError for lists that form none."""
    try:
        return np.asarray(of_tensor(value))
    except ValueError:
        raise ValueError(f"[{where}] {name} must be an array, its rows of one length. Got ragged lists.") from None


def numeric(where: str, name: str, value: ArrayLike) -> AnyArray:
    """`value`, or a tensor of PyTorch, as an array of floating point or integers. Error: TypeError for anything else."""
    array = array_of(where, name, value)
    if array.dtype.kind not in "fiu":
        raise TypeError(f"[{where}] {name} must hold floating point numbers or integers. Got {array.dtype}.")
    return array


def of_tensor(value: Any) -> Any:
    """A tensor of PyTorch, wherever it is, as an array; bfloat16, which NumPy has not, becomes float32. Other values as they are."""
    if not all(hasattr(value, name) for name in ("detach", "cpu", "numpy")):
        return value
    tensor = value.detach().cpu()
    return (tensor.float() if str(tensor.dtype) == "torch.bfloat16" else tensor).numpy()
