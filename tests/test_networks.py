"""Ops together: small networks against the oracle, their gradients, their memory plans; nothing of one run may be seen by the next."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from networks import NETWORKS, SHAPE, OnGraph, OnOracle, an_input, error_bound
from running import same_bits

from fastcnn import _core

Array = np.ndarray
STEP = 2.0**-24  # small, so that hardly any value crosses a kink: float64 leaves 26 bits for the difference


@cache
def expected(name: str) -> tuple[list[Array], float]:
    builder = OnOracle(name)
    return NETWORKS[name](builder, an_input(1).astype(np.float64)), error_bound(builder)


def compiled(name: str, isa: str, batch: int = SHAPE[0]) -> _core.Program:
    builder = OnGraph(name)
    x = builder.graph.input("x", (batch, *SHAPE[1:]))
    builder.graph.outputs(NETWORKS[name](builder, x))
    return _core.Program(builder.graph, isa=isa)


@pytest.mark.parametrize("name", NETWORKS)
def test_network(name: str, isa: str) -> None:
    program = compiled(name, isa)
    wanted, bound = expected(name)
    results = program.run([an_input(1)], threads=1)
    for got, want in zip(results, wanted, strict=True):
        assert got.shape == want.shape
        assert np.max(np.abs(got - want)) <= bound


@pytest.mark.parametrize("name", NETWORKS)
def test_runs_leave_nothing_behind(name: str, isa: str) -> None:
    """NaN and infinity in one run must be gone in the next, which uses the same arena."""
    program = compiled(name, isa)
    first = program.run([an_input(1)], threads=1)
    with np.errstate(all="ignore"):
        for value in (np.nan, np.inf):
            program.run([np.full(SHAPE, value, np.float32)], threads=1)
        assert same_bits(program.run([an_input(1)], threads=1), first)


@pytest.mark.parametrize("name", NETWORKS)
def test_images_of_a_batch_do_not_meet(name: str, isa: str) -> None:
    """An image's answer has the same bits whatever stands beside it in the batch."""
    if name in ("classifier", "outputs_of_all_kinds", "resized_images", "plain_in_between"):
        pytest.skip("a shape or an index in it fixes the batch")
    x = an_input(1)
    alone = compiled(name, isa, batch=1)
    for n, result in enumerate(zip(*compiled(name, isa).run([x], threads=1), strict=True)):
        assert same_bits(alone.run([x[n : n + 1]], threads=1), [y[None] for y in result])


@pytest.mark.parametrize("name", NETWORKS)
def test_plan_keeps_the_living_apart(name: str, isa: str) -> None:
    program = compiled(name, isa)
    blocks = [block for block in program.plan if block["bytes"]]
    for i, a in enumerate(blocks):
        assert a["offset"] % 64 == 0
        assert a["offset"] + a["bytes"] <= program.memory["arena"]
        for b in blocks[:i]:
            at_once = a["first"] <= b["last"] and b["first"] <= a["last"]
            assert not at_once or a["offset"] + a["bytes"] <= b["offset"] or b["offset"] + b["bytes"] <= a["offset"]
    memory = program.memory
    assert memory["lower_bound"] <= memory["arena"] <= memory["without_release"]


def loss(name: str, x: Array, parameters: list[Array], dys: list[Array]) -> float:
    outputs = NETWORKS[name](OnOracle(name, parameters), x)
    return sum(float(np.sum(y * dy)) for y, dy in zip(outputs, dys, strict=True))


@cache
def derivative(name: str) -> tuple[list[Array], list[Array], list[float]]:
    """dy of each output; a direction for the input and each parameter; the derivatives of sum(outputs * dy) along them."""
    builder = OnOracle(name)
    x = an_input(1).astype(np.float64)
    outputs = NETWORKS[name](builder, x)
    rng = np.random.default_rng(7)
    dys = [rng.uniform(-1, 1, y.shape).astype(np.float32) for y in outputs]
    point = [x, *(values.astype(np.float64) for values in builder.values)]
    directions = [rng.uniform(-1, 1, values.shape) for values in point]
    found = []
    for i, direction in enumerate(directions):
        ahead, behind = ([v + s * STEP * direction if j == i else v for j, v in enumerate(point)] for s in (1, -1))
        found.append((loss(name, ahead[0], ahead[1:], dys) - loss(name, behind[0], behind[1:], dys)) / (2 * STEP))
    return dys, directions, found


@pytest.mark.parametrize("name", NETWORKS)
def test_gradient_of_network(name: str, isa: str) -> None:
    """Along a random direction for each parameter. Errors are relative to the sum of magnitudes that makes the derivative."""
    dys, directions, wanted = derivative(name)
    builder = OnGraph(name)
    x = builder.graph.input("x", SHAPE)
    outputs = NETWORKS[name](builder, x)
    seeds = [builder.graph.input(f"dy{i}", dy.shape) for i, dy in enumerate(dys)]
    checked = [i for i, trained in enumerate(builder.trained) if trained]
    gradients = builder.graph.gradient(outputs, seeds, [x, *(builder.parameters[i] for i in checked)])
    builder.graph.outputs(gradients)
    program = _core.Program(builder.graph, isa=isa)
    results = [program.run([an_input(1), *dys], threads=threads) for threads in (1, 2, 3)]
    assert same_bits(results[0], results[1])
    assert same_bits(results[0], results[2])
    positions = [0, *(i + 1 for i in checked)]
    for got, position in zip(results[0], positions, strict=True):
        terms = got * directions[position]
        size = sum(dy.size for dy in dys)
        bound = 2 * error_bound(builder) * (np.sum(np.abs(terms)) + np.sqrt(size)) + 2.0**-50 / STEP * size
        assert abs(np.sum(terms) - wanted[position]) <= bound, f"gradient {position}"
