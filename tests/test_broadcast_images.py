"""Ops on operands of different shapes where these lie in memory as images: squeeze-and-excitation, biases, maps of attention."""

from __future__ import annotations

import numpy as np
import pytest
import reference

from fastcnn import _core

CONV = {"stride": [1, 1], "padding": [1] * 4, "dilation": [1, 1], "groups": 1}
POOL = {"kernel": [1, 1], "stride": [1, 1], "padding": [0] * 4, "dilation": [1, 1], "ceil_mode": False}

# x, the other operand, whether that is an image before
OPERANDS = [
    ((2, 19, 7, 5), (2, 19, 7, 5), True),
    ((2, 19, 7, 5), (2, 19, 1, 1), True),
    ((2, 19, 7, 5), (1, 19, 1, 1), True),
    ((2, 19, 7, 5), (1, 19, 7, 5), True),
    ((2, 19, 7, 5), (2, 19, 7, 1), True),
    ((2, 19, 7, 5), (2, 19, 1, 5), True),
    ((2, 19, 7, 1), (2, 19, 7, 1), True),
    ((2, 19, 1, 1), (2, 19, 1, 1), True),
    ((2, 19, 7, 5), (2, 1, 7, 5), True),
    ((2, 19, 7, 5), (1, 1, 1, 1), True),
    ((2, 1, 7, 5), (1, 1, 1, 1), True),
    ((2, 33, 7, 5), (1, 33, 1, 1), False),
    ((2, 33, 7, 5), (33, 1, 1), False),
    ((2, 33, 7, 5), (33, 7, 5), False),
    ((2, 33, 7, 5), (7, 1), False),
    ((2, 33, 7, 5), (5,), False),
    ((2, 33, 7, 5), (), False),
    ((2, 3, 40, 41), (2, 3, 1, 1), True),  # its rows are not merged to one
    ((0, 19, 7, 5), (1, 19, 1, 1), True),
]


class Images:
    """y = op(x, other) of images, then `consumer`: a pooling of single pixels, or a 3x3 convolution, for which y has a ring."""

    def __init__(self, op: str, x: np.ndarray, other: np.ndarray, image: bool, isa: str, consumer: str, exchanged: bool = False):
        graph = _core.Graph()
        a, b = graph.input("x", x.shape), graph.input("other", other.shape)
        a = graph.add("max_pool", [a], POOL)[0]
        if image:
            b = graph.add("max_pool", [b], POOL)[0]
        y = graph.add(op, [b, a] if exchanged else [a, b])[0]
        self.weight = np.random.default_rng(0).uniform(-1, 1, (4, graph.shape(y)[1], 3, 3)).astype(np.float32)
        if consumer == "conv2d":
            y = graph.add("conv2d", [y, graph.parameter(_core.Parameter(self.weight), "weight"), None], CONV)[0]
        else:
            y = graph.add("max_pool", [y], POOL)[0]
        graph.outputs([y])
        self.program = _core.Program(graph, isa=isa)
        self.inputs = [x, other]

    def __call__(self, threads: int = 1) -> np.ndarray:
        return self.program.run(self.inputs, threads=threads)[0]

    def reorders(self) -> int:
        return sum(step["op"] == "reorder" for step in self.program.steps)


@pytest.mark.parametrize("exchanged", [False, True])
@pytest.mark.parametrize(("x", "other", "image"), OPERANDS)
def test_images_broadcast(
    isa: str, rng: np.random.Generator, x: tuple[int, ...], other: tuple[int, ...], image: bool, exchanged: bool
) -> None:
    a, b = (rng.uniform(-1, 1, shape).astype(np.float32) for shape in (x, other))
    want = b.astype(np.float64) - a if exchanged else a.astype(np.float64) - b
    got = Images("subtract", a, b, image, isa, "max_pool", exchanged)()
    np.testing.assert_allclose(got, want, rtol=0, atol=2.0**-23)
    ringed = Images("subtract", a, b, image, isa, "conv2d", exchanged)
    wanted = reference.conv2d(want, ringed.weight, None, **CONV)
    np.testing.assert_allclose(ringed(), wanted, rtol=0, atol=9 * x[1] * 4 * 2.0**-23)
    assert ringed(2).tobytes() == ringed(1).tobytes()


def test_squeeze_and_excitation_reorders_nothing(isa: str, rng: np.random.Generator) -> None:
    """Between the network's input and its output: two of them and one of each."""
    x, gate = (rng.uniform(-1, 1, shape).astype(np.float32) for shape in ((1, 40, 8, 8), (1, 40, 1, 1)))
    program = Images("multiply", x, gate, True, isa, "max_pool")
    assert program.reorders() == 3
    np.testing.assert_allclose(program(), x * gate, rtol=1e-6)


def test_minimum_and_maximum_keep_nan_of_either(isa: str) -> None:
    for op in ("minimum", "maximum"):
        for a, b in (([np.nan, 1.0], [1.0, np.nan]), ([np.nan, 2.0], [np.nan, np.nan])):
            graph = _core.Graph()
            graph.outputs(graph.add(op, [graph.input("a", (2,)), graph.input("b", (2,))]))
            assert np.isnan(_core.Program(graph, isa=isa).run([np.array(a, np.float32), np.array(b, np.float32)])[0]).all()


def test_comparisons_have_no_gradient() -> None:
    graph = _core.Graph()
    x = graph.input("x", (2, 3))
    y = graph.add("compare", [x, x], {"kind": "less"})
    with pytest.raises(NotImplementedError, match=r"^\[compare\] this operator has no backward\."):
        graph.gradient(y, [None], [x])
