"""Convolutions of doubled images, which a pass makes of nearest upsampling and a convolution: that they are made, and what they compute."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import reference
from running import same_bits

import fastcnn as fc
from fastcnn import _core

CONV = {"stride": [1, 1], "dilation": [1, 1], "groups": 1}
SHAPES = {  # x, out_channels
    "one pixel": ((3, 5, 1, 1), 16),
    "few channels": ((1, 3, 4, 5), 7),
    "one column": ((2, 17, 6, 1), 33),
    "many channels": ((1, 70, 9, 7), 130),
    "many groups": ((2, 64, 17, 13), 40),
    "no image": ((0, 4, 3, 3), 5),
}
PADDINGS = {"2x2 behind": (2, [0, 0, 1, 1]), "2x2 before": (2, [1, 1, 0, 0]), "2x2 mixed": (2, [0, 1, 1, 0]), "3x3": (3, [1, 1, 1, 1])}


def uniform(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype(np.float32)


def doubled(graph: _core.Graph, x: int, shape: Sequence[int], axes: Sequence[int] = (2, 3)) -> int:
    for axis in axes:
        x = graph.add("take", [x], {"axis": axis, "indices": [i // 2 for i in range(2 * shape[axis])], "value": 0.0})[0]
    return x


def ops(program: _core.Program) -> list[str]:
    return [step["op"] for step in program.steps]


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("activation", ["", "relu", "silu"])
def test_every_shape(isa: str, name: str, padding: str, activation: str) -> None:
    shape, filters = SHAPES[name]
    kernel, sides = PADDINGS[padding]
    x, weight, bias = uniform(0, *shape), uniform(1, filters, shape[1], kernel, kernel), uniform(2, filters)
    residual = uniform(3, shape[0], filters, 2 * shape[2], 2 * shape[3])
    graph = _core.Graph()
    inputs = [graph.input("x", x.shape), graph.input("residual", residual.shape)]
    parameters = [graph.parameter(_core.Parameter(array), "parameter") for array in (weight, bias)]
    y = graph.add("conv2d", [doubled(graph, inputs[0], shape), *parameters], CONV | {"padding": sides})[0]
    if activation:
        y = graph.add("activation", graph.add("add", [y, inputs[1]], {}), {"kind": activation, "a": 0.0, "b": 0.0})[0]
    graph.outputs([y])
    program = _core.Program(graph, isa=isa)
    assert "upsampled_conv2d" in ops(program)
    assert not {"take", "conv2d", "add", "activation"} & set(ops(program))
    answers = [program.run([x, residual], threads=threads) for threads in (1, 2, 3)]
    large = x.repeat(2, axis=2).repeat(2, axis=3)
    added = residual if activation else None
    want = reference.conv2d(large, weight, bias, added, **CONV, padding=sides, activation=activation or "identity")
    np.testing.assert_allclose(answers[0][0], want, rtol=0, atol=3e-6 * np.abs(want).max(initial=1))
    assert same_bits(answers[0], answers[1])
    assert same_bits(answers[0], answers[2])
    small = _core.Program(graph, isa=isa, small=True)
    assert same_bits(answers[0], small.run([x, residual], threads=2))
    outputs = -(-filters // _core.lanes(isa)) * _core.lanes(isa)
    assert small.memory["prepared"] == outputs * (shape[1] * kernel * kernel + 1) * 4  # those of direct sums, and a bias


def test_axes_in_either_order() -> None:
    x, weight = uniform(0, 1, 8, 5, 6), uniform(1, 4, 8, 3, 3)
    graph = _core.Graph()
    up = doubled(graph, graph.input("x", x.shape), x.shape, (3, 2))
    graph.outputs(graph.add("conv2d", [up, graph.parameter(_core.Parameter(weight), "w")], CONV | {"padding": [1] * 4}))
    assert "upsampled_conv2d" in ops(_core.Program(graph))


def test_upsampled_image_that_others_read_stays() -> None:
    x, weight = uniform(0, 1, 8, 5, 6), uniform(1, 4, 8, 3, 3)
    graph = _core.Graph()
    up = doubled(graph, graph.input("x", x.shape), x.shape)
    y = graph.add("conv2d", [up, graph.parameter(_core.Parameter(weight), "w")], CONV | {"padding": [1] * 4})[0]
    graph.outputs([up, y])
    program = _core.Program(graph)
    assert {"take", "upsampled_conv2d"} <= set(ops(program))
    np.testing.assert_array_equal(program.run([x])[0], x.repeat(2, axis=2).repeat(2, axis=3))


@pytest.mark.parametrize("more", [{"padding": [0] * 4}, {"padding": [2, 1, 0, 1]}, {"stride": [2, 2]}, {"dilation": [2, 2]}, {"groups": 2}])
def test_other_convolutions_stay(more: dict[str, Any]) -> None:
    x, weight = uniform(0, 1, 8, 5, 6), uniform(1, 4, 8 // int(more.get("groups", 1)), 3, 3)
    graph = _core.Graph()
    attributes = CONV | {"padding": [1] * 4} | more
    up = doubled(graph, graph.input("x", x.shape), x.shape)
    graph.outputs(graph.add("conv2d", [up, graph.parameter(_core.Parameter(weight), "w")], attributes))
    program = _core.Program(graph)
    assert "upsampled_conv2d" not in ops(program)
    want = reference.conv2d(x.repeat(2, axis=2).repeat(2, axis=3), weight, **attributes)
    np.testing.assert_allclose(program.run([x])[0], want, rtol=0, atol=1e-5)


def test_tripled_image_stays() -> None:
    graph = _core.Graph()
    x = graph.input("x", (1, 4, 5, 5))
    for axis in (2, 3):
        x = graph.add("take", [x], {"axis": axis, "indices": [i // 3 for i in range(15)], "value": 0.0})[0]
    graph.outputs(graph.add("conv2d", [x, graph.parameter(_core.Parameter(uniform(1, 4, 4, 3, 3)), "w")], CONV | {"padding": [1] * 4}))
    assert "upsampled_conv2d" not in ops(_core.Program(graph))


def test_a_network_answers_trains_and_follows_its_weights() -> None:
    net = fc.Sequential(fc.Upsample(scale_factor=2), fc.Conv2d(3, 5, 3, padding=1), fc.Flatten(), fc.Linear(5 * 64, 2))
    x = uniform(0, 2, 3, 4, 4)
    before = net.predict(x)
    large = x.repeat(2, axis=2).repeat(2, axis=3)
    weight, bias = (net[1].state_dict()[name] for name in ("weight", "bias"))
    inside = reference.conv2d(large, weight, bias, **CONV, padding=[1] * 4).reshape(2, -1)
    np.testing.assert_allclose(before, inside @ net[3].state_dict()["weight"].T + net[3].state_dict()["bias"], rtol=0, atol=1e-5)
    net.fit(x, np.array([0, 1], np.int32), epochs=3, batch_size=2, optimizer=fc.optim.SGD(0.1), loss="cross_entropy")
    assert np.abs(net.predict(x) - before).max() > 1e-3


@pytest.mark.parametrize(
    ("shapes", "padding", "message"),
    [
        ([(1, 4, 8), (4, 4, 3, 3)], [1] * 4, r"\[upsampled_conv2d\] input must be \(N, C, H, W\)\. Got \(1, 4, 8\)\."),
        (
            [(1, 4, 8, 8), (4, 4, 5, 5)],
            [1] * 4,
            r"in_channels, 2, 2\) or \(\.\., 3, 3\)\. Got \(4, 4, 5, 5\)\.",
        ),
        (
            [(1, 4, 8, 8), (4, 3, 3, 3)],
            [1] * 4,
            r"the weight's number of channels\. Got \(1, 4, 8, 8\), weight \(4, 3, 3, 3\)\.",
        ),
        ([(1, 4, 8, 8), (4, 4, 3, 3)], [0, 1, 2, 1], r"padding must be 0 or 1 a side, and keep the size\. Got padding 0 and 2, kernel 3\."),
        ([(1, 4, 8, 8), (4, 4, 3, 3), (3,)], [1] * 4, r"bias must be \(out_channels,\)\. Got bias \(3,\), out_channels=4\."),
    ],
)
def test_errors(shapes: list[tuple[int, ...]], padding: list[int], message: str) -> None:
    graph = _core.Graph()
    inputs = [graph.input(f"input{i}", shape) for i, shape in enumerate(shapes)]
    with pytest.raises(ValueError, match=message):
        graph.add("upsampled_conv2d", inputs, {"padding": padding})


def prepared(isa: str, lanes: int) -> np.ndarray:
    graph = _core.Graph()
    weight = graph.parameter(_core.Parameter(uniform(1, 4, 4, 3, 3)), "w")
    attributes = {"kernel": [4, 4, 3, 3], "padding": [1] * 4, "lanes": lanes}
    graph.outputs(graph.add("upsampled_conv2d_prepare", [weight], attributes))
    return _core.Program(graph, isa=isa).run([])[0]


@pytest.mark.parametrize("lanes", [-16, 0, 5, 2**32 + 16])
def test_impossible_lanes_are_refused(lanes: int) -> None:
    with pytest.raises(ValueError, match=rf"\[upsampled_conv2d_prepare\] lanes must be 4, 8 or 16\. Got lanes={lanes}\."):
        prepared("", lanes)


def test_lanes_of_another_isa_are_refused(isa: str) -> None:
    own = _core.lanes(isa)
    assert prepared(isa, own).size >= 4 * 4 * 9
    with pytest.raises(ValueError, match=r"\[upsampled_conv2d_prepare\] lanes must be those of the kernels\. Got lanes="):
        prepared(isa, 16 if own != 16 else 8)
