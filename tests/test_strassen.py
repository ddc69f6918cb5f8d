"""Strassen's method for 1x1 convolutions inside a program: any image, batch and channels, prologues, and the choice of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import reference

import fastcnn as fc
from fastcnn import _core

ATTRIBUTES = {"stride": [1, 1], "padding": [0] * 4, "dilation": [1, 1], "groups": 1}
RELU = {"activation": "relu", "activation_a": 0.0, "activation_b": 0.0}
SILU = {"activation": "silu", "activation_a": 0.0, "activation_b": 0.0}
ERROR = 5e-6  # max |difference| / max |y|: sums of three quarters are multiplied with sums of three quarters, and must cancel

SHAPES = {  # x, out_channels
    "one pixel": ((1, 16, 1, 1), 16),
    "two pixels": ((1, 32, 1, 2), 32),
    "odd pixels": ((1, 32, 5, 7), 40),
    "one block of each": ((1, 16, 6, 5), 3),
    "odd blocks": ((2, 48, 7, 7), 48),
    "no block in the last tile": ((1, 80, 4, 9), 80),
    "even blocks": ((1, 64, 14, 14), 128),
    "several images": ((5, 32, 3, 3), 33),
    "many strips": ((1, 32, 70, 61), 30),
    "many channels": ((1, 256, 13, 13), 130),
    "no image": ((0, 16, 8, 8), 16),
}


def uniform(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype(np.float32)


def graph_of(weight: np.ndarray, x: np.ndarray, *more: _core.Parameter | np.ndarray | None, **attributes: Any) -> tuple[_core.Graph, int]:
    """A convolution by Strassen's method; more: its inputs from the bias on, arrays being parameters but for the residual."""
    graph = _core.Graph()
    inputs = [graph.input("x", x.shape), graph.parameter(_core.Parameter(weight), "weight")]
    for i, array in enumerate(more):
        if array is None:
            inputs.append(None)
        else:
            inputs.append(graph.input("residual", array.shape) if i == 1 else graph.parameter(_core.Parameter(array), f"input {i + 2}"))
    return graph, graph.add("conv2d", inputs, ATTRIBUTES | {"algorithm": "strassen"} | attributes)[0]


def check(program: _core.Program, inputs: list[np.ndarray], want: np.ndarray, scale: float) -> None:
    assert "strassen" in [step["algorithm"] for step in program.steps if step["op"] == "conv2d"]
    answers = [program.run(inputs, threads=threads)[0] for threads in (1, 2, 3)]
    np.testing.assert_allclose(answers[0], want, rtol=0, atol=ERROR * scale)
    for answer in answers[1:]:
        np.testing.assert_array_equal(answer, answers[0])


@pytest.mark.parametrize("name", SHAPES)
def test_every_shape(isa: str, name: str) -> None:
    shape, channels = SHAPES[name]
    x, weight, bias = uniform(0, *shape), uniform(1, channels, shape[1], 1, 1), uniform(2, channels)
    plain = reference.conv2d(x, weight, bias, **ATTRIBUTES)
    residual, scale = uniform(3, *plain.shape), float(np.abs(plain).max(initial=1))
    for attributes, added in (({}, None), (RELU, residual), (SILU, residual)):
        graph, y = graph_of(weight, x, bias, added, **attributes)
        graph.outputs([y])
        want = reference.conv2d(x, weight, bias, added, **ATTRIBUTES | attributes)
        check(_core.Program(graph, isa=isa), [x] if added is None else [x, added], want, scale)


@pytest.mark.parametrize("activation", [RELU, SILU])
def test_rings_of_input_and_output(isa: str, activation: dict[str, Any]) -> None:
    """Its neighbours are 3x3 convolutions, which read pixels of zeros around their images."""
    padded = ATTRIBUTES | {"padding": [1] * 4}
    x, first, weight, last = uniform(0, 2, 3, 7, 9), uniform(1, 32, 3, 3, 3), uniform(2, 48, 32, 1, 1), uniform(3, 5, 48, 3, 3)
    side = uniform(4, 16, 32, 3, 3)
    graph = _core.Graph()

    def conv(x: int, weight: np.ndarray, attributes: dict[str, Any]) -> int:
        return graph.add("conv2d", [x, graph.parameter(_core.Parameter(weight), "w"), None], attributes)[0]

    image = conv(graph.input("x", x.shape), first, padded)
    graph.outputs([conv(conv(image, weight, ATTRIBUTES | {"algorithm": "strassen"} | activation), last, padded), conv(image, side, padded)])
    truth = reference.conv2d(x, first, **padded)
    middle = reference.conv2d(truth, weight, **ATTRIBUTES | activation)
    want = reference.conv2d(middle, last, **padded)
    check(_core.Program(graph, isa=isa, strict=True), [x], want, float(np.abs(want).max()))


def test_prologue(isa: str) -> None:
    x, weight, bias = uniform(0, 2, 64, 9, 7), uniform(1, 24, 64, 1, 1), uniform(2, 24)
    norm = uniform(3, 64), uniform(4, 64), uniform(5, 64), np.abs(uniform(6, 64)) + 0.1
    attributes = {"norm_eps": 1e-3, "norm_activation": "relu", "norm_activation_a": 0.0, "norm_activation_b": 0.0}
    graph, y = graph_of(weight, x, bias, None, *norm, **attributes)
    graph.outputs([y])
    want = reference.conv2d(np.maximum(reference.batch_norm(x, *norm, eps=1e-3), 0), weight, bias, **ATTRIBUTES)
    check(_core.Program(graph, isa=isa), [x], want, float(np.abs(want).max()))


def test_scaling_prologue(isa: str) -> None:
    x, weight, scale = uniform(0, 3, 64, 9, 7), uniform(1, 24, 64, 1, 1), uniform(2, 3, 64, 1, 1)
    graph, y = graph_of(weight, x, None, None, None, None, None, None, scale, scaled=True)
    graph.outputs([y])
    want = reference.conv2d(x * scale, weight, None, **ATTRIBUTES)
    check(_core.Program(graph, isa=isa), [x], want, float(np.abs(want).max()))


@pytest.mark.parametrize("more", [{"stride": [2, 2]}, {"padding": [1] * 4}, {"groups": 2}, {"channels": 10}])
def test_only_what_it_can_compute(more: dict[str, Any]) -> None:
    channels = more.pop("channels", 32)
    x, weight = uniform(0, 1, channels, 9, 9), uniform(1, 16, channels // more.get("groups", 1), 1, 1)
    with pytest.raises(ValueError, match=r"^\[conv2d\] the algorithm must be able to compute this convolution\. Got strassen\.$"):
        graph, y = graph_of(weight, x, None, **more)
        graph.outputs([y])
        _core.Program(graph)


def test_it_is_chosen_where_it_pays_and_never_where_digits_count() -> None:
    net = fc.Sequential(fc.Conv2d(256, 256, 1), fc.ReLU())
    wide, small = uniform(0, 1, 256, 28, 28), uniform(0, 1, 256, 2, 2)
    assert "strassen" in str(net.compile(wide.shape).profile(wide))
    assert "strassen" not in str(net.compile(wide.shape, accuracy="strict").profile(wide))
    assert "strassen" not in str(net.compile(small.shape).profile(small))
