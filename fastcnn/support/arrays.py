"""Array types for signatures, and conversions of users' values to NumPy arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Array = NDArray[np.float32]
    AnyArray = NDArray[Any]
else:  # numpy.typing takes a tenth of the import of fastcnn, and annotations are not evaluated
    ArrayLike = Array = AnyArray = Any

__all__ = ["AnyArray", "Array", "ArrayLike", "Shape", "array_of", "numeric"]

Shape = tuple[int, ...]


def array_of(where: str, name: str, value: ArrayLike) -> AnyArray:
    """Converts an array, nested lists or a PyTorch tensor to an array. ValueError for ragged lists."""
    try:
        return np.asarray(_from_torch(value))
    except ValueError:
        raise ValueError(f"[{where}] {name} must be an array, its rows of one length. Got ragged lists.") from None


def numeric(where: str, name: str, value: ArrayLike) -> AnyArray:
    """Converts like array_of(), to floating-point numbers or integers. TypeError for other types."""
    array = array_of(where, name, value)
    if array.dtype.kind not in "fiu":
        raise TypeError(f"[{where}] {name} must hold floating point numbers or integers. Got {array.dtype}.")
    return array


def _from_torch(value: Any) -> Any:
    """Converts a PyTorch tensor, on any device, to an array; bfloat16, which NumPy lacks, to float32. Returns other values unchanged."""
    if not all(hasattr(value, name) for name in ("detach", "cpu", "numpy")):
        return value
    tensor = value.detach().cpu()
    return (tensor.float() if str(tensor.dtype) == "torch.bfloat16" else tensor).numpy()
