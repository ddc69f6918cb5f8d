"""conv2d_prepare: what it refuses, how long packing takes, and who shares the result."""

from __future__ import annotations

import resource
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fastcnn import _core

CONV = {"stride": [1, 1], "padding": [0] * 4, "dilation": [1, 1], "groups": 1}


def prepared(channels: int, kernel: int, isa: str = "", **changes: Any) -> np.ndarray:
    graph = _core.Graph()
    shape = [channels, channels, kernel, kernel]
    weight = graph.parameter(_core.Parameter(np.ones(shape, np.float32)), "weight")
    attributes = CONV | {"input": [1, channels, 3, 3], "kernel": shape, "backward": False, "algorithm": "direct", "lanes": 16} | changes
    graph.outputs(graph.add("conv2d_prepare", [weight], attributes))
    return _core.Program(graph, isa=isa).run([])[0]


@pytest.mark.parametrize("lanes", [-16, 0, 5, 32, 4096, 2**32 + 16])
@pytest.mark.parametrize("algorithm", ["direct", "winograd_f4"])
def test_impossible_lanes_are_refused(algorithm: str, lanes: int) -> None:
    with pytest.raises(ValueError, match=rf"\[conv2d_prepare\] lanes must be 4, 8 or 16\. Got lanes={lanes}\."):
        prepared(4, 3, lanes=lanes, algorithm=algorithm)


def test_lanes_of_another_isa_are_refused(isa: str) -> None:
    own = _core.lanes(isa)
    assert prepared(4, 3, isa, lanes=own).size >= 4 * 4 * 9
    with pytest.raises(ValueError, match=r"\[conv2d_prepare\] lanes must be those of the kernels\. Got lanes="):
        prepared(4, 3, isa, lanes=16 if own != 16 else 8)


@pytest.mark.parametrize(
    ("algorithm", "kernel", "backward"),
    [("winograd_f4", 1, False), ("winograd_f4", 3, True), ("depthwise", 3, False), ("first", 3, True)],
)
def test_algorithms_that_cannot_are_refused(algorithm: str, kernel: int, backward: bool) -> None:
    with pytest.raises(ValueError, match=r"\[conv2d_prepare\] the algorithm must be able to compute this convolution\. Got "):
        prepared(4, kernel, algorithm=algorithm, backward=backward)


def test_packing_many_passes_is_linear() -> None:
    """A transposed convolution has a pass for each remainder of a position by the stride. Planned anew for each, this took seconds."""
    stride = 128
    weight = np.random.default_rng(0).uniform(-1, 1, (1, 1, stride, stride)).astype(np.float32)
    graph = _core.Graph()
    inputs = [graph.input("x", (1, 1, 2, 2)), graph.parameter(_core.Parameter(weight), "weight")]
    graph.outputs(graph.add("conv_transpose2d", inputs, CONV | {"stride": [stride, stride], "output_padding": [0, 0]}))
    x = np.ones((1, 1, 2, 2), np.float32)
    start = time.process_time()
    y = _core.Program(graph).run([x])[0]
    assert time.process_time() - start < 1
    assert np.array_equal(y[0, 0], np.tile(weight[0, 0], (2, 2)))


def test_an_epilogue_does_not_change_the_packing() -> None:
    """Programs of one weight share its packed form whatever is fused into the convolution."""
    weight, x = _core.Parameter(np.ones((1024, 1024, 1, 1), np.float32)), np.ones((1, 1024, 2, 2), np.float32)
    programs, bytes_before = [], None
    for kind in (None, "relu", "silu", "tanh", "gelu", "sigmoid", "elu", "softplus"):
        graph = _core.Graph()
        y = graph.add("conv2d", [graph.input("x", x.shape), graph.parameter(weight, "weight")], CONV)[0]
        graph.outputs([y] if kind is None else graph.add("activation", [y], {"kind": kind, "a": 1.0, "b": 20.0}))
        programs.append(_core.Program(graph))
        programs[-1].run([x])
        resident = int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
        bytes_before = resident if bytes_before is None else bytes_before
    assert resident - bytes_before < 12 << 20  # a packed form is 4 MB, and seven of them would be 28
