"""The update as part of a training step's graph: as early as it may be, no earlier, and only if the loss was finite."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from running import same_bits

import fastcnn as fc
from fastcnn import _core

Array = np.ndarray
RATE = 0.125


def chain(count: int, clip_norm: float | None) -> fc.MemoryReport:
    """Of linear layers with 4 MB of weights each."""
    net = fc.Sequential(*(fc.Linear(1024, 1024, bias=False, seed=i) for i in range(count)))
    return fc.Trainer(net, "mse", "sgd", (2, 1024), clip_norm=clip_norm, threads=1).memory


def test_a_gradient_lives_until_its_weights_are_updated() -> None:
    few, many = chain(4, None), chain(12, None)
    one = 4 * 1024 * 1024
    assert few.gradients == many.gradients <= 2 * one
    for report in (few, many):
        boxes = [box for box in report.boxes if box.kind == "parameter gradient"]
        assert all(box.last - box.first <= 2 for box in boxes)


def test_clipping_keeps_all_gradients() -> None:
    few, many = chain(4, 1.0), chain(12, 1.0)
    assert many.gradients - few.gradients > 0.99 * 8 * 4 * 1024 * 1024
    boxes = [box for box in many.boxes if box.kind == "parameter gradient"]
    assert max(box.first for box in boxes) < min(box.last for box in boxes)


class Product:
    """The loss is the mean square of p * q * p, less nothing; q is read under another shape."""

    def __init__(self, isa: str, clip_norm: float = 0.0) -> None:
        rng = np.random.default_rng(0)
        self.values = [rng.uniform(0.5, 1.5, 4 * 5).astype(np.float32), rng.uniform(0.5, 1.5, (4, 5)).astype(np.float32)]
        self.parameters = [_core.Parameter(value) for value in self.values]
        graph = _core.Graph()
        target = graph.input("target", (20,))
        p, q = (graph.parameter(parameter, name) for parameter, name in zip(self.parameters, "pq", strict=True))
        [flat] = graph.add("reshape", [q], {"shape": [20]})
        [y] = graph.add("multiply", [p, flat])
        [y] = graph.add("multiply", [y, p])
        graph.outputs([y])
        self.training = _core.TrainingProgram(graph, graph.add("mse", [y, target])[0], self.parameters, isa, clip_norm=clip_norm)
        self.optimizer = _core.Optimizer("sgd", self.parameters)

    def gradients(self) -> list[Array]:
        p, q = (value.astype(np.float64).ravel() for value in self.values)
        dy = 2 * (p * q * p) / 20
        return [2 * dy * p * q, (dy * p * p).reshape(4, 5)]

    def step(self, target: float = 0.0) -> None:
        self.training.step([np.full(20, target, np.float32)], self.optimizer, [{"lr": RATE}])


def test_weights_that_are_read_later_are_not_updated_before(isa: str) -> None:
    product = Product(isa)
    product.step()
    for parameter, value, gradient in zip(product.parameters, product.values, product.gradients(), strict=True):
        np.testing.assert_allclose(parameter.numpy(), value - RATE * gradient, rtol=1e-6)
        assert parameter.version == 2  # made and updated
    nodes = product.training.graph["nodes"]
    readers = [i for i, node in enumerate(nodes) if node["op"] == "multiply"]
    assert max(readers) < min(i for i, node in enumerate(nodes) if node["op"] == "update_weights")


def test_the_norm_of_all_gradients_is_clipped(isa: str) -> None:
    product = Product(isa, clip_norm=0.25)
    product.step()
    gradients = product.gradients()
    norm = np.sqrt(sum(np.sum(gradient**2) for gradient in gradients))
    assert norm > 0.5
    for parameter, value, gradient in zip(product.parameters, product.values, gradients, strict=True):
        np.testing.assert_allclose(parameter.numpy(), value - RATE * gradient * 0.25 / (norm + 1e-6), rtol=1e-6)


def test_a_norm_within_the_limit_changes_no_bit(isa: str) -> None:
    plain, clipped = Product(isa), Product(isa, clip_norm=1e9)
    plain.step(), clipped.step()
    assert same_bits(*([parameter.numpy() for parameter in product.parameters] for product in (plain, clipped)))


@pytest.mark.parametrize("clip_norm", [0.0, 1.0])
@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e30])
def test_a_loss_that_is_not_finite_writes_no_weight(isa: str, bad: float, clip_norm: float) -> None:
    product = Product(isa, clip_norm)
    rule = r"^\[fit\] the loss must be finite\. Got loss=(nan|inf) at step 0, learning rate 0\.125\.$"
    with pytest.raises(FloatingPointError, match=rule):
        product.step(bad)
    assert same_bits([parameter.numpy() for parameter in product.parameters], product.values)
    assert [parameter.version for parameter in product.parameters] == [1, 1]
    assert product.optimizer.steps == 0


@pytest.mark.parametrize("sizes", [(1,), (3, 5000), (4096, 1, 8193)])
def test_the_scale(isa: str, rng: np.random.Generator, sizes: tuple[int, ...]) -> None:
    graph = _core.Graph()
    values = [rng.standard_normal(size).astype(np.float32) for size in sizes]
    inputs = [graph.input(f"gradient{i}", value.shape) for i, value in enumerate(values)]
    norm = np.sqrt(sum(np.sum(value.astype(np.float64) ** 2) for value in values))
    wanted = []
    scales = []
    for clip_norm in (0.5 * norm, 2 * norm):
        scales += graph.add("clip_scale", inputs, {"clip_norm": float(clip_norm)})
        wanted.append(min(1.0, clip_norm / (norm + 1e-6)))
    graph.outputs(scales)
    found = _core.Program(graph, isa=isa).run(values)
    np.testing.assert_allclose(np.concatenate(found), wanted, rtol=1e-5)
    assert found[1] == 1


def add(op: str, *shapes: tuple[int, ...], **attributes: Any) -> _core.Graph:
    graph = _core.Graph()
    weight = graph.parameter(_core.Parameter(np.zeros(4, np.float32)), "weight")
    others = [graph.input(f"x{i}", shape) for i, shape in enumerate(shapes)]
    graph.outputs(graph.add("activation", [others[0]], {"kind": "relu", "a": 0.0, "b": 0.0}))
    graph.add(op, [weight, *others], attributes)
    return graph


@pytest.mark.parametrize(
    ("op", "shapes", "attributes", "rule"),
    [
        ("update_weights", [(5,)], {"parameter": 0}, r"the gradient must have the shape of the weight\. Got weight \(4,\), .* \(5,\)\."),
        ("update_weights", [(4,), (2,)], {"parameter": 0}, r"scale must be one number\. Got \(2,\)\."),
        ("update_weights", [(4,)], {"parameter": -1}, r"parameter must not be negative\. Got -1\."),
        ("clip_scale", [(4,)], {"clip_norm": 0.0}, r"clip_norm must be positive\. Got 0\."),
    ],
)
def test_what_is_refused(op: str, shapes: list[tuple[int, ...]], attributes: dict[str, Any], rule: str) -> None:
    with pytest.raises(ValueError, match=rf"^\[{op}\] {rule}$"):
        add(op, *shapes, **attributes)


def test_only_a_training_step_updates_weights() -> None:
    with pytest.raises(ValueError, match=r"^\[update_weights\] only a training step has an optimizer\. Got ''\.$"):
        _core.Program(add("update_weights", (4,), parameter=0))


def test_a_training_step_makes_its_updates_itself() -> None:
    graph = add("update_weights", (4,), parameter=7)
    [loss] = graph.add("mse", [1, graph.input("target", (4,))])
    with pytest.raises(ValueError, match=r"^\[fit\] the updates of weights are appended here\."):
        _core.TrainingProgram(graph, loss, [_core.Parameter(np.zeros(4, np.float32))])


@pytest.mark.parametrize("clip_norm", [float("nan"), float("inf"), -1.0])
def test_a_norm_that_is_none(clip_norm: float) -> None:
    with pytest.raises(ValueError, match=r"^\[fit\] clip_norm must be finite and not negative\. Got "):
        Product("", clip_norm)
