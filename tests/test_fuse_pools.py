"""Max pooling in the step of the convolution before it: it happens where it should and not where it must not, with the oracle's answers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import reference
from running import same_bits

from fastcnn import _core

Array = np.ndarray
EPS = 2.0**-24
FLAT = {"dilation": [1, 1], "groups": 1}


def conv(kernel: int, stride: int, padding: list[int], kind: str = "relu") -> dict[str, Any]:
    return {"stride": [stride] * 2, "padding": padding, **FLAT, "activation": kind, "activation_a": 0.0, "activation_b": 0.0}


def pool(kernel: int | tuple[int, int], stride: int, padding: int = 0, ceil: bool = False, **more: Any) -> dict[str, Any]:
    sizes = [kernel] * 2 if isinstance(kernel, int) else list(kernel)
    return {"kernel": sizes, "stride": [stride] * 2, "padding": [padding] * 4, "ceil_mode": ceil, **more}


class Pooled:
    """A convolution, a pooling of it and, if asked for, a 3x3 convolution of that; with the oracle's answer."""

    def __init__(
        self, shape: tuple[int, ...], filters: int, kernel: int, first: dict[str, Any], second: dict[str, Any], reader: bool = False
    ):
        random = np.random.default_rng(0)
        self.graph = _core.Graph()
        self.x = random.uniform(-1, 1, shape).astype(np.float32)
        weight, bias = self.uniform(random, filters, shape[1], kernel, kernel), self.uniform(random, filters)
        parameters = [self.graph.parameter(_core.Parameter(each), name) for each, name in ((weight, "weight"), (bias, "bias"))]
        self.image = self.graph.add("conv2d", [self.graph.input("x", shape), *parameters], first)[0]
        self.y = self.graph.add("max_pool", [self.image], second)[0]
        self.image_truth = reference.conv2d(self.x, weight, bias, **first)
        self.truth = reference.max_pool(self.image_truth, **second)
        if reader:
            after = {"stride": [1, 1], "padding": [1] * 4, **FLAT}
            weight = self.uniform(random, 5, filters, 3, 3)
            self.y = self.graph.add("conv2d", [self.y, self.graph.parameter(_core.Parameter(weight), "after"), None], after)[0]
            self.truth = reference.conv2d(self.truth, weight, None, **after)

    @staticmethod
    def uniform(random: np.random.Generator, *shape: int) -> Array:
        return random.uniform(-1, 1, shape).astype(np.float32)

    def algorithms(self, isa: str, *more: int) -> list[str]:
        """Of the convolutions, and the names of poolings, once the answers are right, with the same bits for 1, 2, 3 and 5 threads."""
        self.graph.outputs([self.y, *more])
        program = _core.Program(self.graph, isa=isa)
        results = [program.run([self.x], threads=threads) for threads in (1, 2, 3, 5)]
        assert np.max(np.abs(results[0][0] - self.truth), initial=0) <= 500 * EPS * max(1, np.max(np.abs(self.truth), initial=0))
        assert all(same_bits(results[0], other) for other in results[1:])
        return [step["algorithm"] or step["op"] for step in program.steps if step["op"] in ("conv2d", "max_pool")]


POOLS = {  # kernel, stride, padding, ceil_mode
    "3x3/2-padded": pool(3, 2, 1),
    "3x3/2-ceil": pool(3, 2, 0, True),
    "2x2/2": pool(2, 2),
    "2x2/2-padded": pool(2, 2, 1),
    "3x3/1": pool(3, 1, 1),
    "5x5/3": pool(5, 3, 2),
    "2x3/4": pool((2, 3), 4),
    "9x9/1": pool(9, 1, 4),
}


@pytest.mark.parametrize("name", POOLS)
@pytest.mark.parametrize(("kernel", "stride"), [(7, 2), (3, 1), (3, 2), (11, 4)])
def test_first_layers_pool_their_rows(isa: str, kernel: int, stride: int, name: str) -> None:
    size = (23 * stride + kernel, 17 * stride + kernel)
    net = Pooled((2, 3, *size), 40, kernel, conv(kernel, stride, [1, 0, 2, 1]), POOLS[name], reader=True)
    steps = net.algorithms(isa)
    assert steps[0] in ("first + max_pool", "first_winograd + max_pool")
    assert len(steps) == 2


@pytest.mark.parametrize("height", [1, 2, 3, 4, 5, 9, 64, 65])
@pytest.mark.parametrize("kind", ["identity", "silu"])
def test_images_of_any_height(isa: str, height: int, kind: str) -> None:
    for name, padding in (("3x3/2-padded", 1), ("2x2/2-padded", 1)):
        net = Pooled((1, 3, height, 31), 70, 3, conv(3, 1, [padding] * 4, kind), POOLS[name])
        assert net.algorithms(isa) in (["first + max_pool"], ["first_winograd + max_pool"])


def test_no_image_is_pooled(isa: str) -> None:
    assert len(Pooled((0, 3, 12, 12), 8, 3, conv(3, 1, [1] * 4), POOLS["2x2/2"]).algorithms(isa)) == 1


def test_what_others_read_is_not_pooled_away(isa: str) -> None:
    net = Pooled((1, 3, 20, 22), 18, 3, conv(3, 1, [1] * 4), POOLS["2x2/2"])
    assert net.algorithms(isa, net.image)[1:] == ["max_pool"]


@pytest.mark.parametrize("second", [pool(2, 2, dilation=[2, 1]), {"adaptive": [3, 4]}])
def test_other_poolings_stay(isa: str, second: dict[str, Any]) -> None:
    assert Pooled((1, 3, 20, 22), 18, 3, conv(3, 1, [1] * 4), second).algorithms(isa)[1:] == ["max_pool"]


def test_rows_that_no_cache_holds_are_not_pooled(isa: str) -> None:
    assert Pooled((1, 1, 6, 9000), 64, 3, conv(3, 1, [1] * 4), POOLS["2x2/2"]).algorithms(isa)[1:] == ["max_pool"]


def test_the_image_takes_no_memory() -> None:
    net = Pooled((1, 3, 64, 64), 64, 3, conv(3, 1, [1] * 4), POOLS["2x2/2"], reader=True)
    net.graph.outputs([net.y])
    assert _core.Program(net.graph).memory["arena"] < net.image_truth.size * 4 / 2


def fused_graph(residual: bool, **more: Any) -> tuple[_core.Graph, int]:
    graph, weight = _core.Graph(), np.ones((4, 4, 3, 3), np.float32)
    inputs = [graph.input("x", (1, 4, 8, 8)), graph.parameter(_core.Parameter(weight), "weight"), None]
    if residual:
        inputs.append(graph.input("residual", (1, 4, 8, 8)))
    pooling = {f"pool_{name}": value for name, value in POOLS["2x2/2"].items()}
    outputs = graph.add("conv2d", inputs, {**conv(3, 1, [1] * 4), **pooling, **more})
    graph.outputs(outputs)
    return graph, outputs[0]


def test_a_pooling_and_a_residual_do_not_go_together() -> None:
    with pytest.raises(ValueError, match=r"\[conv2d\] a convolution with a pooling takes no residual\."):
        fused_graph(residual=True)


def test_an_algorithm_that_does_not_pool_is_not_asked_to() -> None:
    with pytest.raises(ValueError, match=r"\[conv2d\] the algorithm must be able to compute this convolution\. Got direct\."):
        _core.Program(fused_graph(residual=False, algorithm="direct")[0])


def test_a_pooled_convolution_has_no_gradient() -> None:
    graph, y = fused_graph(residual=False)
    with pytest.raises(NotImplementedError, match="prologue, activation, residual or pooling has no gradient"):
        graph.gradient([y], [None], [0])
