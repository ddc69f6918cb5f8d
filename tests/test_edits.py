"""Plans and what changes the networks that they are of: which changes make them anew, which do not."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from small_nets import Lambda

import fastcnn as fc

X = np.ones((1, 2, 3, 3), np.float32)


class Multiplied(fc.Module):
    def __init__(self, factor: int) -> None:
        self.register_buffer("factor", np.array([factor]))

    def forward(self, x: fc.Value) -> fc.Value:
        return x * self.factor


def test_a_loaded_integer_buffer_counts() -> None:
    net, other = Multiplied(2), Multiplied(5)
    assert np.array_equal(net(X), 2 * X)
    net.load_state_dict(other.state_dict())
    assert np.array_equal(net(X), 5 * X)


class Counted(fc.Module):
    """Counts its traces."""

    def __init__(self) -> None:
        self.traces: list[int] = []
        self.inner = fc.ReLU()

    def forward(self, x: fc.Value) -> fc.Value:
        self.traces.append(1)
        return self.inner(x)


def test_a_new_module_leaves_the_plans_of_others_alone() -> None:
    net = Counted()
    net(X)
    other = fc.Sequential(fc.Conv2d(2, 2, 1), fc.ReLU())
    other.append(fc.ReLU())
    other.note = "new"
    net(X)
    assert len(net.traces) == 1
    other(X)
    net(X)
    assert len(net.traces) == 1


def test_changes_of_what_was_traced_count_wherever_it_is() -> None:
    net = Counted()
    net(X)
    net.inner = fc.LeakyReLU(0.5)
    assert np.array_equal(net(-X), -0.5 * X)
    layer = fc.LeakyReLU(0.25)  # belongs to no module
    net.inner = fc.Sequential()
    net.inner.forward = lambda x: fc.leaky_relu(x, layer.negative_slope)
    assert np.array_equal(net(-X), -0.25 * X)
    layer.negative_slope = 0.125
    assert np.array_equal(net(-X), -0.125 * X)


def test_a_module_made_in_forward_counts_afterwards() -> None:
    made: list[fc.LeakyReLU] = []

    class Making(fc.Module):
        def forward(self, x: fc.Value) -> fc.Value:
            if not made:
                made.append(fc.LeakyReLU(0.5))
            return made[0](x)

    net = Making()
    assert np.array_equal(net(-X), -0.5 * X)
    made[0].negative_slope = 0.25
    assert np.array_equal(net(-X), -0.25 * X)


def test_the_first_attribute_of_a_traced_module_counts() -> None:
    class Scaled(fc.Module):
        factor = 2.0

        def forward(self, x: fc.Value) -> fc.Value:
            return x * self.factor

    for net, inner in ((layer := Scaled(), layer), (fc.Sequential(layer := Scaled()), layer), (Lambda(layer := Scaled()), layer)):
        assert np.array_equal(net(X), 2 * X)
        inner.factor = 3.0
        assert np.array_equal(net(X), 3 * X)


def test_arguments_too_many_are_refused() -> None:
    with pytest.raises(TypeError):
        fc.Sigmoid(5)  # type: ignore[call-arg]


@pytest.mark.parametrize(
    "run",
    [lambda net: net.predict(X), lambda net: net.compile(X.shape), lambda net: net.memory(X.shape)],
    ids=["predict", "compile", "memory"],
)
def test_forward_does_not_run_its_network(run: Callable[[fc.Module], object]) -> None:
    class Running(fc.Module):
        def forward(self, x: fc.Value) -> fc.Value:
            run(self)
            return x

    rule = r"\[forward\] a network must not be run or compiled by its own forward\(\)"
    for _ in range(2):
        with pytest.raises(RuntimeError, match=rf"^{rule}\. Got Running for \(\(1, 2, 3, 3\),\) at .*test_edits\.py:\d+, `.*`\.$"):
            Running()(X)


def test_forward_that_calls_itself() -> None:
    class Endless(fc.Module):
        def forward(self, x: fc.Value) -> fc.Value:
            return self(X)

    with pytest.raises(RecursionError, match=r"^\[forward\] it must not call itself without end\. Got more calls than Python allows\.$"):
        Endless()(X)
