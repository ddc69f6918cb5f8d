"""The reader of ONNX: operators that move values or change axes and compute nothing, for values of the run and for constants, by NumPy.

fastcnn/saving/onnx/shape.py writes such operators.
"""

from __future__ import annotations

import math
from typing import Any

from fastcnn.onnx.call import Call
from fastcnn.onnx.handlers import mover, operator
from fastcnn.onnx.symbolic import expand, reshape, transpose
from fastcnn.support.arrays import Shape
from fastcnn.tracing.value import Value

__all__: list[str] = []


@mover("Identity")
def identity(call: Call) -> Any:
    return call.input(0)


@mover("Reshape")
def reshaped(call: Call) -> Any:
    """Sizes: 0 stands for the size of x, unless allowzero; -1 for what is left."""
    wanted = call.whole_numbers(1)
    shape = call.shape(0)
    if not call.flag("allowzero"):
        if any(size == 0 and i >= len(shape) for i, size in enumerate(wanted)):
            call.fail("an entry of 0 must stand for a size of the input", f"{wanted} for {shape}")
        wanted = [shape[i] if size == 0 else size for i, size in enumerate(wanted)]
    return reshape(call.data(0), _without_rest(wanted, shape))


def _without_rest(wanted: list[int], shape: Shape) -> list[int]:
    """The sizes with 0 for -1, if the value is empty: NumPy and PyTorch refuse -1 there."""
    if 0 in wanted and math.prod(shape) == 0:
        return [0 if size == -1 else size for size in wanted]
    return wanted


@mover("Flatten")
def flatten(call: Call) -> Any:
    """To two axes: those before `axis`, and the others."""
    x = call.data(0)
    shape = call.shape(0)
    axis = call.integer("axis", 1)
    if not -len(shape) <= axis <= len(shape):
        call.fail(f"axis must be between {-len(shape)} and {len(shape)}", axis)
    axis = axis + len(shape) if axis < 0 else axis
    return reshape(x, (math.prod(shape[:axis]), math.prod(shape[axis:])))


@mover("Squeeze")
def squeeze(call: Call) -> Any:
    """axes: an attribute before opset 13, then an input. Without any: all of size 1."""
    shape = call.shape(0)
    axes = call.axes(1, len(shape))
    axes = [axis for axis, size in enumerate(shape) if size == 1] if axes is None else axes
    if any(shape[axis] != 1 for axis in axes):
        call.fail("axes that go must be of size 1", f"axes {axes} of {shape}")
    return reshape(call.data(0), [size for axis, size in enumerate(shape) if axis not in axes])


@mover("Unsqueeze")
def unsqueeze(call: Call) -> Any:
    """axes of the output: an attribute before opset 13, then an input."""
    shape = call.shape(0)
    count = call.whole_numbers(1) if call.has(1) else call.integers("axes")
    if count is None:
        call.fail("axes must be given", "none")
    axes = call.axes(1, len(shape) + len(count)) or []
    sizes = iter(shape)
    return reshape(call.data(0), [1 if axis in axes else next(sizes) for axis in range(len(shape) + len(count))])


@mover("Transpose")
def transposed(call: Call) -> Any:
    rank = call.rank(0)
    axes = call.integers("perm") or list(range(rank))[::-1]
    if sorted(axes) != list(range(rank)):
        call.fail(f"perm must hold each of the {rank} axes once", axes)
    return transpose(call.data(0), axes)


@mover("Expand")
def expanded(call: Call) -> Any:
    """Broadcasts x with a shape."""
    wanted = call.whole_numbers(1)
    if any(size < 0 for size in wanted) or len(wanted) > 8:
        call.fail("the shape must have at most 8 sizes, none negative", wanted[:9])
    shape = call.shape(0)
    rank = max(call.rank(0), len(wanted))
    a, b = (1,) * (rank - len(shape)) + shape, [1] * (rank - len(wanted)) + wanted
    if any(x != y and 1 not in (x, y) for x, y in zip(a, b, strict=True)):
        call.fail("the shapes must broadcast", f"{shape}, {tuple(wanted)}")
    return expand(call.data(0), [y if x == 1 else x for x, y in zip(a, b, strict=True)])


@mover("Tile")
def tile(call: Call) -> Any:
    x = call.data(0)
    repeats = call.whole_numbers(1)
    shape = list(call.shape(0))
    if len(repeats) != len(shape) or any(not 0 <= count < 2**31 for count in repeats):
        call.fail(f"repeats must be {len(shape)} numbers of at least 0", repeats[:9])
    for axis, count in enumerate(repeats):
        if count != 1:  # a new axis before it is repeated, then the two are joined
            parts = reshape(x, [*shape[:axis], 1, *shape[axis:]])
            parts = expand(parts, [*shape[:axis], count, *shape[axis:]])
            shape[axis] *= count
            x = reshape(parts, shape)
    return x


def _image(call: Call) -> tuple[Value, int]:
    x = call.value(0)
    block = call.integer("blocksize", 0)
    if x.ndim != 4 or not 1 <= block < 2**15:
        call.fail("the input must be (N, C, H, W), blocksize at least 1", f"{call.shape(0)}, {block}")
    return x, block


@operator("DepthToSpace")
def depth_to_space(call: Call) -> Value:
    """(N, C b^2, H, W) -> (N, C, H b, W b). Channels are (b, b, C) with mode DCR, (C, b, b) with CRD."""
    x, block = _image(call)
    N, C, H, W = call.shape(0)
    if C % block**2:
        call.fail("the square of blocksize must divide the channels", f"{block}, {C} channels")
    if call.text("mode", "DCR", "DCR", "CRD") == "DCR":
        parts = transpose(reshape(x, (N, block, block, C // block**2, H, W)), (0, 3, 4, 1, 5, 2))
    else:
        parts = transpose(reshape(x, (N, C // block**2, block, block, H, W)), (0, 1, 4, 2, 5, 3))
    return reshape(parts, (N, C // block**2, H * block, W * block))


@operator("SpaceToDepth")
def space_to_depth(call: Call) -> Value:
    """(N, C, H, W) -> (N, b^2 C, H / b, W / b), with the modes of DepthToSpace."""
    x, block = _image(call)
    N, C, H, W = call.shape(0)
    if H % block or W % block:
        call.fail("blocksize must divide height and width", f"{block}, {call.shape(0)}")
    order = (0, 3, 5, 1, 2, 4) if call.text("mode", "DCR", "DCR", "CRD") == "DCR" else (0, 1, 3, 5, 2, 4)
    parts = transpose(reshape(x, (N, C, H // block, block, W // block, block)), order)
    return reshape(parts, (N, C * block**2, H // block, W // block))
