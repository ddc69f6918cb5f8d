# ruff: noqa: NPY002, B008
"""Random numbers in forward() are constants of the program: a warning names the line that draws them."""

from __future__ import annotations

import random
import re
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from small_nets import Lambda
from subprocesses import python

import fastcnn as fc

X = np.ones((2, 3), np.float32)
RULE = re.escape(
    "[forward] a number that forward() draws is drawn once for each shape and stays as it is: what is random comes from fc.dropout, "
    "or from an input."
)


def noise(x: Any) -> Any:
    return x + np.random.rand()  # the line


def by_two(x: Any) -> Any:
    scale = 2.0
    y = x * scale
    return noise(y)


class Noisy(fc.Module):
    def __init__(self) -> None:
        self.first = fc.Linear(3, 3, seed=0)

    def forward(self, x: Any) -> Any:
        y = self.first(x)
        if random.random() < 2:
            return y + 1
        return y


@pytest.mark.parametrize(
    ("net", "got"),
    [
        (Lambda(noise), r"np\.random at .*test_drawn_numbers\.py:\d+, `return x \+ np\.random\.rand\(\)  # the line`\."),
        (Lambda(by_two), r"np\.random at .*test_drawn_numbers\.py:\d+, `return x \+ np\.random\.rand\(\)  # the line`\."),
        (fc.Sequential(Lambda(by_two), fc.ReLU()), r"np\.random at .*`return x \+ np\.random\.rand\(\)  # the line`\."),
        (Noisy(), r"random at .*`if random\.random\(\) < 2:`\."),
    ],
)
def test_the_line_is_named(net: fc.Module, got: str) -> None:
    np.random.seed(0)
    with pytest.warns(RuntimeWarning, match=f"^{RULE} Got {got}$") as found:
        net(X)
    assert len(found) == 1
    net(X)  # the program is there: nothing is drawn


def test_in_a_training_step() -> None:
    net = fc.Sequential(fc.Linear(3, 3, seed=0), Lambda(noise))
    with pytest.warns(RuntimeWarning, match=RULE):
        fc.Trainer(net, "mse", "sgd", X.shape)


def test_the_states_are_those_of_one_run() -> None:
    expected = np.random.RandomState(3)
    expected.rand()
    np.random.seed(3)
    with pytest.warns(RuntimeWarning, match=RULE):
        value = Lambda(noise)(X)
    assert np.random.rand() == expected.rand()
    assert np.allclose(value, 1 + np.random.RandomState(3).rand())


def test_under_a_debugger_the_network_is_named() -> None:
    import sys

    sys.settrace(lambda *_: None)
    try:
        with pytest.warns(RuntimeWarning, match=rf"^{RULE} Got np\.random in forward\(\) of Lambda\.$"):
            Lambda(noise)(X)
    finally:
        sys.settrace(None)


def other_thread(x: Any, calls: list[int]) -> Any:
    calls.append(1)
    if len(calls) == 1:
        np.random.rand()  # as if it were another thread: not in the second run
    return x + 1


QUIET: dict[str, Callable[[], fc.Module]] = {
    "arrays": lambda: Lambda(lambda x, a=np.ones(3, np.float32): x + a),
    "a generator of its own": lambda: Lambda(lambda x, rng=np.random.default_rng(0): x + float(rng.random())),
    "new layers": lambda: Lambda(lambda x: x + fc.Linear(3, 3, seed=0).weight),
    "another thread": lambda: Lambda(lambda x, calls=[]: other_thread(x, calls)),
}


@pytest.mark.parametrize("name", QUIET)
def test_no_warning(name: str) -> None:
    net = QUIET[name]()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        net(X if name != "new layers" else np.ones((3, 3), np.float32))


def test_numpy_random_is_not_imported() -> None:
    code = """
import sys
import numpy as np
import fastcnn as fc

class Net(fc.Module):
    def forward(self, x):
        return fc.relu(x)

there = "numpy.random" in sys.modules
Net()(np.ones((1, 2), np.float32))
print(there, "numpy.random" in sys.modules)
"""
    there, after = python(code).stdout.split()
    assert there == after
