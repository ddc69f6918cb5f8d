"""Images of one very long row: what counts pixels must not count them in 32 bits."""

from __future__ import annotations

import numpy as np
import pytest

from fastcnn import _core

COLUMNS = 200_000  # the square of it by the pixels of a register tile is more than 2^31
CONV = {"stride": [1, 1], "padding": [0] * 4, "dilation": [1, 1]}


@pytest.mark.parametrize("groups", [1, 8], ids=["direct", "depthwise"])
@pytest.mark.parametrize("kernel", [1, 3])
def test_convolution_of_a_long_row(isa: str, rng: np.random.Generator, groups: int, kernel: int) -> None:
    channels = 8
    x = rng.uniform(-1, 1, (1, channels, 1, COLUMNS)).astype(np.float32)
    weight = rng.uniform(-1, 1, (channels, channels // groups, 1, kernel)).astype(np.float32)
    graph = _core.Graph()
    inputs = [graph.input("x", x.shape), graph.parameter(_core.Parameter(weight), "weight")]
    graph.outputs(graph.add("conv2d", inputs, CONV | {"groups": groups}))
    y = _core.Program(graph, isa=isa).run([x])[0]
    windows = np.lib.stride_tricks.sliding_window_view(x[0, :, 0].astype(np.float64), kernel, axis=1)
    want = np.einsum("cxk,ock->ox" if groups == 1 else "oxk,ok->ox", windows, weight[:, :, 0] if groups == 1 else weight[:, 0, 0])
    assert np.max(np.abs(y[0, :, 0] - want)) <= 2 * channels * kernel * 2.0**-24 * channels
