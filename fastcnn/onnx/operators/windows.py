"""The reader of ONNX: the geometry of convolutions and pooling, kernel_shape, strides, dilations, pads, auto_pad.

Images are (N, C, H, W); (N, C, L) is an image of one row.
"""

from __future__ import annotations

from typing import NamedTuple

from fastcnn.onnx.call import Call
from fastcnn.support.arrays import Shape

__all__ = ["Window", "image_rank", "window_of"]

_MOST = 2**31 - 1


class Window(NamedTuple):
    """Windows over an image, (rows, columns)."""

    kernel: list[int]
    stride: list[int]
    padding: list[int]  # top, left, bottom, right
    dilation: list[int]

    def span(self, i: int) -> int:
        """The pixels from the first to the last tap of a window, along height (i = 0) or width (1)."""
        return self.dilation[i] * (self.kernel[i] - 1) + 1


def image_rank(call: Call, rank: int, with_rows: bool = False) -> int:
    """The number of spatial axes: 2, or 1 for an operator that takes rows as well."""
    if rank == 4 or (with_rows and rank == 3):
        return rank - 2
    wanted = "(N, C, H, W)" if not with_rows else "(N, C, H, W) or (N, C, L)"
    if rank in (3, 5):
        call.unsupported(f"the input must be {wanted}: one and three dimensions are not supported", f"{rank} axes")
    call.fail(f"the input must be {wanted}", f"{rank} axes")


def window_of(call: Call, shape: Shape, kernel: list[int]) -> Window:
    """The windows of a node for an input of this shape, with one or two spatial axes. kernel: a size for each."""
    n = len(shape) - 2
    stride = _sizes(call, "strides", n, 1)
    dilation = _sizes(call, "dilations", n, 1)
    spatial = list(shape[2:])
    if len(kernel) != n or any(not 1 <= size <= _MOST for size in kernel):
        call.fail(f"the kernel must have {n} sizes of at least 1", kernel)
    before, after = _padding(call, Window(kernel, stride, [], dilation), spatial)
    if n == 1:
        kernel, stride, dilation, before, after = [1, *kernel], [1, *stride], [1, *dilation], [0, *before], [0, *after]
    return Window(kernel, stride, before + after, dilation)


def _sizes(call: Call, name: str, count: int, default: int) -> list[int]:
    sizes = call.integers(name, count) or [default] * count
    if any(not 1 <= size <= _MOST for size in sizes):
        call.fail(f"{name} must be at least 1 and below 2^31", sizes)
    return sizes


def _padding(call: Call, window: Window, spatial: list[int]) -> tuple[list[int], list[int]]:
    """The padding (before, after) of each spatial axis."""
    n = len(spatial)
    mode = call.text("auto_pad", "NOTSET", "NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER")
    if mode == "NOTSET":
        pads = call.integers("pads", 2 * n) or [0] * (2 * n)
        if any(not 0 <= pad <= _MOST for pad in pads):
            call.fail("pads must be at least 0 and below 2^31", pads)
        return pads[:n], pads[n:]
    if mode == "VALID":
        return [0] * n, [0] * n
    before, after = [], []
    for i, size in enumerate(spatial):
        outputs = -(-size // window.stride[i])
        total = max(0, (outputs - 1) * window.stride[i] + window.span(i) - size)
        before.append(total // 2 if mode == "SAME_UPPER" else total - total // 2)
        after.append(total - before[-1])
    return before, after
