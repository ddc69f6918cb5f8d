"""Small networks, each written once and built twice: as a graph of the extension module, and as a computation of the oracle.

They are made to trip up what stands between ops: layouts, rings, in-place work, reuse of the arena, fused epilogues, unused lanes.
Weights are scaled so that no layer enlarges its input's largest magnitude: errors of layers then add up and do not multiply.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import reference

from fastcnn import _core

Array = np.ndarray
Value = Any  # a value of the graph, or an array


class Builder:
    """What a network is written with. Parameters are seeded by the network's name and the order in which they are made."""

    def __init__(self, name: str):
        self.rng = np.random.default_rng(zlib.crc32(name.encode()))
        self.values: list[Array] = []  # of the parameters
        self.trained: list[bool] = []  # False for statistics of a batch norm, which have no gradient
        self.lengths = 0  # terms summed by all layers, for the error bound

    def op(self, op: str, *inputs: Value, **attributes: Any) -> Value:
        raise NotImplementedError

    def place(self, values: Array) -> Value:
        raise NotImplementedError

    def channels(self, x: Value) -> int:
        raise NotImplementedError

    def parameter(self, values: Array, trained: bool = True) -> Value:
        self.trained.append(trained)
        self.values.append(values.astype(np.float32))
        return self.place(self.values[-1])

    def conv(self, x: Value, outputs: int, kernel: int = 3, stride: int = 1, padding: int | None = None, groups: int = 1) -> Value:
        inputs = self.channels(x) // groups
        terms = inputs * kernel * kernel
        weight = self.parameter(self.rng.uniform(-1, 1, (outputs, inputs, kernel, kernel)) * 2 / terms)
        bias = self.parameter(self.rng.uniform(-0.5, 0.5, outputs))
        self.lengths += terms
        side = kernel // 2 if padding is None else padding
        attributes = {"stride": [stride] * 2, "padding": [side] * 4, "dilation": [1, 1], "groups": groups}
        return self.op("conv2d", x, weight, bias, **attributes)

    def linear(self, x: Value, inputs: int, outputs: int) -> Value:
        weight, bias = self.rng.uniform(-1, 1, (outputs, inputs)) * 2 / inputs, self.rng.uniform(-0.5, 0.5, outputs)
        self.lengths += inputs
        return self.op("linear", x, self.parameter(weight), self.parameter(bias))

    def norm(self, x: Value, scale: float = 1.0, bias: tuple[float, float] = (0.2, 0.5)) -> Value:
        C = self.channels(x)
        weight, shift = self.parameter(self.rng.uniform(-scale, scale, C)), self.parameter(self.rng.uniform(*bias, C))
        mean, var = self.parameter(self.rng.uniform(-0.5, 0.5, C), False), self.parameter(self.rng.uniform(0.8, 1.5, C), False)
        return self.op("batch_norm", x, weight, shift, mean, var, eps=1e-5)

    def act(self, x: Value, kind: str = "relu", a: float = 0.0, b: float = 0.0) -> Value:
        return self.op("activation", x, kind=kind, a=a, b=b)

    def pool(self, op: str, x: Value, kernel: int, stride: int, padding: int = 0) -> Value:
        extra = {"dilation": [1, 1]} if op == "max_pool" else {"count_include_pad": True, "divisor": 0}
        return self.op(op, x, kernel=[kernel] * 2, stride=[stride] * 2, padding=[padding] * 4, ceil_mode=False, **extra)


class OnOracle(Builder):
    """Values are float64 arrays. `given` replaces the parameters, for differences."""

    def __init__(self, name: str, given: Sequence[Array] | None = None):
        super().__init__(name)
        self.given = given

    def op(self, op: str, *inputs: Value, **attributes: Any) -> Value:
        return getattr(reference, op)(*inputs, **attributes)

    def place(self, values: Array) -> Value:
        return values.astype(np.float64) if self.given is None else self.given[len(self.values) - 1]

    def channels(self, x: Value) -> int:
        return x.shape[1]


class OnGraph(Builder):
    """Values are numbers of the graph's values."""

    def __init__(self, name: str):
        super().__init__(name)
        self.graph = _core.Graph()
        self.parameters: list[int] = []

    def op(self, op: str, *inputs: Value, **attributes: Any) -> Value:
        return self.graph.add(op, list(inputs), attributes, op)[0]

    def place(self, values: Array) -> Value:
        self.parameters.append(self.graph.parameter(_core.Parameter(values), f"parameter{len(self.parameters)}"))
        return self.parameters[-1]

    def channels(self, x: Value) -> int:
        return self.graph.shape(x)[1]


# ---- the networks: (builder, x (N, 3, 9, 10)) -> outputs -------------------------------------------------------------------------------


def inner_channels(count: int) -> Callable[[Builder, Value], list[Value]]:
    """`count` channels between two convolutions, most of them no multiple of a block; the second one reads an image, not an input."""

    def network(n: Builder, x: Value) -> list[Value]:
        return [n.conv(n.act(n.conv(x, count)), 5)]

    return network


def ring_after_in_place(n: Builder, x: Value) -> list[Value]:
    """A sigmoid of zero is a half: worked in place it must not touch the zeros around the image."""
    return [n.conv(n.act(n.norm(n.conv(x, 5)), "sigmoid"), 19, 5)]


def rings_of_two_widths(n: Builder, x: Value) -> list[Value]:
    y = n.norm(n.conv(x, 18))
    return [n.op("add", n.conv(y, 4, 7), n.conv(y, 4, 1)), n.conv(n.act(y), 3, 3)]


def residual_blocks(n: Builder, x: Value) -> list[Value]:
    y = n.act(n.conv(x, 17))
    for _ in range(3):
        inner = n.norm(n.conv(n.act(n.norm(n.conv(y, 17))), 17))
        y = n.act(n.op("add", inner, y))
    return [y]


def residual_of_convolutions(n: Builder, x: Value) -> list[Value]:
    """Both terms could take the other as residual; one is used twice."""
    a, b = n.conv(x, 6), n.conv(x, 6)
    y = n.act(n.op("add", a, b))
    return [n.op("add", n.conv(y, 6, 1), y), n.act(n.op("add", b, n.conv(y, 6)), "silu")]


def branches(n: Builder, x: Value) -> list[Value]:
    """A GoogLeNet block: channel counts that end inside a block, joined and read by a padded convolution."""
    y = n.act(n.conv(x, 9))
    parts = [n.act(n.conv(y, 5, 1)), n.act(n.conv(y, 16)), n.conv(n.act(n.conv(y, 3, 1)), 11, 5), n.pool("max_pool", y, 3, 1, 1)]
    return [n.conv(n.op("concat", *parts, axis=1), 7)]


def pooled_negatives(n: Builder, x: Value) -> list[Value]:
    """Negative everywhere: zeros of the ring or of unused lanes would win as maxima."""
    y = n.op("scale_shift", n.conv(x, 5), scale=0.25, shift=-3.0)
    return [n.conv(n.pool("max_pool", y, 3, 2, 1), 4), n.pool("avg_pool", y, 3, 2, 1)]


def depthwise_stack(n: Builder, x: Value) -> list[Value]:
    y = n.act(n.conv(x, 19, stride=2), "hardswish")
    for stride in (1, 2):
        y = n.act(n.conv(y, 19, stride=stride, groups=19), "clipped", 0.0, 6.0)
        y = n.conv(y, 19, 1)
    return [y]


def squeeze_and_excite(n: Builder, x: Value) -> list[Value]:
    y = n.act(n.conv(x, 10), "silu")
    gate = n.op("avg_pool", y, adaptive=[1, 1])
    gate = n.act(n.conv(n.act(n.conv(gate, 3, 1)), 10, 1), "sigmoid")
    return [n.conv(n.op("multiply", y, gate), 5)]


def classifier(n: Builder, x: Value) -> list[Value]:
    y = n.pool("max_pool", n.act(n.conv(x, 7)), 2, 2)
    flat = n.op("reshape", y, shape=[2, 7 * 4 * 5])
    return [n.op("softmax", n.linear(n.act(n.linear(flat, 140, 33), "tanh"), 33, 10), axis=1), flat]


def used_twice(n: Builder, x: Value) -> list[Value]:
    y = n.conv(x, 5)
    return [n.op("multiply", y, y), n.op("add", y, y), n.act(y, "tanh")]


def outputs_of_all_kinds(n: Builder, x: Value) -> list[Value]:
    """An input, an inner value, the same one twice, and another shape of it."""
    y = n.act(n.conv(x, 5))
    return [x, y, y, n.op("reshape", y, shape=[2, 450]), n.conv(y, 3)]


def undefined_lanes(n: Builder, x: Value) -> list[Value]:
    """3 channels leave lanes unused. Where those hold zeros they become 0 / 0 here, and no later sum over channels may meet them."""
    y = n.norm(n.conv(x, 3), scale=0.1, bias=(1.0, 2.0))
    y = n.op("local_response_norm", y, size=5, alpha=5.0, beta=0.75, k=0.0)
    return [n.conv(n.op("softmax", y, axis=1), 20), n.conv(n.op("slice", y, axis=1, start=1, stop=3), 17, 1), n.conv(y, 4)]


def reuse_of_the_arena(n: Builder, x: Value) -> list[Value]:
    """Large and small images take turns, so that rings come to lie where other images' pixels were."""
    y = x
    for outputs, kernel in ((20, 3), (3, 7), (34, 1), (6, 5), (2, 3), (25, 3)):
        y = n.norm(n.act(n.conv(y, outputs, kernel), "leaky_relu", 0.1))
    return [y]


def resized_images(n: Builder, x: Value) -> list[Value]:
    """Rows and columns taken, padded and weighed between convolutions: images with rings, channels that end inside a block."""
    y = n.act(n.conv(x, 19, 5))
    for axis, size in ((2, 9), (3, 10)):
        y = n.op("take", y, axis=axis, indices=[i // 2 for i in range(2 * size)], value=0.0)
    y = n.conv(y, 6)
    linear = {"taps": 2, "indices": [0, 1, 1, 2, 7, 2, 9, 9], "weights": [0.25, 0.75, 0.5, 0.5, 0.3, 0.0, -0.4, 0.6]}
    for axis in (2, 3):
        y = n.op("resample", y, axis=axis, **linear)
        y = n.op("take", y, axis=axis, indices=[-1, 3, 2, 0, 1, -1, -1], value=0.5)
    return [n.conv(y, 3), n.conv(n.op("take", y, axis=0, indices=[1, 0], value=0.0), 17, 1)]


def resized_into_concatenation(n: Builder, x: Value) -> list[Value]:
    """As in a U-Net: what is taken and weighed is written into a part of a whole, and read from one."""
    y = n.act(n.conv(x, 16))
    small = n.op("resample", n.conv(y, 16, stride=2), axis=3, taps=1, indices=[0, 1, 2, 3, 4], weights=[0.5, 1.0, -1.0, 0.25, 1.0])
    for axis, indices in ((2, [0, 0, 1, 1, 2, 2, 3, 3, 4]), (3, [0, 0, 1, 1, 2, 2, 3, 3, 4, 4])):
        small = n.op("take", small, axis=axis, indices=indices, value=0.0)
    linear = {"taps": 2, "indices": [0, 1, 3, 4, 8, 7], "weights": [0.25, 0.75, 0.5, 0.5, 0.3, 0.1]}
    whole = n.conv(n.op("concat", small, y, axis=1), 5)
    return [whole, n.op("resample", y, axis=2, **linear)]


def plain_in_between(n: Builder, x: Value) -> list[Value]:
    """Reductions, transposes and products of what convolutions made, and back: channel attention, tokens, a norm over channels."""
    y = n.act(n.conv(x, 18))
    mean = n.op("reduce", y, kind="mean", axes=[1], keepdims=True)
    y = n.op("multiply", y, n.op("expand", mean, shape=[2, 18, 9, 10]))
    tokens = n.op("transpose", n.op("reshape", y, shape=[2, 18, 90]), axes=[0, 2, 1])
    weight = n.parameter(n.rng.uniform(-1, 1, (18, 7)) / 9)
    n.lengths += 18
    mixed = n.op("reshape", n.op("transpose", n.op("matmul", tokens, weight), axes=[0, 2, 1]), shape=[2, 7, 9, 10])
    return [n.conv(mixed, 5), n.op("reduce", y, kind="l2", axes=[2, 3], keepdims=False)]


NETWORKS: dict[str, Callable[[Builder, Value], list[Value]]] = {
    network.__name__: network
    for network in (
        ring_after_in_place,
        rings_of_two_widths,
        residual_blocks,
        residual_of_convolutions,
        branches,
        pooled_negatives,
        depthwise_stack,
        squeeze_and_excite,
        classifier,
        used_twice,
        outputs_of_all_kinds,
        undefined_lanes,
        reuse_of_the_arena,
        resized_images,
        resized_into_concatenation,
        plain_in_between,
    )
} | {f"inner_channels-{count}": inner_channels(count) for count in range(1, 34)}

SHAPE = (2, 3, 9, 10)


def an_input(seed: int) -> Array:
    return np.random.default_rng(seed).uniform(-1, 1, SHAPE).astype(np.float32)


def error_bound(builder: Builder) -> float:
    """Each layer rounds as often as it sums, plus 16 times for the rest; magnitudes stay below 4, and no later layer enlarges errors."""
    eps = 2.0**-24
    return 4 * eps * (builder.lengths + 16 * math.ceil(len(builder.values) / 2 + 4))
