"""conv_transpose2d inside a program: its epilogue, the weights that it shares, and the sizes that a hostile file could ask for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import reference

from fastcnn import _core

ATTRIBUTES = {"stride": [2, 2], "padding": [1, 0, 0, 1], "output_padding": [1, 0], "dilation": [1, 1], "groups": 1}


def graph_of(shape: tuple[int, ...], weight: _core.Parameter, kinds: tuple[str, ...] = (), **attributes: Any) -> _core.Graph:
    graph = _core.Graph()
    y = graph.add("conv_transpose2d", [graph.input("x", shape), graph.parameter(weight, "weight"), None], ATTRIBUTES | attributes)[0]
    for kind in kinds:
        y = graph.add("activation", [y], {"kind": kind, "a": 0.0, "b": 0.0})[0]
    graph.outputs([y])
    return graph


def weights(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).uniform(-1, 1, shape).astype(np.float32)


@pytest.mark.parametrize("kind", ["relu", "silu"])
def test_activation_becomes_its_epilogue(isa: str, kind: str) -> None:
    weight, x = weights(5, 19, 3, 3), np.random.default_rng(1).uniform(-1, 1, (2, 5, 4, 6)).astype(np.float32)
    program = _core.Program(graph_of(x.shape, _core.Parameter(weight), (kind, "tanh")), isa=isa)
    ops = [step["op"] for step in program.steps]
    assert ops.count("conv_transpose2d") == 1
    assert ops.count("activation") == 1  # the second one
    want = reference.activate(reference.conv_transpose2d(x, weight, **ATTRIBUTES), kind, 0, 0)
    np.testing.assert_allclose(program.run([x])[0], np.tanh(want), rtol=0, atol=2.0**-18)


def test_gradient_of_a_fused_convolution_is_an_error() -> None:
    graph = _core.Graph()
    x = graph.input("x", (1, 2, 3, 3))
    fused = ATTRIBUTES | {"activation": "relu", "activation_a": 0.0, "activation_b": 0.0}
    y = graph.add("conv_transpose2d", [x, graph.input("weight", (2, 4, 3, 3)), None], fused)
    with pytest.raises(NotImplementedError, match=r"^\[conv_transpose2d\] a convolution with a fused activation has no gradient\."):
        graph.gradient(y, [None], [x])


@pytest.mark.parametrize("shape", [(1, 5, 1, 1), (1, 5, 2, 3), (2, 5, 9, 4)])
def test_programs_of_all_sizes_share_prepared_weights(isa: str, shape: tuple[int, ...]) -> None:
    """The same prepared weights do for the smallest image and for a large one."""
    weight = weights(5, 6, 4, 3)
    parameter = _core.Parameter(weight)
    x = np.random.default_rng(1).uniform(-1, 1, shape).astype(np.float32)
    first = _core.Program(graph_of((1, 5, 8, 8), parameter, stride=[3, 2]), isa=isa)
    second = _core.Program(graph_of(shape, parameter, stride=[3, 2]), isa=isa)
    first.run([np.zeros((1, 5, 8, 8), np.float32)])
    want = reference.conv_transpose2d(x, weight, **ATTRIBUTES | {"stride": [3, 2]})
    np.testing.assert_allclose(second.run([x])[0], want, rtol=0, atol=2.0**-18)


HUGE = {"stride": [1, 1], "output_padding": [0, 0]}


@pytest.mark.parametrize(
    ("kernel", "changes", "text"),
    [
        ((5, 1), {"dilation": [2**30, 1], "padding": [2**31 - 1, 0, 2**31 - 1, 0]}, r"pixels outside of the image may be read\. Got "),
        ((2**35, 1), {"dilation": [2**20, 1]}, r"^\[conv_transpose2d\] the kernel must reach over at most 2\^40 pixels\. Got "),
        ((2, 2), {"dilation": [2**31 - 1] * 2, "padding": [0] * 4}, r"^\[shape\] a value has at most 2\^40 elements\. Got "),
        ((2, 2), {"stride": [2**20] * 2, "padding": [0] * 4}, r"^\[conv_transpose2d\] stride must be at most 256\. Got stride=1048576\."),
    ],
)
def test_huge_sizes_are_errors(kernel: tuple[int, int], changes: dict[str, Any], text: str) -> None:
    graph = _core.Graph()
    with pytest.raises(ValueError, match=text):
        inputs = [graph.input("x", (1, 1, 2, 2)), graph.input("weight", (1, 1, *kernel)), None]
        graph.outputs(graph.add("conv_transpose2d", inputs, ATTRIBUTES | HUGE | changes))
        _core.Program(graph)
