"""TrainingProgram and Optimizer of the core: which parameters a step writes, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest

from fastcnn import _core

TARGET = np.zeros(4, np.float32)


def parameter(size: int = 4) -> _core.Parameter:
    return _core.Parameter(np.ones(size, np.float32))


def product(*factors: _core.Parameter, trained: list[_core.Parameter], clip_norm: float = 0.0) -> _core.TrainingProgram:
    """The loss is the mean square of the product of the factors, less the input."""
    graph = _core.Graph()
    target = graph.input("target", TARGET.shape)
    values = [graph.parameter(factor, f"factor{i}") for i, factor in enumerate(factors)]
    y = values[0]
    for value in values[1:]:
        y = graph.add("multiply", [y, value], {})[0]
    graph.outputs([y])
    return _core.TrainingProgram(graph, graph.add("mse", [y, target], {})[0], trained, clip_norm=clip_norm)


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
    training = product(p, trained=[unused, p], clip_norm=1.0)
    optimizer = _core.Optimizer(kind, [unused, p])
    for _ in range(3):
        training.step([TARGET], optimizer, [{"lr": 0.1, "weight_decay": 0.5}])
    assert np.array_equal(unused.numpy(), np.ones(4))
    assert np.all(p.numpy() < 1)


@pytest.mark.parametrize("beta2", [0.999, 0.99999, 0.9999999])
def test_adam_with_a_long_memory(beta2: float) -> None:
    """Against double: 1 - beta2 must not be the difference of two floats, which has no digit left."""
    p = parameter()
    training, optimizer = product(p, trained=[p]), _core.Optimizer("adam", [p])
    w, mean, square = 1.0, 0.0, 0.0
    for step in range(1, 21):
        training.step([TARGET], optimizer, [{"lr": 1e-3, "beta1": 0.9, "beta2": beta2, "eps": 1e-8}])
        g = 2 * w / TARGET.size
        mean, square = 0.9 * mean + 0.1 * g, beta2 * square + (1 - beta2) * g * g
        w -= 1e-3 / (1 - 0.9**step) * mean / (np.sqrt(square / (1 - beta2**step)) + 1e-8)
    assert np.max(np.abs(p.numpy() - w)) < 2e-6  # half a unit in the last place for each step, and as much again


@pytest.mark.parametrize(("kind", "name"), [("adam", "beta1"), ("adam", "beta2"), ("rmsprop", "alpha")])
def test_a_memory_that_rounds_to_one_is_refused(kind: str, name: str) -> None:
    p = parameter()
    with pytest.raises(ValueError, match=rf"\[{kind}\] {name} must be below 1 as a 32-bit number\. Got {name}="):
        product(p, trained=[p]).step([TARGET], _core.Optimizer(kind, [p]), [{"lr": 0.1, name: 1 - 1e-8}])


def test_a_convolution_and_its_gradient_read_one_copy_of_the_input(isa: str) -> None:
    """The weight's gradient asks the cost model what the convolution asked: otherwise one reads planes and the other blocks."""
    graph = _core.Graph()
    x = graph.input("x", (1, 4, 64, 64))
    weight = _core.Parameter(np.ones((256, 4, 3, 3), np.float32))
    attributes = {"stride": [1, 1], "padding": [1] * 4, "dilation": [1, 1], "groups": 1}
    y = graph.add("conv2d", [x, graph.parameter(weight, "weight")], attributes)[0]
    loss = graph.add("mse", [y, graph.input("y", (1, 256, 64, 64))], {})[0]
    graph.outputs([y])
    steps = _core.TrainingProgram(graph, loss, [weight], isa=isa).steps
    assert [step["name"] for step in steps if step["op"] == "reorder"].count("x") == 1


def test_an_output_is_not_computed_twice() -> None:
    """The loss reads a ReLU of the output: on the way back the ReLU may be made again, from the output that is there."""
    graph = _core.Graph()
    x, target = graph.input("x", (2, 3, 8, 8)), graph.input("target", (2, 4, 8, 8))
    weight = _core.Parameter(np.full((4, 3, 3, 3), 0.1, np.float32))
    window = {"stride": [1, 1], "padding": [1, 1, 1, 1], "dilation": [1, 1], "groups": 1}
    y = graph.add("conv2d", [x, graph.parameter(weight, "weight")], window)[0]
    positive = graph.add("activation", [y], {"kind": "relu", "a": 0.0, "b": 0.0})[0]
    again = graph.add("activation", [positive], {"kind": "tanh", "a": 0.0, "b": 0.0})[0]
    graph.outputs([y])
    training = _core.TrainingProgram(graph, graph.add("mse", [again, target], {})[0], [weight])
    assert sum(step["op"] == "conv2d" for step in training.steps) == 1
