"""The cases of conv_transpose2d."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from case import ACTIVATIONS, EVERY_COUNT, Case, Values, pair, signed


def transposed(
    name: str,
    x: tuple[int, int, int, int],
    outputs: int,
    kernel: int | Sequence[int],
    *,
    stride: int | Sequence[int] = 1,
    padding: int | Sequence[int] = 0,
    output_padding: int | Sequence[int] = 0,
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
    bias: bool = True,
    activation: tuple[str, float, float] | None = None,
) -> Case:
    attributes: dict[str, Any] = {"stride": pair(stride), "padding": pair(padding, 4), "output_padding": pair(output_padding)}
    attributes |= {"dilation": pair(dilation), "groups": groups}
    if activation:
        attributes |= {"activation": activation[0], "activation_a": activation[1], "activation_b": activation[2]}
    inputs: list[Values | None] = [signed(*x), signed(x[1], outputs // groups, *pair(kernel)), signed(outputs) if bias else None]
    return Case("conv_transpose2d", name, tuple(inputs), attributes, () if activation else None)


def conv_transpose2d_cases() -> Iterator[Case]:
    for kernel in ((1, 1), (2, 2), (3, 3), (4, 4), (5, 5), (1, 7), (2, 3)):
        for stride in (1, 2, 3, 4):
            padding = ((kernel[0] - 1) // 2, (kernel[1] - 1) // 2)
            extra = stride - 1
            yield transposed(f"{kernel[0]}x{kernel[1]}-stride{stride}", (2, 3, 6, 5), 5, kernel, stride=stride, padding=padding)
            yield transposed(f"{kernel}-stride{stride}-extra", (1, 3, 4, 5), 5, kernel, stride=stride, output_padding=extra)
    for count in EVERY_COUNT:
        yield transposed(f"2x2-{count}-channels", (1, count, 3, 4), count * 7 % 33 + 1, 2, stride=2)
        yield transposed(f"3x3-{count}-outputs", (2, count * 5 % 33 + 1, 3, 2), count, 3, stride=2, padding=1, output_padding=1)
        yield transposed(f"depthwise-{count}", (1, count, 4, 3), count, 4, stride=2, padding=1, groups=count)
    for width in (1, 2, 7, 13, 14, 15, 28, 29):
        yield transposed(f"2x2-width{width}", (1, 4, 3, width), 17, 2, stride=2, bias=False)
        yield transposed(f"3x3-height{width}", (1, 18, width, 2), 5, 3, padding=1, stride=(2, 1))
    yield from conv_transpose2d_geometry_cases()
    for kind, a, b in ACTIVATIONS:
        act = (kind, a, b)
        yield transposed(f"{kind}{b:g}", (1, 5, 4, 5), 18, 2, stride=2, activation=act)
        yield transposed(f"depthwise-{kind}{b:g}", (1, 5, 4, 5), 5, 3, padding=1, stride=2, groups=5, activation=act)


def conv_transpose2d_geometry_cases() -> Iterator[Case]:
    for batch in (0, 3):
        yield transposed(f"batch{batch}", (batch, 5, 4, 3), 19, 3, stride=2, padding=1)
    yield transposed("one-pixel-1x1", (1, 1, 1, 1), 1, 1)
    yield transposed("one-pixel-4x4", (1, 17, 1, 1), 3, 4)
    yield transposed("one-pixel-stride-beyond-output", (1, 3, 1, 1), 2, 2, stride=5)
    yield transposed("stride-beyond-kernel", (1, 17, 3, 4), 18, 1, stride=(4, 3))
    yield transposed("stride-beyond-kernel-extra", (1, 3, 3, 2), 4, 2, stride=5, output_padding=4)
    yield transposed("asymmetric-padding", (1, 3, 5, 6), 4, 3, padding=(0, 1, 2, 1), stride=2)
    yield transposed("asymmetric-padding-extra", (1, 20, 5, 4), 4, (3, 2), padding=(3, 0, 1, 2), stride=(2, 3), output_padding=(1, 2))
    yield transposed("padding-beyond-kernel", (1, 2, 9, 8), 3, 3, padding=4)
    yield transposed("padding-beyond-kernel-stride", (1, 2, 6, 5), 3, 2, padding=(4, 3), stride=2)
    yield transposed("padded-1x1", (1, 5, 6, 7), 6, 1, padding=2)
    for dilation in (2, 3):
        yield transposed(f"dilation{dilation}", (1, 5, 5, 4), 6, 3, padding=dilation, dilation=dilation)
        yield transposed(f"dilation{dilation}-stride2", (1, 18, 5, 4), 6, 3, padding=1, dilation=dilation, stride=2, output_padding=1)
        yield transposed(f"dilation{dilation}-stride3-uneven", (1, 3, 4, 5), 6, (2, 4), dilation=(dilation, 1), stride=(3, 2), padding=1)
        yield transposed(f"depthwise-dilation{dilation}", (1, 6, 5, 4), 6, 3, padding=2, dilation=dilation, stride=2, groups=6)
    for padding in (0, 1, 2, 3):  # output_padding of a stride and more, which only dilation allows
        yield transposed(f"extra-beyond-stride-{padding}", (1, 5, 5, 4), 6, 3, padding=padding, dilation=3, output_padding=2)
        yield transposed(
            f"extra-beyond-stride2-{padding}", (1, 5, 5, 4), 6, 2, padding=padding, dilation=6, stride=2, output_padding=(5, 4)
        )
    for groups, inputs, outputs in ((2, 4, 6), (2, 34, 32), (3, 9, 15), (3, 51, 6), (5, 5, 15), (7, 14, 7), (4, 64, 64), (17, 34, 51)):
        yield transposed(f"groups{groups}-{inputs}-{outputs}", (1, inputs, 3, 4), outputs, 3, padding=1, stride=2, groups=groups)
        yield transposed(f"1x1-groups{groups}-{inputs}-{outputs}", (2, inputs, 3, 3), outputs, 1, groups=groups, bias=False)
    yield transposed("long-sum", (1, 130, 3, 4), 3, 3, padding=1)
