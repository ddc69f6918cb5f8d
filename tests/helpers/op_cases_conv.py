"""The cases of conv2d and linear."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from case import ACTIVATIONS, EVERY_COUNT, Case, Values, pair, signed


def conv(
    name: str,
    x: tuple[int, int, int, int],
    outputs: int,
    kernel: int | Sequence[int],
    *,
    stride: int | Sequence[int] = 1,
    padding: int | Sequence[int] = 0,
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
    bias: bool = True,
    residual: bool = False,
    activation: tuple[str, float, float] | None = None,
) -> Case:
    kernel, stride, padding, dilation = pair(kernel), pair(stride), pair(padding, 4), pair(dilation)
    attributes: dict[str, Any] = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    if activation:
        attributes |= {"activation": activation[0], "activation_a": activation[1], "activation_b": activation[2]}
    inputs: list[Values | None] = [signed(*x), signed(outputs, x[1] // groups, *kernel), signed(outputs) if bias else None]
    if residual:
        size = [(x[2 + a] + padding[a] + padding[a + 2] - dilation[a] * (kernel[a] - 1) - 1) // stride[a] + 1 for a in range(2)]
        inputs.append(signed(x[0], outputs, *size))
    return Case("conv2d", name, tuple(inputs), attributes, () if residual or activation else None)


def conv2d_cases() -> Iterator[Case]:
    for kernel in ((1, 1), (3, 3), (5, 5), (7, 7), (1, 7), (2, 3)):
        for stride in (1, 2, 3, 4):
            padding = (kernel[0] // 2, kernel[1] // 2)
            yield conv(f"{kernel[0]}x{kernel[1]}-stride{stride}", (2, 3, 13, 14), 5, kernel, stride=stride, padding=padding)
    for count in EVERY_COUNT:
        yield conv(f"3x3-{count}-channels", (1, count, 4, 5), count * 7 % 33 + 1, 3, padding=1)
        yield conv(f"1x1-{count}-outputs", (2, count * 5 % 33 + 1, 3, 5), count, 1)
        yield conv(f"depthwise-{count}", (1, count, 5, 4), count, 3, padding=1, groups=count)
    for width in (1, 2, 3, 7, 13, 14, 15, 28, 29):
        yield conv(f"3x3-width{width}", (1, 4, 5, width), 17, 3, padding=1)
        yield conv(f"1x1-width{width}", (1, 17, 3, width), 33, 1, bias=False)
        yield conv(f"3x3-height{width}", (1, 18, width, 3), 5, 3, padding=1, stride=(1, 2))
        yield conv(f"depthwise-width{width}", (2, 3, 3, width), 3, (3, 5), padding=(1, 2), groups=3)
    yield from conv2d_first_cases()
    yield from conv2d_geometry_cases()
    yield from conv2d_epilogue_cases()


def conv2d_first_cases() -> Iterator[Case]:
    """Few input channels: strips and groups of rows that do not come out even, tiles of pixels, tiles of output channels."""
    for kernel, stride in ((3, 1), (3, 2), (4, 1), (5, 1), (5, 2), (7, 2), (7, 3), (8, 2), (11, 4)):
        for channels in (1, 2, 3, 4):
            size, outputs = (kernel + 5 * channels, 10 * stride + 9 * channels), 12 * channels + 1
            yield conv(
                f"first-{kernel}x{kernel}-stride{stride}-{channels}",
                (1, channels, *size),
                outputs,
                kernel,
                stride=stride,
                padding=kernel // 2,
            )
        yield conv(f"first-{kernel}x{kernel}-stride{stride}-batch", (3, 3, kernel, 40), 40, kernel, stride=stride, padding=(0, 1, 2, 3))
    for height in (1, 2, 3, 4, 5, 6, 9, 65):
        yield conv(f"first-height{height}", (1, 3, height, 6), 18, 3, padding=1)
    for kernel in ((3, 1), (4, 5), (1, 3)):
        yield conv(f"first-{kernel[0]}x{kernel[1]}-dilation", (1, 3, 14, 15), 18, kernel, dilation=(1, 2), padding=2, residual=True)
    yield conv("first-residual", (2, 3, 19, 17), 35, 7, stride=2, padding=3, residual=True, activation=("relu", 0.0, 0.0))
    yield conv("first-silu", (1, 3, 18, 17), 20, 3, padding=1, activation=("silu", 0.0, 0.0))


def conv2d_geometry_cases() -> Iterator[Case]:
    for batch in (0, 3):
        yield conv(f"batch{batch}", (batch, 5, 6, 7), 19, 3, padding=1)
        yield conv(f"depthwise-batch{batch}", (batch, 5, 6, 7), 5, 3, padding=1, groups=5)
    yield conv("one-pixel-1x1", (1, 1, 1, 1), 1, 1)
    yield conv("one-pixel-3x3", (1, 3, 1, 1), 2, 3, padding=1)
    yield conv("one-pixel-7x7", (1, 17, 1, 1), 3, 7, padding=3)
    yield conv("kernel-is-image", (2, 6, 5, 4), 9, (5, 4))
    yield conv("asymmetric-padding", (1, 3, 6, 7), 4, 3, padding=(0, 1, 2, 3))
    yield conv("asymmetric-padding-stride", (1, 20, 6, 7), 4, (3, 2), padding=(3, 0, 1, 2), stride=(2, 3))
    yield conv("padding-beyond-kernel", (1, 2, 3, 3), 3, 3, padding=5)
    yield conv("padding-beyond-kernel-stride", (1, 2, 3, 3), 3, 2, padding=(4, 7), stride=3)
    yield conv("padded-1x1", (1, 5, 4, 3), 6, 1, padding=2)
    yield conv("padded-1x1-stride", (1, 18, 5, 5), 6, 1, padding=1, stride=2)
    yield conv("stride-beyond-kernel", (1, 17, 11, 9), 18, 1, stride=(4, 3))
    yield conv("stride-beyond-image", (1, 3, 3, 2), 4, 2, stride=5)
    yield conv("first-layer-7x7", (1, 3, 30, 31), 20, 7, stride=2, padding=3)
    yield conv("first-layer-11x11", (1, 3, 35, 33), 9, 11, stride=4, padding=2)
    yield conv("long-sum", (1, 130, 3, 4), 3, 3, padding=1)
    yield from dilated_and_grouped_cases()


def dilated_and_grouped_cases() -> Iterator[Case]:
    for dilation in (2, 3):
        yield conv(f"dilation{dilation}", (1, 5, 11, 10), 6, 3, padding=dilation, dilation=dilation)
        yield conv(f"dilation{dilation}-stride2", (1, 18, 11, 10), 6, 3, padding=dilation, dilation=dilation, stride=2)
        yield conv(f"dilation{dilation}-stride3-uneven", (1, 3, 12, 13), 6, (2, 4), dilation=(dilation, 1), stride=(3, 2), padding=1)
        yield conv(f"depthwise-dilation{dilation}", (1, 6, 11, 10), 6, 3, padding=2, dilation=dilation, stride=2, groups=6)
    for groups, inputs, outputs in ((2, 4, 6), (2, 34, 32), (3, 9, 15), (3, 51, 6), (5, 5, 15), (7, 14, 7), (4, 64, 64), (17, 34, 51)):
        yield conv(f"groups{groups}-{inputs}-{outputs}", (1, inputs, 5, 6), outputs, 3, padding=1, groups=groups)
        yield conv(f"1x1-groups{groups}-{inputs}-{outputs}", (2, inputs, 3, 3), outputs, 1, groups=groups, stride=2)
    for stride in (1, 2, 3):
        yield conv(f"depthwise-5x5-stride{stride}", (1, 18, 9, 8), 18, 5, padding=2, groups=18, stride=stride)
        yield conv(f"depthwise-multiplier-stride{stride}", (1, 7, 6, 5), 21, 3, padding=1, groups=7, stride=stride)
    yield conv("depthwise-asymmetric", (1, 20, 6, 5), 20, (2, 3), padding=(0, 2, 1, 0), groups=20)
    yield conv("depthwise-padding-beyond-kernel", (1, 3, 2, 2), 3, 3, padding=4, groups=3)


def conv2d_epilogue_cases() -> Iterator[Case]:
    for kind, a, b in ACTIVATIONS:
        act = (kind, a, b)
        yield conv(f"{kind}{b:g}", (1, 5, 5, 6), 18, 3, padding=1, activation=act)
        yield conv(f"depthwise-{kind}{b:g}", (1, 5, 5, 6), 5, 3, padding=1, groups=5, activation=act)
        yield conv(f"residual-{kind}{b:g}", (1, 20, 5, 6), 33, 1, residual=True, activation=act)
    yield conv("residual", (2, 3, 5, 4), 17, 3, padding=1, residual=True)
    yield conv("residual-no-bias", (2, 17, 5, 4), 5, 1, residual=True, bias=False)
    yield conv("residual-stride", (1, 9, 7, 8), 5, 3, stride=2, residual=True)
    yield conv("depthwise-residual", (2, 19, 5, 4), 19, 3, padding=1, groups=19, residual=True)
    yield conv("depthwise-no-bias", (1, 17, 5, 4), 17, 3, groups=17, bias=False)
    yield conv("groups-no-bias", (1, 6, 5, 4), 9, 3, groups=3, bias=False)


def linear_cases() -> Iterator[Case]:
    for count in EVERY_COUNT:
        yield Case("linear", f"{count}-inputs", (signed(3, count), signed(count * 7 % 33 + 1, count), signed(count * 7 % 33 + 1)))
    for rows in (0, 1, 2, 5, 16, 17, 50):
        yield Case("linear", f"{rows}-rows", (signed(rows, 21), signed(6, 21), signed(6)))
    yield Case("linear", "no-bias", (signed(4, 30), signed(7, 30), None))
    yield Case("linear", "wide", (signed(2, 7), signed(301, 7), signed(301)))
    yield Case("linear", "long", (signed(2, 1100), signed(9, 1100), signed(9)))
    for kind, a, b in ACTIVATIONS:
        fused = {"activation": kind, "activation_a": a, "activation_b": b}
        yield Case("linear", f"{kind}{b:g}", (signed(3, 5), signed(19, 5), signed(19)), fused, ())
