"""Training within a budget: what is made again on the way back has the bits that it had, and the plan keeps its promise."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from memory_counting import counted
from running import same_bits
from small_nets import lenet

import fastcnn as fc
from fastcnn.memory.budget import bytes_of
from fastcnn.training.plan import trained_parameters, training_plan

Array = np.ndarray


def vgg() -> fc.Sequential:
    """(N, 3, 32, 32) -> (N, 10), with dropout among convolutions and behind linear layers."""
    layers: list[Any] = []
    channels = 3
    for i, (width, pooled) in enumerate([(16, False), (16, True), (32, False), (32, True), (64, False), (64, True)]):
        layers += [fc.Conv2d(channels, width, 3, padding=1, seed=i), fc.BatchNorm2d(width), fc.ReLU(), fc.Dropout(0.1)]
        layers += [fc.MaxPool2d(2)] if pooled else []
        channels = width
    head = fc.Linear(1024, 64, seed=9), fc.ReLU(), fc.Dropout(0.5), fc.Linear(64, 10, seed=10)
    return fc.Sequential(*layers, fc.Flatten(), *head)


class Shared(fc.Module):
    """One convolution and one norm that are passed several times; running statistics are written as often."""

    def __init__(self) -> None:
        self.first, self.conv = fc.Conv2d(3, 16, 3, padding=1, seed=1), fc.Conv2d(16, 16, 3, padding=1, seed=2)
        self.norm, self.last = fc.BatchNorm2d(16), fc.Linear(16, 10, seed=3)

    def forward(self, x: fc.Value) -> fc.Value:
        y = fc.silu(self.first(x))
        for _ in range(6):
            y = fc.silu(self.norm(self.conv(y)) + y)
        return self.last(y.mean((2, 3)))


class Down(fc.Module):
    """A skip connection over all of it, concatenated, as in U-Net."""

    def __init__(self) -> None:
        self.down = fc.ModuleList([fc.Conv2d(3, 16, 3, padding=1, seed=0), *(fc.Conv2d(16, 16, 3, padding=1, seed=i) for i in range(3))])
        self.b, self.c = fc.Conv2d(16, 32, 3, padding=1, seed=4), fc.Conv2d(32, 32, 3, padding=1, seed=5)
        self.up = fc.ModuleList([fc.Conv2d(48, 16, 3, padding=1, seed=6), *(fc.Conv2d(16, 16, 3, padding=1, seed=i) for i in range(7, 10))])
        self.last = fc.Linear(16, 10, seed=11)

    def forward(self, x: fc.Value) -> fc.Value:
        for layer in self.down:
            x = fc.gelu(layer(x))
        y = fc.gelu(self.c(fc.gelu(self.b(fc.max_pool2d(x, 2)))))
        y = fc.concat([fc.interpolate(y, scale_factor=2), x], 1)
        for layer in self.up:
            y = fc.gelu(layer(y))
        return self.last(y.mean((2, 3)))


NETS: dict[str, tuple[Callable[[], fc.Module], int]] = {
    "vgg": (vgg, 16),
    "shared": (Shared, 8),
    "down": (Down, 8),
    "resnet20": (fc.zoo.resnet20, 8),
    "mobilenet_v2": (fc.zoo.mobilenet_v2, 4),
}
OPTIMIZERS: dict[str, Callable[[], fc.optim.Optimizer]] = {
    "sgd": lambda: fc.optim.SGD(0.05, momentum=0.9, weight_decay=1e-3),
    "rmsprop": lambda: fc.optim.RMSprop(1e-3),
    "adam": lambda: fc.optim.Adam(1e-3),
}
ANY = re.compile(r"it takes ([\d.]+ [KMG]?B), ([\d.]+ [KMG]?B) more; (?:batch_size=(\d+) would fit|no batch size fits)\.$")


def batch(count: int) -> tuple[Array, Array]:
    return np.random.default_rng(0).standard_normal((count, 3, 32, 32)).astype(np.float32), np.arange(count) % 10


def trainer(name: str, memory: int | str | None, optimizer: str = "sgd", threads: int = 2, clip_norm: float | None = None) -> fc.Trainer:
    make, count = NETS[name]
    shape = count, 3, 32, 32
    return fc.Trainer(make(), "cross_entropy", OPTIMIZERS[optimizer](), shape, memory=memory, threads=threads, clip_norm=clip_norm)


def need(name: str, optimizer: str = "sgd", clip_norm: float | None = None) -> int:
    plain = trainer(name, None, optimizer, clip_norm=clip_norm)
    return plain.memory_before(plain.batch_shape).total


def least(name: str, optimizer: str = "sgd", clip_norm: float | None = None) -> int:
    """Bytes that a step takes with everything recomputed that can be, as the error says; rounded up."""
    with pytest.raises(ValueError, match=r"^\[fit\] memory must hold a training step\. Got memory=1 B;") as error:
        trainer(name, 1, optimizer, clip_norm=clip_norm)
    found = ANY.search(str(error.value))
    assert found
    assert found[3] is None
    return int(bytes_of("test", "size", found[1]) * 1.02)


def recomputed_work(of: fc.Trainer) -> float:
    return of.plan(of.batch_shape).program.recomputed_work


def trained(of: fc.Trainer, steps: int = 3) -> list[Array]:
    x, y = batch(of.batch_shape[0])
    losses = [of.step(x, y) for _ in range(steps)]
    return [*of.net.state_dict().values(), np.array(losses), *(np.concatenate([a.ravel() for a in s]) for s in of.state.state().values())]


@pytest.mark.parametrize("name", NETS)
def test_the_same_bits_in_less_memory(name: str) -> None:
    whole, smallest = need(name), least(name)
    assert smallest < whole
    expected = trained(trainer(name, None))
    work = []
    for budget in (2 * whole, whole, (whole + smallest) // 2, smallest):
        for threads in (1, 2):
            small = trainer(name, budget, threads=threads)
            assert small.memory_before(small.batch_shape).total <= budget
            assert same_bits(trained(small), expected)
        work.append(recomputed_work(small))
    assert work[:2] == [0, 0]
    assert 0 < work[2] <= work[3]


@pytest.mark.parametrize("optimizer", ["rmsprop", "adam"])
@pytest.mark.parametrize("clip_norm", [None, 0.5])
@pytest.mark.parametrize("name", ["vgg", "resnet20"])
def test_with_every_optimizer(name: str, optimizer: str, clip_norm: float | None) -> None:
    budget = (need(name, optimizer, clip_norm) + least(name, optimizer, clip_norm)) // 2
    small = trainer(name, budget, optimizer, clip_norm=clip_norm)
    assert recomputed_work(small) > 0
    assert same_bits(trained(small), trained(trainer(name, None, optimizer, clip_norm=clip_norm)))


def deep(layers: int) -> fc.Trainer:
    """A chain of equal layers."""
    body = [part for i in range(layers) for part in (fc.Conv2d(16, 16, 3, padding=1, seed=i), fc.SiLU())]
    net = fc.Sequential(fc.Conv2d(3, 16, 1, seed=99), *body, fc.AdaptiveAvgPool2d(1), fc.Flatten(), fc.Linear(16, 10, seed=98))
    return fc.Trainer(net, "cross_entropy", "sgd", (4, 3, 32, 32), memory=None, threads=1)


def test_a_chain_needs_about_the_root_of_its_length() -> None:
    """Chen et al., 2016: n layers as runs of sqrt(n), each done again once: no more than one pass forward."""
    image = 4 * 16 * 34 * 34 * 4
    plain = deep(64)
    assert plain.memory.arena > 64 * 0.85 * image
    with pytest.raises(ValueError, match="memory must hold") as error:
        fc.Trainer(plain.net, "cross_entropy", "sgd", plain.batch_shape, memory="1 KB", threads=1)
    found = ANY.search(str(error.value))
    assert found
    smallest = int(1.02 * bytes_of("test", "size", found[1]))
    assert smallest < 24 * image  # 2 sqrt(64) images, and what the way back itself needs
    small = fc.Trainer(plain.net, "cross_entropy", "sgd", plain.batch_shape, memory=smallest, threads=1)
    forward = 65 * 4 * 32 * 32 * 16 * 16 * 9
    assert 0.5 * forward < recomputed_work(small) < 1.2 * forward


def test_what_does_not_fit_is_an_error_that_says_what_would() -> None:
    budget = int(0.75 * least("resnet20"))
    with pytest.raises(ValueError, match=r"^\[fit\] memory must hold a training step\. Got memory=[\d.]+ [KM]B; ") as error:
        trainer("resnet20", budget)
    found = ANY.search(str(error.value))
    assert found
    size, missing, fits = bytes_of("test", "size", found[1]), bytes_of("test", "size", found[2]), int(found[3])
    assert abs(size - missing - budget) < 0.02 * size
    assert 1 <= fits < 8
    net = fc.zoo.resnet20()
    fc.Trainer(net, "cross_entropy", OPTIMIZERS["sgd"](), (fits, 3, 32, 32), memory=budget, threads=1)
    with pytest.raises(ValueError, match="memory must hold"):
        fc.Trainer(net, "cross_entropy", OPTIMIZERS["sgd"](), (fits + 2, 3, 32, 32), memory=budget, threads=1)


def test_fit_within_a_budget() -> None:
    """With a smaller last batch, which has a plan of its own, and validation."""
    x, y = batch(20)
    states = []
    whole = fc.zoo.resnet20().memory((8, 3, 32, 32), training=True, optimizer="adam").total
    for memory in (None, whole, f"{int(0.85 * whole) // 1024} KB"):
        net = fc.zoo.resnet20()
        given = {"optimizer": "adam", "validation_data": (x[:8], y[:8]), "seed": 3, "progress": False}
        history = net.fit(x, y, epochs=2, batch_size=8, memory=memory, **given)
        states.append([*net.state_dict().values(), np.array(history["loss"]), np.array(history["val_loss"])])
    assert same_bits(states[0], states[1])
    assert same_bits(states[0], states[2])
    with pytest.raises(ValueError, match=r"^\[fit\] memory must hold a training step\. Got memory=100 B; .* no batch size fits\.$"):
        fc.zoo.resnet20().fit(x, y, optimizer="adam", memory=100, progress=False)


@pytest.mark.parametrize("wrong", ["4", -1, 0, True, 1.5])
def test_what_is_no_budget(wrong: Any) -> None:
    rule = r'memory must be a positive number of bytes, or a text like "4 GB"\. Got memory='
    with pytest.raises((ValueError, TypeError), match=rf"^\[fit\] {rule}"):
        lenet().fit(np.zeros((2, 1, 8, 8)), np.zeros(2, int), optimizer="sgd", memory=wrong)
    with pytest.raises((ValueError, TypeError), match=rf"^\[Trainer\] {rule}"):
        fc.Trainer(lenet(), "cross_entropy", "sgd", (2, 1, 8, 8), memory=wrong)


ALLOCATED = """
shape, share, clip_norm = (8, 3, 32, 32), float(sys.argv[1]), float(sys.argv[2]) or None
x, y = np.ones(shape, np.float32), np.zeros(8, np.int32)
warm = fc.zoo.resnet20()
fc.Trainer(warm, "cross_entropy", "adam", (2, 3, 32, 32), threads=2).step(x[:2], y[:2])
del warm
held = counter.held()
net = fc.zoo.resnet20()
plain = fc.Trainer(net, "cross_entropy", "adam", shape, threads=2).memory_before(shape)
budget = int(share * plain.total) if share else None
trainer = fc.Trainer(net, "cross_entropy", "adam", shape, threads=2, clip_norm=clip_norm, memory=budget)
report = trainer.memory_before(shape)
trainer.step(x, y)
program = trainer.plan(shape).program
tensors = [tensor for tensor in (*net.parameters(), *net.buffers()) if isinstance(tensor, fc.Parameter)]
parts = [4 * tensor.size for tensor in tensors] + [4, report.optimizer_state // 2, report.optimizer_state // 2]
parts += [report.arena + program.useful_threads(2) * program.memory["scratch_per_thread"]]
print(json.dumps([sum(map(buffer, parts)), counter.held() - held, report.total == trainer.memory.total, program.recomputed_work]))
"""


@pytest.mark.parametrize(("share", "clip_norm"), [(0, 0), (0, 1), (0.8, 0), (0.9, 1)])
def test_what_is_predicted_is_what_is_allocated(share: float, clip_norm: float) -> None:
    predicted, allocated, same, again = counted(ALLOCATED, str(share), str(clip_norm))
    assert allocated == predicted
    assert same
    assert (again > 0) == (share > 0)


@pytest.mark.parametrize("small_layers", [5, 110])
def test_depth_behind_the_large_images_takes_no_room_from_them(small_layers: int) -> None:
    """There are more places for borders than are tried: those between large images must be among them."""

    def layers(channels: int, count: int) -> list[fc.Module]:
        return [layer for i in range(count) for layer in (fc.Conv2d(channels, 8, 3, padding=1, seed=i), fc.SiLU())]

    net = fc.Sequential(*layers(8, 20), fc.MaxPool2d(8), *layers(8, small_layers), fc.Flatten(), fc.Linear(8 * 16, 2))
    parameters = trained_parameters("test", net)
    whole, least = (
        training_plan(net, fc.loss.MSELoss(), (4, 8, 32, 32), parameters, budget=budget).program.memory["arena"] for budget in (None, 0)
    )
    assert least < 0.5 * whole
