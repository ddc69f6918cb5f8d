"""The writer of ONNX: ops of the core that move values and compute nothing. In attributes, -1 stands for a size that follows the batch.

fastcnn/onnx/operators/read_shape.py and read_parts.py read the operators that this file writes.
"""

from __future__ import annotations

import numpy as np

from fastcnn.saving.onnx.graph import CoreNode, OnnxGraph

__all__ = ["expand", "reshape", "slice_", "take", "transpose"]

_TO_THE_END = 2**63 - 1


def reshape(to: OnnxGraph, node: CoreNode) -> str:
    shape = node.attributes["shape"]
    if 0 in shape or list(shape).count(-1) > 1:
        raise ValueError(f"[save] a reshaped value must keep its batch in one axis, and have no empty one. Got {tuple(shape)}.")
    return to.node("Reshape", node.inputs[0], to.integers(*shape))


def slice_(to: OnnxGraph, node: CoreNode) -> str:
    axis, start, stop = (node.attributes[name] for name in ("axis", "start", "stop"))
    if stop == -1:  # follows the batch
        if start + node.outputs[0][axis] != node.shapes[0][axis]:
            raise ValueError(f"[save] a part of the batch must go to its end, or be the same for every batch. Got axis {axis}.")
        stop = _TO_THE_END
    return to.node("Slice", node.inputs[0], to.integers(start), to.integers(stop), to.integers(axis))


def transpose(to: OnnxGraph, node: CoreNode) -> str:
    return to.node("Transpose", node.inputs[0], perm=node.attributes["axes"])


def expand(to: OnnxGraph, node: CoreNode) -> str:
    """A size of 1 leaves an axis as it is. An axis that is repeated to the batch takes its size from the network's first input."""
    x = node.inputs[0]
    shape = list(node.attributes["shape"])
    before = node.shapes[0]
    full = (1,) * (len(shape) - len(before)) + before
    shape = [1 if size == extent else wanted for wanted, size, extent in zip(shape, full, node.outputs[0], strict=True)]
    if -1 not in shape:
        return to.node("Expand", x, to.integers(*shape))
    axis = shape.index(-1)
    if node.outputs[0][axis] != to.batch or shape.count(-1) > 1:
        raise ValueError(f"[save] an expanded axis must be the batch, or the same for every batch. Got axis {axis} of {len(shape)}.")
    sizes = [to.integers(*part) for part in (shape[:axis], shape[axis + 1 :]) if part]
    sizes.insert(1 if axis else 0, to.node("Shape", to.first_input, start=0, end=1))
    return to.node("Expand", x, to.node("Concat", *sizes, axis=0) if len(sizes) > 1 else sizes[0])


def take(to: OnnxGraph, node: CoreNode) -> str:
    """Pad for constants (index -1) at both ends; Where for constants between. The rest is Gather, or Resize where each entry is repeated
    equally often, in order (nearest upsampling). Other factors stay Gather: runtimes round positions differently.
    """
    x = node.inputs[0]
    axis = node.attributes["axis"]
    size = node.shapes[0][axis]
    indices = np.asarray(node.attributes["indices"], np.int64)
    value = node.attributes["value"]
    taken = np.flatnonzero(indices >= 0)
    if not len(taken):
        raise NotImplementedError(f"[save] something must be taken of an axis. Got take of axis {axis} without.")
    first, last = int(taken[0]), int(taken[-1]) + 1
    inner = indices[first:last]
    if len(inner) > size and len(inner) % size == 0 and np.array_equal(inner, np.arange(len(inner)) * size // len(inner)):
        x = to.upscaled(x, [len(inner) // size if i == axis else 1 for i in range(len(node.shapes[0]))])
    elif not np.array_equal(inner, np.arange(size)):
        x = to.node("Gather", x, to.integers(*np.maximum(inner, 0)), axis=axis)
    if np.any(inner < 0):
        shape = [len(inner) if i == axis else 1 for i in range(len(node.shapes[0]))]
        x = to.node("Where", to.bools((inner < 0).reshape(shape)), to.number(value, node.dtype), x)
    pads = [0] * (2 * len(node.shapes[0]))
    pads[axis], pads[axis + len(node.shapes[0])] = first, len(indices) - last
    return to.node("Pad", x, to.integers(*pads), to.number(value, node.dtype)) if any(pads) else x
