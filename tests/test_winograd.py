"""Winograd convolutions, each tile size by name, inside a program: any image, batch and channels, and the choice among them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import reference

import fastcnn as fc
from fastcnn import _core

ATTRIBUTES = {"stride": [1, 1], "padding": [1] * 4, "dilation": [1, 1], "groups": 1}
# max |difference| / max |y| that each may have: its transforms magnify roundings (Barabasz et al., 2020).
ERRORS = {"winograd_f2": 1e-6, "winograd_f4": 3e-6, "winograd_f5": 1e-5, "winograd_f6": 1.5e-5, "winograd_f2_5x5": 3e-6}

SHAPES = {  # x, out_channels, padding (top, left, bottom, right)
    "one pixel": ((1, 16, 1, 1), 16, [1] * 4),
    "one tile": ((1, 16, 4, 4), 16, [1] * 4),
    "no padding": ((1, 3, 11, 13), 40, [0] * 4),
    "wide padding": ((2, 17, 5, 3), 3, [2] * 4),
    "uneven padding": ((1, 9, 6, 10), 20, [0, 2, 1, 3]),
    "tiles of several images": ((5, 20, 7, 9), 33, [1] * 4),
    "no image": ((0, 16, 8, 8), 16, [1] * 4),
    "many channels": ((1, 70, 14, 14), 130, [1] * 4),
    "many groups": ((1, 16, 40, 33), 8, [1] * 4),
}


def uniform(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype(np.float32)


def program_of(weight: np.ndarray, x: np.ndarray, isa: str, residual: np.ndarray | None = None, **attributes: Any) -> _core.Program:
    graph = _core.Graph()
    inputs = [graph.input("x", x.shape), graph.parameter(_core.Parameter(weight), "weight"), None]
    if residual is not None:
        inputs.append(graph.input("residual", residual.shape))
    graph.outputs(graph.add("conv2d", inputs, ATTRIBUTES | attributes))
    return _core.Program(graph, isa=isa)


def algorithms(program: _core.Program) -> list[str]:
    return [step["algorithm"] for step in program.steps if step["op"] == "conv2d"]


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("algorithm", ERRORS)
def test_every_tile_size(isa: str, algorithm: str, name: str) -> None:
    shape, channels, padding = SHAPES[name]
    kernel = 5 if algorithm.endswith("5x5") else 3
    padding = [side + kernel - 3 for side in padding]
    x, weight = uniform(0, *shape), uniform(1, channels, shape[1], kernel, kernel)
    plain = reference.conv2d(x, weight, **ATTRIBUTES | {"padding": padding})
    residual = uniform(2, *plain.shape)
    for fused in ({}, {"activation": "relu"}, {"activation": "silu"}):
        more = {"activation_a": 0.0, "activation_b": 0.0} | fused if fused else {}
        added = residual if fused else None
        program = program_of(weight, x, isa, added, padding=padding, algorithm=algorithm, **more)
        assert algorithms(program) == [algorithm]
        want = reference.conv2d(x, weight, None, added, **ATTRIBUTES | {"padding": padding} | more)
        inputs = [x] if added is None else [x, added]
        answers = [program.run(inputs, threads=threads)[0] for threads in (1, 2, 3)]
        np.testing.assert_allclose(answers[0], want, rtol=0, atol=ERRORS[algorithm] * np.abs(plain).max(initial=1))
        for answer in answers[1:]:
            np.testing.assert_array_equal(answer, answers[0])


@pytest.mark.parametrize("shape", [(1, 16, 8, 8), (2, 20, 13, 9), (1, 70, 2, 30)])
@pytest.mark.parametrize("algorithm", ["winograd_f2", "winograd_f4", "winograd_f6", "winograd_f2_5x5"])
def test_pools_while_it_writes(isa: str, algorithm: str, shape: tuple[int, ...]) -> None:
    kernel = 5 if algorithm.endswith("5x5") else 3
    x, weight = uniform(0, *shape), uniform(1, 33, shape[1], kernel, kernel)
    attributes = ATTRIBUTES | {"padding": [kernel // 2] * 4, "algorithm": algorithm}
    pool = {"kernel": [2, 2], "stride": [2, 2], "padding": [0] * 4, "ceil_mode": False}
    programs = []
    for apart in (False, True):  # where the convolution's output is returned, too, the two are two steps
        graph = _core.Graph()
        c = graph.add("conv2d", [graph.input("x", x.shape), graph.parameter(_core.Parameter(weight), "weight"), None], attributes)[0]
        c = graph.add("activation", [c], {"kind": "relu", "a": 0.0, "b": 0.0})[0]
        y = graph.add("max_pool", [c], pool)[0]
        graph.outputs([y, c] if apart else [y])
        programs.append(_core.Program(graph, isa=isa))
    assert [any(step["op"] == "max_pool" for step in program.steps) for program in programs] == [False, True]
    want = programs[1].run([x])[0]
    for threads in (1, 2, 3):
        np.testing.assert_array_equal(programs[0].run([x], threads=threads)[0], want)


@pytest.mark.parametrize(
    "more", [{"kernel": [3, 3]}, {"stride": [1, 1]}, {"padding": [1] * 4}, {"ceil_mode": True}, {"activation": "silu"}]
)
def test_other_pools_stay(more: dict[str, Any]) -> None:
    x, weight = uniform(0, 1, 16, 9, 9), uniform(1, 16, 16, 3, 3)
    pool = {"kernel": [2, 2], "stride": [2, 2], "padding": [0] * 4, "ceil_mode": False} | more
    activation = pool.pop("activation", "relu")
    graph = _core.Graph()
    inputs = [graph.input("x", x.shape), graph.parameter(_core.Parameter(weight), "weight"), None]
    c = graph.add("conv2d", inputs, ATTRIBUTES | {"algorithm": "winograd_f4"})[0]
    c = graph.add("activation", [c], {"kind": activation, "a": 0.0, "b": 0.0})[0]
    graph.outputs(graph.add("max_pool", [c], pool))
    assert "max_pool" in [step["op"] for step in _core.Program(graph).steps]


def test_weights_are_shared_by_images_of_all_sizes(isa: str) -> None:
    weight = _core.Parameter(uniform(1, 24, 20, 3, 3))
    for size in (5, 12):
        x = uniform(0, 1, 20, size, size)
        graph = _core.Graph()
        graph.outputs(
            graph.add("conv2d", [graph.input("x", x.shape), graph.parameter(weight, "w"), None], ATTRIBUTES | {"algorithm": "winograd_f4"})
        )
        got = _core.Program(graph, isa=isa).run([x])[0]
        np.testing.assert_allclose(got, reference.conv2d(x, uniform(1, 24, 20, 3, 3), **ATTRIBUTES), rtol=0, atol=1e-4)


def test_infinity_stays_in_its_tile(isa: str) -> None:
    """What is not finite spoils its tile at the most, as it spoils its neighbours in a direct sum."""
    x, weight = uniform(0, 1, 16, 16, 16), uniform(1, 16, 16, 3, 3)
    x[0, 3, 0, 0] = np.inf
    got = program_of(weight, x, isa, algorithm="winograd_f4").run([x])[0]
    assert not np.isfinite(got[0, :, 0, 0]).all()
    assert np.isfinite(got[0, :, 4:, 4:]).all()


@pytest.mark.parametrize("more", [{"stride": [2, 2]}, {"dilation": [2, 2]}, {"groups": 2}])
def test_only_what_it_can_compute(more: dict[str, Any]) -> None:
    weight = uniform(1, 16, 16 // int(more.get("groups", 1)), 3, 3)
    x = uniform(0, 1, 16, 9, 9)
    with pytest.raises(ValueError, match=r"^\[conv2d\] the algorithm must be able to compute this convolution\. Got winograd_f4\.$"):
        program_of(weight, x, "", algorithm="winograd_f4", **more)
    with pytest.raises(ValueError, match=r"^\[conv2d\] there is no algorithm of this name\. Got fft\.$"):
        program_of(weight, x, "", algorithm="fft", **more)


def test_strict_accuracy_has_the_error_of_direct_sums() -> None:
    net = fc.Sequential(fc.Conv2d(32, 64, 3, padding=1), fc.ReLU(), fc.Conv2d(64, 64, 3, padding=1))
    x = uniform(0, 1, 32, 28, 28)
    fast, strict = net.compile(x.shape), net.compile(x.shape, accuracy="strict")
    assert "winograd_f4" in str(fast.profile(x))
    assert not any(f"winograd_f{outputs}" in str(strict.profile(x)) for outputs in (4, 5, 6))
    wanted = x.astype(np.float64)
    for layer in (net[0], net[2]):
        weight, bias = (layer.state_dict()[name] for name in ("weight", "bias"))
        wanted = reference.conv2d(np.maximum(wanted, 0) if layer is net[2] else wanted, weight, bias, **ATTRIBUTES)
    for run, error in ((fast, 5e-6), (strict, 2e-6)):
        np.testing.assert_allclose(run(x), wanted, rtol=0, atol=error * np.abs(wanted).max())
