"""batch_norm_update: running statistics are written after a run, and in training only if the loss was finite."""

from __future__ import annotations

import numpy as np
import pytest
import reference
import tolerance

from fastcnn import _core

Array = np.ndarray
OP = "batch_norm_update"
EPS = 1e-5


class Network:
    """Batch norm of x (4, C, 3, 5) in training, its mean square as loss, and running statistics."""

    def __init__(self, channels: int, momentum: float = 0.1):
        self.shape = (4, channels, 3, 5)
        self.pixels = 4 * 3 * 5
        rng = np.random.default_rng(channels)
        self.weight = _core.Parameter(rng.uniform(0.5, 1.5, channels))
        self.mean, self.var = (_core.Parameter(rng.uniform(0.5, 1.5, channels)) for _ in range(2))
        self.graph = _core.Graph()
        x, target = self.graph.input("x", self.shape), self.graph.input("target", self.shape)
        weight = self.graph.parameter(self.weight, "weight")
        self.y, mean, var, _ = self.graph.add("batch_norm_training", [x, weight, None], {"eps": EPS})
        for running, batch, correction in ((self.mean, mean, 1.0), (self.var, var, self.pixels / (self.pixels - 1))):
            attributes = {"momentum": momentum, "correction": correction}
            assert self.graph.add(OP, [self.graph.parameter(running, "running"), batch], attributes) == []
        self.loss = self.graph.add("mse", [self.y, target])[0]

    def statistics(self) -> tuple[Array, Array]:
        return self.mean.numpy(), self.var.numpy()

    def expected(self, x: Array, momentum: float) -> list[Array]:
        _, mean, var, _ = reference.batch_norm_training(x, eps=EPS)
        corrected = self.pixels / (self.pixels - 1)
        return [
            reference.batch_norm_update(running, batch, momentum=momentum, correction=correction)
            for running, batch, correction in zip(self.statistics(), (mean, var), (1.0, corrected), strict=True)
        ]


def check(network: Network, wanted: list[Array]) -> None:
    for got, want in zip(network.statistics(), wanted, strict=True):
        assert np.all(np.abs(got - want) <= tolerance.tolerance(OP, network.pixels, np.maximum(1, abs(want))))


@pytest.mark.parametrize("channels", [1, 5, 16, 17, 33])
@pytest.mark.parametrize("momentum", [0.1, 0.0, 1.0])
@pytest.mark.parametrize("threads", [1, 3])
def test_run_writes_the_statistics(isa: str, rng: np.random.Generator, channels: int, momentum: float, threads: int) -> None:
    network = Network(channels, momentum)
    network.graph.outputs([network.y])
    program = _core.Program(network.graph, isa=isa)
    for _ in range(2):  # the second time from where the first has left them
        x = rng.uniform(-1, 1, network.shape).astype(np.float32)
        wanted, versions = network.expected(x, momentum), (network.mean.version, network.var.version)
        program.run([x, np.zeros_like(x)], threads=threads)
        check(network, wanted)
        assert (network.mean.version, network.var.version) == (versions[0] + 1, versions[1] + 1)


def test_a_rate_that_changes(isa: str, rng: np.random.Generator) -> None:
    """running = mean of all batches where the rate is 1 / their number."""
    graph, running, rate = _core.Graph(), _core.Parameter(np.full(21, 7.0)), _core.Parameter([1.0])
    values = graph.input("batch", (21,))
    inputs = [graph.parameter(running, "running"), values, graph.parameter(rate, "rate")]
    graph.add(OP, inputs, {"momentum": 1.0, "correction": 1.0})
    graph.outputs(graph.add("scale_shift", [values], {"scale": 1.0, "shift": 0.0}))
    program, batches = _core.Program(graph, isa=isa), rng.uniform(-1, 1, (5, 21)).astype(np.float32)
    for i, batch in enumerate(batches):
        rate.assign([1 / (i + 1)])
        program.run([batch])
        assert np.abs(running.numpy() - batches[: i + 1].mean(0, dtype=np.float64)).max() < 1e-6
    with pytest.raises(ValueError, match=r"^\[batch_norm_update\] rate must be one number\. Got \(21,\)\.$"):
        graph.add(OP, [*inputs[:2], values], {"momentum": 1.0, "correction": 1.0})


def test_training_step_writes_the_statistics(isa: str, rng: np.random.Generator) -> None:
    network = Network(19)
    training = _core.TrainingProgram(network.graph, network.loss, [network.weight], isa=isa)
    optimizer = _core.Optimizer("sgd", [network.weight])
    x = rng.uniform(-1, 1, network.shape).astype(np.float32)
    wanted, weight = network.expected(x, 0.1), network.weight.numpy()
    loss = training.step([x, np.zeros_like(x)], optimizer, [{"lr": 0.1}])[0]
    check(network, wanted)
    assert np.isfinite(loss)
    assert not np.array_equal(network.weight.numpy(), weight)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_loss_that_is_not_finite_writes_nothing(isa: str, rng: np.random.Generator, bad: float) -> None:
    network = Network(19)
    training = _core.TrainingProgram(network.graph, network.loss, [network.weight], isa=isa)
    optimizer = _core.Optimizer("sgd", [network.weight])
    before, weight, version = network.statistics(), network.weight.numpy(), network.mean.version
    x = rng.uniform(-1, 1, network.shape).astype(np.float32)
    target = np.zeros_like(x)
    target[0, 0, 0, 0] = bad
    with pytest.raises(
        FloatingPointError, match=r"^\[fit\] the loss must be finite\. Got loss=(nan|inf) at step 12, learning rate 0\.1\.$"
    ):
        training.step([x, target], optimizer, [{"lr": 0.1}], iteration=12)
    for got, kept in zip((*network.statistics(), network.weight.numpy()), (*before, weight), strict=True):
        np.testing.assert_array_equal(got, kept)
    assert (network.mean.version, optimizer.steps) == (version, 0)


def test_statistics_have_one_value_a_channel() -> None:
    graph = _core.Graph()
    running = graph.parameter(_core.Parameter(np.zeros(3)), "running")
    with pytest.raises(ValueError, match=r"^\[batch_norm_update\] .*\(3,\).*\(4,\)"):
        graph.add(OP, [running, graph.input("batch", (4,))], {"momentum": 0.1, "correction": 1.0})


def test_only_parameters_are_updated() -> None:
    """An input of the caller's is never written."""
    with pytest.raises(ValueError, match=r"batch_norm_update"):
        program_that_updates_an_input()


def program_that_updates_an_input() -> _core.Program:
    graph = _core.Graph()
    x = graph.input("x", (3,))
    graph.add(OP, [x, x], {"momentum": 0.5, "correction": 1.0})
    graph.outputs(graph.add("scale_shift", [x], {"scale": 1.0, "shift": 0.0}))
    return _core.Program(graph)
