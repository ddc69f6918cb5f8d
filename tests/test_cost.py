"""cost(): counts by hand, memory for backward from the plan of a training step, times from the limits of the machine."""

from __future__ import annotations

import pytest

import fastcnn as fc
from fastcnn.insight.cost import _FEWER
from fastcnn.support.tables import brief, count_text, fitted, table
from fastcnn.training.plan import kept_bytes

IMAGE = (3, 16, 16)


def small() -> fc.Sequential:
    return fc.Sequential(
        fc.Conv2d(3, 16, 3, padding=1), fc.BatchNorm2d(16), fc.ReLU(), fc.MaxPool2d(2), fc.Sigmoid(), fc.Flatten(), fc.Linear(1024, 10)
    )


def test_counts() -> None:
    cost = small().cost(IMAGE, threads=1)
    assert [row.op for row in cost] == ["conv2d", "batch_norm", "activation", "max_pool", "activation", "reshape", "linear"]
    assert [row.layer for row in cost] == list("0123456")
    assert [row.output for row in cost] == [(16, 16, 16)] * 3 + [(16, 8, 8)] * 2 + [(1024,), (10,)]
    assert [row.parameters for row in cost] == [27 * 16 + 16, 32, 0, 0, 0, 0, 10250]
    assert [row.macs for row in cost] == [27 * 16 * 256, 0, 0, 0, 0, 0, 10240]
    assert (cost.parameters, cost.macs) == (27 * 16 + 48 + 10250, 27 * 16 * 256 + 10240)
    assert cost[0].receptive_field == (3, 3)
    assert cost.activation_bytes == sum(row.activation_bytes for row in cost) == 4 * (3 * 4096 + 3 * 1024 + 10)
    # 8192 multiplications and additions; reads its inputs, weights and bias once, writes 10 numbers
    assert cost[-1].intensity == pytest.approx(2 * 10240 / (4 * (1024 + 10250 + 10)), rel=0.02)


def test_memory_for_backward_is_that_of_the_plan() -> None:
    """What is kept from the forward pass lies in the arena at once, so that all of it is less than the arena and nearly all of it."""
    net = small()
    cost, report = net.cost(IMAGE, threads=1), net.memory((1, *IMAGE), training=True, threads=1)
    kept = cost.backward_bytes
    assert kept is not None
    assert 0.5 * report.activations < kept <= report.activations + report.workspace
    assert kept == sum((kept_bytes(net, IMAGE) or {}).values())
    by_layer = {row.layer: row.backward_bytes for row in cost}
    assert by_layer["0"] is not None and by_layer["0"] >= 4 * 4096  # batch norm reads it again
    assert by_layer["3"] is not None and by_layer["3"] < 4 * 4096


def test_what_cannot_be_trained_keeps_nothing_known() -> None:
    cost = fc.MaxPool2d(2).cost(IMAGE)
    assert cost[0].backward_bytes is cost.backward_bytes is None
    assert "-" in str(cost).splitlines()[2]


def test_times_are_those_of_the_limits() -> None:
    cost = fc.zoo.resnet18().cost((3, 64, 64), threads=1)
    from fastcnn.running.profile import Limits

    limits = Limits(1)
    for row in cost:
        if row.op == "conv2d":  # every step is there, and none is faster than its multiplications
            assert row.algorithm
            fewer = _FEWER.get(row.algorithm.partition(" ")[0], 1.0)
            assert row.seconds >= 0.99 * limits.compute(2 * row.macs / fewer)
        assert (row.seconds == 0) == (row.intensity == 0)
        assert row.op not in ("batch_norm", "activation", "add") or row.seconds == 0  # parts of the steps of convolutions
    assert cost.seconds == pytest.approx(sum(row.seconds for row in cost))
    assert 0 < cost.seconds < 1


@pytest.mark.parametrize("name", ["mobilenet_v2", "zfnet", "squeezenet1_0"])
def test_every_step_counts_once(name: str) -> None:
    """Also one of two layers, and those that bring an image into another order: the total is the sum over the steps."""
    from fastcnn.insight.cost import _steps_of

    net, shape = getattr(fc.zoo, name)(), (3, 224, 224)
    rows, steps = [(row.layer, row.op) for row in net.summary(shape)], list(net.compile((1, *shape), threads=1)._program.steps)
    found = _steps_of(rows, steps)
    assert sorted(id(step) for own in found for step in own) == sorted(map(id, steps))
    for (layer, op), own in zip(rows, found, strict=True):
        assert {step["name"].partition(" + ")[0] for step in own} <= {layer or op}
    if name == "mobilenet_v2":
        (first,) = (row for row in net.cost(shape, threads=1) if row.layer == "features.2.conv.0.0")
        assert first.algorithm == "bands" and first.seconds > 0 and first.intensity > 0


def test_every_algorithm_with_fewer_products_is_known() -> None:
    """A step of an unknown algorithm counts as direct sums, which would be wrong for these."""
    from fastcnn import _core

    direct = {"direct", "direct_1x1", "depthwise", "first"}
    assert set(_core.conv2d_algorithms()) <= set(_FEWER) | direct


def test_the_measured_time_is_above_and_near() -> None:
    """The time to expect is a bound from below of what one thread takes, but for the noise of the machine."""
    import numpy as np

    net = fc.Sequential(fc.Conv2d(64, 64, 3, padding=1), fc.ReLU(), fc.Conv2d(64, 64, 1))
    run = net.compile((1, 64, 56, 56), threads=1)
    measured = run.profile(np.zeros((1, 64, 56, 56), np.float32)).seconds
    expected = net.cost((64, 56, 56), threads=1).seconds
    assert expected < 2 * measured
    assert measured < 50 * expected


def test_bad_arguments() -> None:
    with pytest.raises(ValueError, match=r"^\[cost\] threads must be at least 1\. Got threads=0\.$"):
        small().cost(IMAGE, threads=0)
    with pytest.raises(TypeError, match=r"^\[cost\] a shape must be a tuple of integers\. Got 3\.$"):
        small().cost(3)  # type: ignore[arg-type]


# ---- tables


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0"), (999, "999"), (1000, "1.0 k"), (999_949, "999.9 k"), (999_950, "1.0 M"), (138_357_544, "138.4 M"), (2e9, "2.0 G")],
)
def test_counts_as_text(count: float, text: str) -> None:
    assert count_text(count) == text


@pytest.mark.parametrize("width", [60, 80, 120])
def test_tables_fit_a_terminal(width: int) -> None:
    text = fitted(str(fc.zoo.mobilenet_v2().cost((3, 64, 64))), width, ("op", "algorithm", "FLOP/B", "sees", "backward", "activation"))
    assert max(map(len, text.splitlines())) <= width
    assert ("for want of room without: op" in text) == (width < 100)
    assert "features.18.0" in text


def test_fitting_leaves_out_columns_in_their_order_then_shortens_names() -> None:
    text = table(["name", "a", "b"], [["a.very.long.name.of.a.layer", "1", "2"], ["", "x" * 10, "y"]], left=2)
    assert fitted(text, 80, ("b",)) == text
    assert fitted(text, 40, ("b", "a")).splitlines() == [
        f"{'name':27}  a",
        f"{'-' * 27}  {'-' * 10}",
        "a.very.long.name.of.a.layer  1",
        f"{'':27}  xxxxxxxxxx",
        "for want of room without: b",
    ]
    short = fitted(text, 30, ("b",)).splitlines()
    assert short[2] == "..name.of.a.layer   1"  # the end of a name tells layers of a block from each other
    assert max(map(len, short)) <= 30


def test_fitting_keeps_columns_for_names_of_twenty_letters() -> None:
    text = table(["name", "a", "b"], [[f"{'x' * 30}{'y' * 18}", "1", "2"]], left=2)
    assert fitted(text, 26, ("b", "a")).splitlines()[2:] == [f"..{'x' * 3}{'y' * 18}  1", "for want of room without:", "b"]


def test_words_are_explained_where_they_stand() -> None:
    text = table(["name", "MACs"], [["one", "-"]])
    assert fitted(text, 80, (), {"MACs": "multiply-adds", "-": "none", "two": "no"}).splitlines()[3:] == ["MACs: multiply-adds; -: none"]


def test_names_of_steps_of_several_layers() -> None:
    assert brief("features.2.conv.0.0 + features.2.conv.1.0") == "features.2.conv.0.0 + 1.0"
    assert brief("a.b + c.d") == "a.b + c.d" and brief("a.b + a.c") == "a.b + c" and brief("a.b") == "a.b" and brief("") == ""


@pytest.mark.parametrize("net", [fc.Sequential(), fc.Sequential(fc.Identity())])
def test_a_network_without_layers_costs_nothing(net: fc.Module) -> None:
    assert net.cost((3, 8, 8)) == [] and "total" in str(net.cost((3, 8, 8)))
