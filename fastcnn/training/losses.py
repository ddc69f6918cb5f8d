"""Losses: each a mean over a batch, as a node of the graph, and the rules for its targets, which are checked before a run."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np

from fastcnn.support.arguments import by_name, declared, number
from fastcnn.support.arrays import AnyArray, ArrayLike, Shape, array_of, numeric
from fastcnn.tracing.value import Value, add_node

__all__ = ["CrossEntropyLoss", "Loss", "MSELoss"]


class Loss:
    """The base of losses. output: (N, ...), what the network returns; target: what it should return."""

    name: ClassVar[str]
    classes: ClassVar[bool]  # whether targets are classes: then there is an accuracy
    dtype: ClassVar[Literal["float32", "int32"]]  # of targets

    def target_shape(self, output: Shape) -> Shape:
        """The shape of the targets for an output of this shape; ValueError for a shape that the loss does not take."""
        raise NotImplementedError

    def targets(self, y: ArrayLike, output: Shape) -> AnyArray:
        """y, checked and converted to `dtype`. output: the shape of the network's output, whose N is replaced by that of y.

        TypeError or ValueError for targets that the loss does not take.
        """
        raise NotImplementedError

    def __call__(self, output: Value, target: Value) -> Value:
        """The loss, of shape ()."""
        raise NotImplementedError


class CrossEntropyLoss(Loss):
    """The mean of -log softmax(output) of the right class. output: (N, K) or (N, K, H, W), before softmax; target: integers from 0 to
    K - 1, (N,) or (N, H, W).

    weight: PyTorch's argument, must be None. label_smoothing: the share of the target that is spread over all classes (Szegedy et al.,
    "Rethinking the Inception Architecture for Computer Vision", 2016).
    """

    name = "cross_entropy"
    classes = True
    dtype = "int32"

    def __init__(self, weight: None = None, *, label_smoothing: float = 0.0) -> None:
        if weight is not None:
            raise NotImplementedError(f"[cross_entropy] weights of classes are not there: weight must be None. Got weight={weight!r}.")
        self.label_smoothing = number("cross_entropy", "label_smoothing", label_smoothing, 0, 1)

    def target_shape(self, output: Shape) -> Shape:
        if len(output) not in (2, 4):
            raise ValueError(f"[cross_entropy] the network's output must be (N, K) or (N, K, H, W). Got {output}.")
        return (output[0], *output[2:])

    def targets(self, y: ArrayLike, output: Shape) -> AnyArray:
        array = array_of("cross_entropy", "targets", y)
        if array.dtype.kind not in "iu":
            raise TypeError(f"[cross_entropy] targets must be integers, one class each. Got {array.dtype}.")
        shape = self.target_shape((array.shape[0] if array.ndim else 0, *output[1:]))
        if array.shape != shape:
            raise ValueError(f"[cross_entropy] targets must have the shape {shape}. Got {array.shape}.")
        if array.size:
            wrong = [value for value in (array.min(), array.max()) if not 0 <= value < output[1]]
            if wrong:
                raise ValueError(f"[cross_entropy] targets must be between 0 and {output[1] - 1}. Got {wrong[0]}.")
        return array.astype(np.int32)

    def __call__(self, output: Value, target: Value) -> Value:
        return add_node("cross_entropy", [output, target], {"label_smoothing": self.label_smoothing})


class MSELoss(Loss):
    """The mean of (output - target)^2 over all elements. target: the shape of output."""

    name = "mse"
    classes = False
    dtype = "float32"

    def target_shape(self, output: Shape) -> Shape:
        return output

    def targets(self, y: ArrayLike, output: Shape) -> AnyArray:
        array = numeric("mse", "targets", y)
        shape = (array.shape[0] if array.ndim else 0, *output[1:])
        if array.shape != shape:
            raise ValueError(f"[mse] targets must have the shape {shape}. Got {array.shape}.")
        return array

    def __call__(self, output: Value, target: Value) -> Value:
        return add_node("mse", [output, target], {})


def named(loss: Any) -> Loss:
    """A loss as it is; for a name, the loss of this name with default arguments."""
    kinds: dict[str, type[Loss]] = {"cross_entropy": CrossEntropyLoss, "mse": MSELoss}
    found = by_name("loss", "a loss", loss, Loss, kinds)
    return declared("loss", found, {"name": (str,), "classes": (bool,), "dtype": ("float32", "int32")})
