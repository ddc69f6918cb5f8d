"""The geometry of convolutions and pooling: checks users' arguments and makes the attributes of the core's ops."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastcnn.support.arguments import flag, pair, whole
from fastcnn.support.arrays import Shape

__all__ = [
    "Pair",
    "adaptive_pair",
    "adaptive_size",
    "conv_attributes",
    "conv_transpose_attributes",
    "no_indices",
    "padding_of",
    "pooling_attributes",
]

Pair = int | Sequence[int]


def padding_of(where: str, padding: Any, stride: tuple[int, int], dilation: tuple[int, int], kernel: Shape) -> list[int]:
    """Returns [top, left, bottom, right]. "same" keeps the size of the image; as in torch, an odd row or column goes to the end."""
    if not isinstance(padding, str):
        height, width = pair(where, "padding", padding)
        return [height, width, height, width]
    if padding == "valid":
        return [0, 0, 0, 0]
    if padding != "same":
        raise ValueError(f"[{where}] padding must be numbers, 'same' or 'valid'. Got padding={padding!r}.")
    if stride != (1, 1):
        raise ValueError(f"[{where}] padding='same' needs stride 1. Got stride={stride}.")
    total = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
    before = [t // 2 for t in total]
    return [*before, *(t - b for t, b in zip(total, before, strict=True))]


def conv_attributes(where: str, kernel: Shape, stride: Any, padding: Any, dilation: Any) -> dict[str, Any]:
    """Returns the attributes of a convolution except groups. kernel: (KH, KW)."""
    steps = pair(where, "stride", stride, 1)
    spread = pair(where, "dilation", dilation, 1)
    return {"stride": steps, "padding": padding_of(where, padding, steps, spread, kernel), "dilation": spread}


def conv_transpose_attributes(where: str, stride: Any, padding: Any, output_padding: Any, dilation: Any) -> dict[str, Any]:
    """Returns the attributes of a transposed convolution except groups. `padding` cuts rows and columns off the output."""
    height, width = pair(where, "padding", padding)
    steps = pair(where, "stride", stride, 1)
    spread = pair(where, "dilation", dilation, 1)
    extra = pair(where, "output_padding", output_padding)
    for more, step, apart in zip(extra, steps, spread, strict=True):
        if more >= max(step, apart):
            given = f"output_padding={output_padding}, stride={stride}, dilation={dilation}"
            raise ValueError(f"[{where}] output_padding must be smaller than stride or dilation. Got {given}.")
    return {"stride": steps, "padding": [height, width, height, width], "output_padding": extra, "dilation": spread}


def pooling_attributes(where: str, kernel_size: Any, stride: Any, padding: Any, ceil_mode: Any, dilation: Any = None) -> dict[str, Any]:
    """Returns the attributes of a pooling. dilation=None: the op has no such attribute."""
    kernel = pair(where, "kernel_size", kernel_size, 1)
    attributes: dict[str, Any] = {"kernel": kernel, "ceil_mode": flag(where, "ceil_mode", ceil_mode)}
    attributes["stride"] = kernel if stride is None else pair(where, "stride", stride, 1)
    height, width = pair(where, "padding", padding)
    attributes["padding"] = [height, width, height, width]
    if dilation is not None:
        attributes["dilation"] = pair(where, "dilation", dilation, 1)
    for size, rows in zip(kernel, (height, width), strict=True):
        if 2 * rows > size:  # torch's rule; it ignores that dilation makes a window larger
            raise ValueError(f"[{where}] padding must be at most half of the kernel. Got padding={padding}, kernel_size={kernel_size}.")
    return attributes


def adaptive_pair(where: str, output_size: Any) -> tuple[int | None, int | None]:
    """Returns (height, width), each an integer or None."""
    sizes = output_size if isinstance(output_size, (tuple, list)) else (output_size, output_size)
    if len(sizes) != 2:
        raise ValueError(f"[{where}] output_size must be one entry or two. Got output_size={output_size!r}.")
    height, width = (None if size is None else whole(where, "output_size", size, 1) for size in sizes)
    return height, width


def adaptive_size(where: str, output_size: Any, shape: Shape) -> list[int]:
    """Returns the size of the output for an input of this shape."""
    if len(shape) != 4:
        raise ValueError(f"[{where}] the input must be (N, C, H, W). Got {shape}.")
    return [full if size is None else size for size, full in zip(adaptive_pair(where, output_size), shape[2:], strict=True)]


def no_indices(where: str, return_indices: Any) -> None:
    """Checks that return_indices is False: the core does not return the indices of maxima."""
    if flag(where, "return_indices", return_indices):
        raise NotImplementedError(f"[{where}] return_indices must be False. Got return_indices=True.")
