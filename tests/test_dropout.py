"""dropout: a mask made of seed, iteration, stream and position, the same everywhere and twice, and otherwise like chance."""

from __future__ import annotations

import math

import numpy as np
import pytest
import reference
import tolerance
from running import Compiled, run, same_bits

from fastcnn import _core

Array = np.ndarray
OP = "dropout"
SHAPES = [(2, 5, 6, 7), (1, 17, 3, 2), (3, 33, 1, 1), (0, 3, 2, 2), (7, 19), (1000,), ()]


def ones(*shape: int) -> Array:
    return np.ones(shape, np.float32)


def mask(isa: str = "", shape: tuple[int, ...] = (2, 5, 6, 7), p: float = 0.4, stream: int = 0, seed: int = 0, iteration: int = 0) -> Array:
    return run(OP, [ones(*shape)], {"p": p, "stream": stream}, isa, seed=seed, iteration=iteration)[0] != 0


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("p", [0.0, 0.25, 0.5, 0.9])
def test_forward_and_gradient(isa: str, rng: np.random.Generator, shape: tuple[int, ...], p: float) -> None:
    x, dy = (rng.uniform(0.5, 1.5, shape).astype(np.float32) for _ in range(2))
    attributes, run_of = {"p": p, "stream": 3}, {"seed": 2**63 + 5, "iteration": 17}
    wanted = reference.dropout(x, **attributes, **run_of)
    forward, backward = (
        Compiled(OP, [x], attributes, isa, ballast=True),
        Compiled(OP, [x], attributes, isa, [0], dy, ballast=True),
    )
    got = forward(**run_of)[0]
    assert got.shape == shape
    assert np.all(np.abs(got - wanted) <= 2 * tolerance.EPS * wanted)
    wanted_gradient = reference.dropout(dy, **attributes, **run_of)  # linear in x, with the mask as its slope
    assert np.all(np.abs(backward(**run_of)[0] - wanted_gradient) <= 2 * tolerance.EPS * wanted_gradient)
    for compiled in (forward, backward):
        assert same_bits(compiled(3, **run_of), compiled(1, **run_of))


def test_everything_dropped(isa: str) -> None:
    """p = 1: zeros, not infinity times zero."""
    x = np.array([1.0, -np.inf, 3.0] * 7, np.float32)
    assert (run(OP, [x], {"p": 1.0, "stream": 0}, isa)[0] == 0).all()


@pytest.mark.parametrize("channels", [1, 3, 16, 17, 20])
def test_layout_does_not_matter(isa: str, channels: int) -> None:
    """After a convolution the value is in blocks of channels; the mask is by the logical index all the same."""
    graph = _core.Graph()
    identity = np.eye(channels, dtype=np.float32)[:, :, None, None]
    attributes = {"stride": [1, 1], "padding": [0] * 4, "dilation": [1, 1], "groups": 1}
    x = graph.input("x", (2, channels, 6, 7))
    y = graph.add("conv2d", [x, graph.parameter(_core.Parameter(identity), "identity"), None], attributes)
    graph.outputs(graph.add(OP, y, {"p": 0.4, "stream": 1}))
    got = _core.Program(graph, isa=isa).run([ones(2, channels, 6, 7)], seed=4)[0]
    np.testing.assert_array_equal(got != 0, mask(isa, (2, channels, 6, 7), stream=1, seed=4))


def test_mask_depends_on_seed_iteration_and_stream_alone(isa: str) -> None:
    base = mask(isa)
    assert np.array_equal(mask(isa), base)
    for change in ({"seed": 1}, {"iteration": 1}, {"stream": 1}, {"seed": 2**64 - 1}):
        other = mask(isa, **change)
        agreement = np.mean(other == base)  # of independent masks: p^2 + (1 - p)^2 = 0.52
        assert abs(agreement - 0.52) < 5 * math.sqrt(0.52 * 0.48 / base.size)


def test_a_smaller_batch_has_the_same_masks(isa: str) -> None:
    np.testing.assert_array_equal(mask(isa, (5, 3, 4, 4))[:2], mask(isa, (2, 3, 4, 4)))


@pytest.mark.parametrize("p", [0.1, 0.5, 0.8])
def test_mask_is_like_chance(p: float) -> None:
    """Counts, neighbours and columns of a large mask lie within five standard deviations of independent draws."""
    kept = mask(shape=(400, 500), p=p, seed=9)
    for part, count in ((kept, kept.size), (kept[:, 0], 400), (kept[0], 500), (kept[:, ::16], 400 * 32)):
        assert abs(part.mean() - (1 - p)) < 5 * math.sqrt(p * (1 - p) / count)
    for a, b in ((kept[:, 1:], kept[:, :-1]), (kept[1:], kept[:-1])):
        both = (1 - p) ** 2
        assert abs(np.mean(a & b) - both) < 5 * math.sqrt(both * (1 - both) / a.size) * 2  # neighbouring pairs share an element


def test_layers_in_one_network_are_independent(isa: str) -> None:
    graph = _core.Graph()
    x = graph.input("x", (50, 41))
    graph.outputs([graph.add(OP, [x], {"p": 0.5, "stream": stream})[0] for stream in (0, 1)])
    a, b = _core.Program(graph, isa=isa).run([ones(50, 41)])
    assert abs(np.mean((a != 0) == (b != 0)) - 0.5) < 5 * 0.5 / math.sqrt(a.size)


def test_the_mask_of_a_parameter_is_new_in_every_run(isa: str) -> None:
    """What parameters alone make is made once, but not what chance makes of them."""
    graph = _core.Graph()
    x, p = graph.input("x", (64,)), graph.parameter(_core.Parameter(np.ones(64, np.float32)), "p")
    mask = graph.add("dropout", [p], {"p": 0.5, "stream": 0})[0]
    graph.outputs(graph.add("multiply", [x, mask], {}))
    program = _core.Program(graph, isa=isa)
    runs = {program.run([np.ones(64, np.float32)], seed=seed, iteration=seed)[0].tobytes() for seed in range(4)}
    assert len(runs) == 4
