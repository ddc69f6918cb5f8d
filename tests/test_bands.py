"""memory="small": chains of layers in row bands have the oracle's answers, the bits of whole images, and a smaller arena."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
from networks import Builder, OnGraph, OnOracle, error_bound
from running import same_bits

import fastcnn as fc
from fastcnn import _core

Array = np.ndarray
MOST_ERROR = 1e-5  # of a layer, by the largest magnitude of its output: below 1 here
WINOGRAD = ("winograd_f2", "winograd_f4", "winograd_f5", "winograd_f6")


class WithAlgorithms(OnGraph):
    """Convolutions are asked for by algorithm, so that both memories compute the same sums."""

    def op(self, op: str, *inputs: Any, **attributes: Any) -> Any:
        if op == "conv2d" and self.algorithm:
            attributes["algorithm"] = self.algorithm
        return super().op(op, *inputs, **attributes)

    algorithm = "direct"


def conv(n: Builder, x: Any, outputs: int, algorithm: str = "direct", residual: Any = None, **more: Any) -> Any:
    """With a rectifier, behind a residual where there is one."""
    n.algorithm = algorithm  # type: ignore[attr-defined]
    y = n.conv(x, outputs, **more)
    return n.act(y if residual is None else n.op("add", y, residual))


def max_pool(n: Builder, x: Any, kernel: int = 2, stride: int = 2, padding: int = 0, ceil: bool = False) -> Any:
    sizes = {"kernel": [kernel] * 2, "stride": [stride] * 2, "padding": [padding] * 4, "dilation": [1, 1]}
    return n.op("max_pool", x, ceil_mode=ceil, **sizes)


def repeated(n: Builder, x: Any, sizes: tuple[int, int]) -> Any:
    """Nearest upsampling, twice as high and wide as `sizes`."""
    for axis, size in zip((2, 3), sizes, strict=True):
        x = n.op("take", x, axis=axis, indices=[i // 2 for i in range(2 * size)], value=0.0)
    return x


# ---- the chains: (builder, x) -> outputs, with the shape of x, the ops that run in bands, and whether all algorithms are named


def vgg(n: Builder, x: Any) -> list[Any]:
    y = conv(n, conv(n, x, 24, "first_winograd"), 20, "winograd_f5")
    y = conv(n, max_pool(n, y), 36, "winograd_f4")
    return [max_pool(n, conv(n, y, 36, "winograd_f6"))]


def chain_of(algorithm: str) -> Callable[[Builder, Any], list[Any]]:
    def chain(n: Builder, x: Any) -> list[Any]:
        kernel = 5 if algorithm.endswith("5x5") else 3
        y = conv(n, conv(n, conv(n, x, 17), 40, algorithm, kernel=kernel), 19, algorithm, kernel=kernel)
        return [conv(n, y, 33, algorithm, kernel=kernel, residual=conv(n, y, 33, kernel=1))]

    return chain


def stem(algorithm: str) -> Callable[[Builder, Any], list[Any]]:
    return lambda n, x: [conv(n, max_pool(n, conv(n, x, 40, algorithm, kernel=7, stride=2), 3, 2, 1), 24, "winograd_f4")]


def strides(n: Builder, x: Any) -> list[Any]:
    y = conv(n, conv(n, x, 24), 30, kernel=3, stride=2, padding=2)
    y = max_pool(n, conv(n, y, 26, kernel=5, padding=0), 3, 2, ceil=True)
    return [conv(n, n.pool("avg_pool", conv(n, y, 64), 3, 1, 1), 64, stride=3)]


def inverted_residuals(kernel: int) -> Callable[[Builder, Any], list[Any]]:
    def block(n: Builder, x: Any, outputs: int, stride: int) -> Any:
        wide = 96
        y = conv(n, conv(n, x, wide, kernel=1), wide, "depthwise", kernel=kernel, stride=stride, groups=wide)
        n.algorithm = "direct"  # type: ignore[attr-defined]
        y = n.conv(y, outputs, kernel=1)
        return y if stride > 1 or outputs != n.channels(x) else n.op("add", y, x)

    def chain(n: Builder, x: Any) -> list[Any]:
        return [conv(n, block(n, block(n, block(n, conv(n, x, 20), 20, 1), 20, 1), 40, 2), 24, kernel=1)]

    return chain


def elementwise(n: Builder, x: Any) -> list[Any]:
    y = conv(n, x, 30)
    z = n.op("multiply", n.norm(y, 0.5), n.parameter(n.rng.uniform(0.1, 0.9, (1, 30, 1, 1))))
    z = n.act(n.op("scale_shift", z, scale=0.5, shift=0.125), "silu")
    return [conv(n, n.op("maximum", y, z), 8, kernel=1)]


def down_and_up(n: Builder, x: Any) -> list[Any]:
    before = conv(n, conv(n, x, 16), 32, "winograd_f4")
    low = conv(n, max_pool(n, before), 32, "winograd_f2")
    up = conv(n, repeated(n, low, (33, 36)), 16, algorithm="")
    return [conv(n, conv(n, n.op("concat", before, up, axis=1), 20, "winograd_f5"), 5, kernel=1)]


def plain_upsampling(n: Builder, x: Any) -> list[Any]:
    y = conv(n, repeated(n, conv(n, x, 16), (33, 35)), 16, kernel=5)
    return [conv(n, y, 4, stride=2)]


def read_elsewhere(n: Builder, x: Any) -> list[Any]:
    """One image of the chain is an output, another is read behind it."""
    y = conv(n, x, 32)
    z = conv(n, conv(n, y, 32), 32)
    w = conv(n, conv(n, z, 40), 8, kernel=1)
    return [z, n.op("reduce", y, kind="mean", axes=[2, 3], keepdims=False), w]


CHAINS: dict[str, tuple[Callable[[Builder, Any], list[Any]], tuple[int, int, int, int], set[str]]] = {
    "vgg": (vgg, (1, 3, 93, 70), {"conv2d", "max_pool"}),
    **{name: (chain_of(name), (2, 5, 151, 90), {"conv2d"}) for name in (*WINOGRAD, "winograd_f2_5x5", "direct")},
    **{name: (stem(name), (1, 3, 203, 150), {"conv2d", "max_pool"}) for name in ("first", "first_winograd")},
    "strides": (strides, (1, 7, 139, 83), {"conv2d", "max_pool"}),
    **{f"inverted-{k}": (inverted_residuals(k), (1, 6, 67, 71), {"conv2d", "pointwise_depthwise"}) for k in (3, 5)},
    "elementwise": (elementwise, (1, 5, 90, 60), {"batch_norm", "multiply", "scale_shift", "maximum", "conv2d"}),
    "down_and_up": (down_and_up, (1, 5, 66, 72), {"upsampled_conv2d", "concat", "conv2d"}),
    "plain_upsampling": (plain_upsampling, (2, 5, 33, 35), {"take", "conv2d"}),
    "read_elsewhere": (read_elsewhere, (1, 5, 70, 50), {"conv2d"}),
}


def an_input(name: str) -> Array:
    return np.random.default_rng(2).uniform(-1, 1, CHAINS[name][1]).astype(np.float32)


@cache
def expected(name: str) -> tuple[list[Array], float]:
    builder = OnOracle(name)
    outputs = CHAINS[name][0](builder, an_input(name).astype(np.float64))
    return outputs, error_bound(builder) + MOST_ERROR * len(builder.values) / 2


def program(name: str, isa: str, small: bool) -> _core.Program:
    builder = WithAlgorithms(name)
    builder.graph.outputs(CHAINS[name][0](builder, builder.graph.input("x", CHAINS[name][1])))
    return _core.Program(builder.graph, isa=isa, small=small)


def banded(run: _core.Program) -> set[str]:
    return {step["op"] for step in run.steps if step["bands"] > 1}


@pytest.mark.parametrize("name", CHAINS)
def test_chain(name: str, isa: str) -> None:
    small, fast = program(name, isa, small=True), program(name, isa, small=False)
    assert banded(small) >= CHAINS[name][2]
    assert not banded(fast)
    pooled = name.startswith("first")  # with memory="fast", too, only some rows of that image exist
    assert small.memory["arena"] < fast.memory["arena"] + pooled
    wanted, bound = expected(name)
    x = an_input(name)
    results = small.run([x], threads=1)
    for got, want in zip(results, wanted, strict=True):
        assert np.max(np.abs(got - want)) <= bound
    assert same_bits(fast.run([x], threads=1), results)
    for threads in (2, 3):
        assert same_bits(small.run([x], threads=threads), results)


@pytest.mark.parametrize("name", CHAINS)
def test_runs_leave_nothing_behind(name: str, isa: str) -> None:
    small, x = program(name, isa, small=True), an_input(name)
    first = small.run([x], threads=1)
    with np.errstate(all="ignore"):
        small.run([np.full_like(x, np.nan)], threads=1)
    assert same_bits(small.run([x], threads=1), first)


@pytest.mark.parametrize("height", [*range(96, 109), 151])
def test_images_of_any_height(height: int) -> None:
    """Bands end where rows of tiles end, and the last may be a row."""
    rng = np.random.default_rng(height)
    weights = [rng.uniform(-1, 1, shape).astype(np.float32) / 50 for shape in ((32, 3, 3, 3), (32, 32, 3, 3), (32, 32, 3, 3))]
    programs = []
    for small in (True, False):
        graph = _core.Graph()
        y = graph.input("x", (1, 3, height, 130))
        for i, (weight, algorithm) in enumerate(zip(weights, ("first_winograd", "winograd_f6", "winograd_f5"), strict=True)):
            attributes = {"stride": [1, 1], "padding": [1] * 4, "dilation": [1, 1], "groups": 1, "algorithm": algorithm}
            y = graph.add("conv2d", [y, graph.parameter(_core.Parameter(weight), f"weight{i}"), None], attributes)[0]
        pool = {"kernel": [3, 2], "stride": [2, 1], "padding": [1, 0, 0, 1], "dilation": [1, 1], "ceil_mode": True}
        graph.outputs(graph.add("max_pool", [y], pool))
        programs.append(_core.Program(graph, small=small))
    assert banded(programs[0]) >= {"conv2d"}
    x = rng.uniform(-1, 1, (1, 3, height, 130)).astype(np.float32)
    assert same_bits(*(program.run([x]) for program in programs))


def prepared(algorithm: str, small: bool) -> tuple[int, int]:
    """Bytes of prepared weights, and of the weight itself."""
    graph, weight = _core.Graph(), np.ones((64, 64, 3, 3), np.float32)
    attributes = {"stride": [1, 1], "padding": [1] * 4, "dilation": [1, 1], "groups": 1, "algorithm": algorithm}
    graph.outputs(graph.add("conv2d", [graph.input("x", (1, 64, 8, 8)), graph.parameter(_core.Parameter(weight), "w"), None], attributes))
    return _core.Program(graph, small=small).memory["prepared"], weight.nbytes


@pytest.mark.parametrize("algorithm", WINOGRAD)
def test_no_transformed_weights_are_kept(algorithm: str) -> None:
    kept, size = prepared(algorithm, small=True)
    assert size <= kept <= size + 64 * 4  # and the bias
    assert prepared(algorithm, small=False)[0] > 1.7 * size


@pytest.mark.parametrize(
    ("name", "shape", "factor"),
    [("vgg16", (1, 3, 224, 224), 3.0), ("mobilenet_v2", (1, 3, 224, 224), 2.0), ("unet", (1, 1, 128, 128), 1.4)],
)
def test_zoo(name: str, shape: tuple[int, ...], factor: float) -> None:
    """The arena of memory="small" is so many times smaller than any that holds whole images; nothing is computed for that."""
    net = getattr(fc.zoo, name)(**({"width": 16} if name == "unet" else {}), seed=None)
    fast, small = (net.memory(shape, threads=1, memory=memory) for memory in ("fast", "small"))
    assert small.lower_bound * factor <= fast.lower_bound
    assert small.prepared_weights < fast.prepared_weights
    assert small.total < fast.total


def test_module() -> None:
    net = fc.zoo.mobilenet_v2(classes=10)
    x = np.random.default_rng(0).uniform(-1, 1, (1, 3, 160, 160)).astype(np.float32)
    fast, small = (net.compile(x.shape, memory=memory) for memory in ("fast", "small"))
    assert np.max(np.abs(fast(x) - small(x))) <= MOST_ERROR * np.max(np.abs(fast(x)))
    assert small.memory.total < fast.memory.total
    assert [step.op for step in small.profile(x)].count("conv2d") == [step.op for step in fast.profile(x)].count("conv2d")
