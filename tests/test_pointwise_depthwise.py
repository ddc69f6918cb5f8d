"""The pass fuse_depthwise and its op: "pointwise_depthwise" runs where the image between two convolutions is large, with the same bits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import reference
from running import same_bits

from fastcnn import _core

Array = np.ndarray
OP = "pointwise_depthwise"
EPS = 2.0**-24
POINTWISE = {"stride": [1, 1], "padding": [0] * 4, "dilation": [1, 1], "groups": 1}
LARGE = (1, 16, 70, 71)  # 96 channels of it are 1.9 MB


class Pair:
    """A 1x1 convolution and a depthwise one, each with bias and activation, in a graph and by the oracle."""

    def __init__(
        self,
        shape: Sequence[int],
        channels: int,
        kernel: Sequence[int] = (3, 3),
        activations: Sequence[str] = ("clipped", "silu"),
        first: dict[str, Any] | None = None,
        **second: Any,
    ) -> None:
        rng = np.random.default_rng(1)
        self.graph = _core.Graph()
        self.x = rng.uniform(-1, 1, shape).astype(np.float32)
        self.first = POINTWISE | (first or {})
        self.second = {"stride": [1, 1], "padding": [1] * 4, "dilation": [1, 1], "groups": channels} | second
        size = self.first.get("kernel", 1)
        shapes = [(channels, shape[1] // self.first["groups"], size, size), (channels,), (channels, 1, *kernel), (channels,)]
        self.weights = [rng.uniform(-1, 1, s).astype(np.float32) for s in shapes]
        self.parameters = [_core.Parameter(weight) for weight in self.weights]
        self.activations = activations
        values = [self.graph.parameter(parameter, f"parameter{i}") for i, parameter in enumerate(self.parameters)]
        attributes = {name: value for name, value in self.first.items() if name != "kernel"}
        self.between = self.activated(self.graph.add("conv2d", [self.graph.input("x", shape), *values[:2]], attributes, "expand")[0], 0)
        self.conv = self.graph.add("conv2d", [self.between, *values[2:]], self.second, "depthwise")[0]
        self.y = self.activated(self.conv, 1)

    def activated(self, value: int, which: int) -> int:
        return self.graph.add("activation", [value], {"kind": self.activations[which], "a": 0.0, "b": 6.0})[0]

    def truth(self) -> Array:
        e = reference.conv2d(self.x, *self.weights[:2], **{name: value for name, value in self.first.items() if name != "kernel"})
        e = reference.activation(e, kind=self.activations[0], a=0.0, b=6.0)
        y = reference.conv2d(e, *self.weights[2:], **self.second)
        return reference.activation(y, kind=self.activations[1], a=0.0, b=6.0)

    def program(self, *outputs: int, isa: str = "") -> _core.Program:
        self.graph.outputs(outputs)
        return _core.Program(self.graph, isa=isa)

    def ops(self, *outputs: int, isa: str = "") -> list[str]:
        return [step["op"] for step in self.program(*outputs, isa=isa).steps]


@pytest.mark.parametrize(
    ("shape", "channels", "options"),
    [
        (LARGE, 96, {}),
        (LARGE, 96, {"stride": [2, 2], "activations": ["relu", "identity"]}),
        ((2, 24, 57, 40), 70, {"kernel": [5, 5], "padding": [2] * 4}),
        ((2, 24, 57, 40), 70, {"kernel": [5, 5], "padding": [2] * 4, "stride": [2, 2]}),
        ((3, 40, 33, 20), 140, {"padding": [0, 2, 1, 0], "stride": [1, 2], "activations": ["silu", "relu"]}),
        ((1, 250, 40, 50), 200, {"kernel": [2, 3], "padding": [0] * 4}),  # many terms: tiles of two blocks
        ((1, 20, 3, 9000), 17, {"stride": [3, 3]}),  # two rows are more than a band should be; last block of one channel
        ((1, 20, 9000, 3), 17, {"kernel": [1, 1], "padding": [0] * 4, "stride": [2, 1]}),  # rows that nobody reads
        ((1, 20, 130, 120), 24, {"kernel": [3, 3], "dilation": [2, 2], "padding": [4, 2, 1, 8]}),
    ],
)
def test_as_the_oracle_and_with_the_bits_of_two_steps(isa: str, shape: tuple[int, ...], channels: int, options: dict[str, Any]) -> None:
    pair = Pair(shape, channels, **options)
    one, two = pair.program(pair.y, isa=isa), pair.program(pair.y, pair.between, isa=isa)
    assert [step["op"] for step in one.steps] == ["reorder", OP, "reorder"]
    assert OP not in [step["op"] for step in two.steps]
    want = two.run([pair.x], threads=1)[0]
    for threads in (1, 2, 3):
        assert same_bits(one.run([pair.x], threads=threads), [want])
    truth = pair.truth()
    assert np.max(np.abs(want - truth)) <= 500 * EPS * max(1, np.max(np.abs(truth)))


def test_the_image_between_takes_no_memory() -> None:
    pair = Pair((1, 16, 112, 112), 96, stride=[2, 2])
    one, two = pair.program(pair.y).memory, pair.program(pair.y, pair.between).memory
    image = 96 * 112 * 112 * 4
    assert one["lower_bound"] + one["scratch_per_thread"] < image < two["lower_bound"]


def test_the_step_has_both_names_and_the_operations_of_both() -> None:
    pair = Pair(LARGE, 96)
    one, two = pair.program(pair.y), pair.program(pair.y, pair.between)
    step = next(step for step in one.steps if step["op"] == OP)
    assert step["name"] == "expand + depthwise"
    assert step["flops"] == sum(step["flops"] for step in two.steps if step["op"] == "conv2d")


def test_weights_follow_their_parameters(isa: str) -> None:
    pair = Pair(LARGE, 96)
    program = pair.program(pair.y, isa=isa)
    for parameter in pair.parameters:
        before = program.run([pair.x])
        parameter.assign(parameter.numpy() + 1)
        changed = program.run([pair.x])
        assert not same_bits(before, changed)
        assert same_bits(changed, pair.program(pair.y, isa=isa).run([pair.x]))


# ---- what stays as it is


@pytest.mark.parametrize(
    ("shape", "channels", "options"),
    [
        ((1, 16, 28, 28), 96, {}),  # stays in the cache
        (LARGE, 96, {"first": {"stride": [2, 2]}}),
        ((1, 16, 140, 142), 96, {"first": {"stride": [2, 2]}}),
        (LARGE, 96, {"first": {"groups": 2}}),
        (LARGE, 96, {"first": {"kernel": 3}}),
        (LARGE, 96, {"kernel": [9, 9], "padding": [4] * 4}),
        (LARGE, 96, {"padding": [9] * 4}),
        ((1, 3, 200, 113), 17, {}),  # few channels: another algorithm reads them
    ],
)
def test_others_stay_two_steps(isa: str, shape: tuple[int, ...], channels: int, options: dict[str, Any]) -> None:
    pair = Pair(shape, channels, **options)
    assert OP not in pair.ops(pair.y, isa=isa)


def test_second_readers_and_residuals_stay(isa: str) -> None:
    pair = Pair(LARGE, 96)
    more = pair.graph.add("add", [pair.y, pair.between])[0]
    assert OP not in pair.ops(more, isa=isa)
    pair = Pair(LARGE, 96, activations=["relu", "identity"])
    ones = pair.graph.parameter(_core.Parameter(np.ones((1, 96, *LARGE[2:]), np.float32)), "ones")
    assert OP not in pair.ops(pair.graph.add("add", [pair.conv, ones])[0], isa=isa)


def test_training_keeps_them_apart() -> None:
    """Also where neither is trained, so that no backward reads the image between."""
    pair = Pair(LARGE, 96)
    scale = _core.Parameter(np.ones(1, np.float32))
    y = pair.graph.add("multiply", [pair.y, pair.graph.parameter(scale, "scale")])[0]
    target = pair.graph.input("target", (1, 96, *LARGE[2:]))
    pair.graph.outputs([y])
    training = _core.TrainingProgram(pair.graph, pair.graph.add("mse", [y, target])[0], [scale])
    assert OP not in [step["op"] for step in training.steps]


# ---- the op by itself


def by_itself(isa: str, first: int, second: int, **changes: Any) -> None:
    graph = _core.Graph()
    x = graph.input("x", (1, 3, 4, 5))
    weights = [graph.parameter(_core.Parameter(np.ones(size, np.float32)), f"weights{size}") for size in (first, second)]
    attributes = {"kernel": [7, 1, 3, 3], "stride": [1, 1], "padding": [1] * 4, "dilation": [1, 1], "groups": 7, "between": "relu"}
    attributes |= {"between_a": 0.0, "between_b": 0.0, "lanes": _core.lanes(isa)} | changes
    graph.outputs(graph.add(OP, [x, *weights], attributes))
    y = _core.Program(graph, isa=isa).run([np.zeros((1, 3, 4, 5), np.float32)])[0]
    assert np.all(y[:, :, 1:-1, 1:-1] == 10)  # all weights and biases are 1


def test_what_it_refuses(isa: str) -> None:
    lanes = _core.lanes(isa)
    blocks = -(-7 // lanes) * lanes
    sizes = blocks * 4, blocks * 10
    by_itself(isa, *sizes)
    with pytest.raises(ValueError, match=r"\[pointwise_depthwise\] weights must be prepared for direct and depthwise\. Got "):
        by_itself(isa, sizes[0] - 1, sizes[1])
    with pytest.raises(ValueError, match=r"\[pointwise_depthwise\] weights must be prepared for direct and depthwise\. Got "):
        by_itself(isa, sizes[0], sizes[1] + 1)
    with pytest.raises(ValueError, match=r"\[pointwise_depthwise\] lanes must be 4, 8 or 16\. Got lanes=5\."):
        by_itself(isa, *sizes, lanes=5)
    other = 16 if lanes != 16 else 8
    blocks = -(-7 // other) * other
    with pytest.raises(ValueError, match=r"\[pointwise_depthwise\] lanes must be those of the kernels\. Got lanes="):
        by_itself(isa, blocks * 4, blocks * 10, lanes=other)
    with pytest.raises(ValueError, match=r"\[pointwise_depthwise\] the second convolution must be depthwise\. Got groups=1\."):
        by_itself(isa, *sizes, groups=1, kernel=[7, 7, 3, 3])
    with pytest.raises(ValueError, match=r"\[pointwise_depthwise\] kernel must be \(channels, 1, height, width\)\. Got "):
        by_itself(isa, *sizes, kernel=[7, 1, 3])
