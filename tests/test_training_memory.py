"""What a training step keeps from the way forward to the way back: convolutions' outputs, and bytes for maxima. The same bits as ever."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from memory_counting import counted
from running import same_bits

import fastcnn as fc
from fastcnn.training.losses import named
from fastcnn.training.plan import trained_parameters, training_plan

SHAPE = (4, 16, 32, 32)
IMAGE = 4 * 16 * 34 * 34 * 4  # bytes of one with a ring of zeros


def block(count: int, *between: Any) -> fc.Sequential:
    layers = [part for i in range(count) for part in (fc.Conv2d(16, 16, 3, padding=1, seed=i), *(make() for make in between))]
    return fc.Sequential(*layers, fc.AdaptiveAvgPool2d(1), fc.Flatten(), fc.Linear(16, 3, seed=9))


def program(net: fc.Module, shape: tuple[int, ...] = SHAPE) -> Any:
    return training_plan(net, named("cross_entropy"), shape, trained_parameters("test", net)).program


def kept(*between: Any) -> float:
    """Images that each further layer keeps."""
    few, many = (program(block(count, *between)).memory["arena"] for count in (6, 16))
    return (many - few) / 10 / IMAGE


def norm() -> fc.Module:
    return fc.BatchNorm2d(16)


@pytest.mark.parametrize("activation", [fc.ReLU, fc.ReLU6, fc.LeakyReLU, fc.SiLU, fc.GELU])
def test_norms_and_activations_are_not_kept(activation: type[fc.Module]) -> None:
    assert kept(norm, activation) == pytest.approx(32**2 / 34**2, rel=0.05)  # what nobody convolves has no ring


@pytest.mark.parametrize("activation", [fc.ReLU, fc.ReLU6, fc.LeakyReLU])
def test_what_goes_into_a_clamp_is_not_kept(activation: type[fc.Module]) -> None:
    assert kept(activation) == pytest.approx(1, rel=0.05)


def test_an_activation_that_the_output_does_not_tell_is_computed_again() -> None:
    assert kept(fc.SiLU) == pytest.approx(1, rel=0.05)


class Pooled(fc.Module):
    """A large image, a convolution of it, and its maxima: the way back needs the first, and a byte for each of the last."""

    def __init__(self, size: int, first: bool) -> None:
        self.pool = fc.MaxPool2d(size, 2, padding=size // 3)
        self.first = first
        self.a, self.b = fc.Conv2d(16, 16, 3, padding=1, seed=1), fc.Conv2d(16, 16, 3, padding=1, seed=2)
        self.last = fc.Linear(16, 3, seed=3)

    def forward(self, x: fc.Value) -> fc.Value:
        y = self.b(fc.relu(self.a(x)))
        y = fc.relu(self.pool(y)) if self.first else self.pool(fc.relu(y))
        return self.last(y.mean((2, 3)))


@pytest.mark.parametrize("size", [2, 3])
def test_maxima_are_kept_as_bytes(size: int) -> None:
    ops = [node["op"] for node in program(Pooled(size, False)).graph["nodes"]]
    assert ops.index("max_pool_places") < ops.index("cross_entropy")
    report = Pooled(size, False).memory(SHAPE, training=True, threads=1)
    loss = next(i for i, step in enumerate(report.steps) if step == "cross_entropy")
    across = [box for box in report.boxes if box.first < loss < box.last and box.name != "x"]
    assert max(box.bytes for box in across) == IMAGE
    assert sum(box.bytes for box in across) < 1.4 * IMAGE
    [places] = [box for box in across if box.op == "max_pool_places"]
    assert places.kind == "activation"
    assert places.bytes == 4 * 16 * 16**2


@pytest.mark.parametrize("size", [2, 3])
def test_maxima_before_the_activation_train_the_same(size: int) -> None:
    x, y = np.random.default_rng(0).standard_normal(SHAPE).astype(np.float32), np.arange(4) % 3
    x[0, :, :8] = 0.25  # equal maxima
    ways = []
    for first in (False, True):
        net = Pooled(size, first)
        net.fit(x, y, epochs=3, batch_size=4, optimizer="sgd", progress=False)
        ways.append(list(net.state_dict().values()))
    assert same_bits(*ways)


@pytest.mark.parametrize("net", ["resnet20", "mobilenet_v2", "unet"])
def test_the_same_bits_for_any_number_of_threads(net: str) -> None:
    shape = (2, 1, 32, 32) if net == "unet" else (2, 3, 32, 32)
    x = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    y = np.zeros((2, 32, 32) if net == "unet" else 2, int)
    states = []
    for threads in (1, 3):
        made = getattr(fc.zoo, net)()
        trainer = fc.Trainer(made, "cross_entropy", "sgd", shape, threads=threads)
        losses = [trainer.step(x, y) for _ in range(2)]
        states.append([*made.state_dict().values(), np.array(losses)])
    assert same_bits(*states)


RAGGED = """
net = fc.Sequential(fc.Flatten(), fc.Linear(1000, 1000), fc.ReLU(), fc.Linear(1000, 10))
trainer = fc.Trainer(net, "cross_entropy", "sgd", (8, 1000), clip_norm=1.0)
held = []
for count in (8, 5, 8, 3, 5):
    trainer.step(np.ones((count, 1000), np.float32), np.zeros(count, int))
    held.append(counter.held())
print(json.dumps(held))
"""


def test_batches_of_other_sizes_share_gradients() -> None:
    held = counted(RAGGED)
    assert max(held) - held[0] < 1 << 10  # and not 4 MB of gradients for each size
