"""TrainingProgram and Optimizer of the core: which parameters a step writes, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest

from fastcnn import _core

TARGET = np.zeros(4, np.float32)


def parameter(size: int = 4) -> _core.Parameter:
    return _core.Parameter(np.ones(size, np.float32))


def product(*factors: _core.Parameter, trained: list[_core.Parameter]) -> _core.TrainingProgram:
    """The loss is the mean square of the product of the factors, less the input."""
    graph = _core.Graph()
    target = graph.input("target", TARGET.shape)
    values = [graph.parameter(factor, f"factor{i}") for i, factor in enumerate(factors)]
    y = values[0]
    for value in values[1:]:
        y = graph.add("multiply", [y, value], {})[0]
    graph.outputs([y])
    return _core.TrainingProgram(graph, graph.add("mse", [y, target], {})[0], trained)


@pytest.mark.parametrize("made_for", ["fewer", "more", "others", "another order"])
def test_an_optimizer_of_other_parameters_is_refused(made_for: str) -> None:
    p, q = parameter(), parameter()
    training = product(p, q, trained=[p, q])
    lists = {"fewer": [q], "more": [p, q, *(parameter(100_000) for _ in range(8))], "others": [p, parameter()], "another order": [q, p]}
    optimizer = _core.Optimizer("sgd", lists[made_for])
    with pytest.raises(ValueError, match=r"\[fit\] the optimizer must be made for the program's parameters\. Got \d+ in the optimizer, 2"):
        training.step([TARGET], optimizer, [{"lr": 0.1}])
    assert optimizer.steps == 0
    assert np.array_equal(p.numpy(), np.ones(4))
    assert np.array_equal(q.numpy(), np.ones(4))


@pytest.mark.parametrize("kind", ["sgd", "adagrad", "rmsprop", "adam", "adamw"])
def test_what_the_loss_does_not_depend_on_stays(kind: str) -> None:
    """As in torch, where its gradient is None: neither decay nor momentum reaches it."""
    p, unused = parameter(), parameter()
    training = product(p, trained=[unused, p])
    optimizer = _core.Optimizer(kind, [unused, p])
    for _ in range(3):
        training.step([TARGET], optimizer, [{"lr": 0.1, "weight_decay": 0.5}], clip_norm=1.0)
    assert np.array_equal(unused.numpy(), np.ones(4))
    assert np.all(p.numpy() < 1)
