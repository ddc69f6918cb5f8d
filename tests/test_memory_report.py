"""Memory reports: the plan's numbers under the names of the API, before anything is allocated; what is then allocated is the same."""

from __future__ import annotations

import math

import numpy as np
import pytest
from small_nets import lenet

import fastcnn as fc
from fastcnn.memory.report import MemoryReport, _covered
from fastcnn.support.tables import size_text
from fastcnn.training.plan import trained_parameters

SHAPE = (16, 1, 8, 8)
PARTS = ("parameters", "prepared_weights", "gradients", "optimizer_state", "activations", "activation_gradients", "workspace", "batch")


def weights(net: fc.Module) -> int:
    return sum(4 * parameter.size for parameter in net.parameters())


def arena(report: MemoryReport) -> int:
    return report.activations + report.activation_gradients + report.gradients + report.workspace


def test_inference() -> None:
    net = lenet()
    report = net.memory(SHAPE, threads=1)
    assert report.parameters == weights(net) + 2 * 4 * 6  # running mean and variance
    assert report.batch == 4 * (16 * 64 + 16 * 4)
    assert report.gradients == report.optimizer_state == report.activation_gradients == 0
    assert report.prepared_weights >= 4 * 8 * 6 * 9
    assert report.lower_bound <= arena(report)
    assert report.activations <= report.without_release
    assert report.total == sum(getattr(report, part) for part in PARTS)
    run = net.compile(SHAPE, threads=1)
    assert run.memory == report
    memory = run._program.memory
    assert arena(report) == memory["arena"] + memory["scratch_per_thread"]
    assert report.prepared_weights == memory["prepared"]


def test_training() -> None:
    net = lenet()
    state = {
        name: net.memory(SHAPE, training=True, optimizer=name).optimizer_state for name in ("sgd", "adagrad", "rmsprop", "adam", "adamw")
    }
    copy = sum(64 * math.ceil(parameter.size / 16) for parameter in net.parameters())  # each starts on a cache line
    assert state == {"sgd": 0, "adagrad": copy, "rmsprop": copy, "adam": 2 * copy, "adamw": 2 * copy}
    momentum = net.memory(SHAPE, training=True, optimizer=fc.optim.SGD(0.1, momentum=0.9), threads=1)
    assert momentum.optimizer_state == copy
    first = trained_parameters("test", net)[0]
    of_parameters = [box for box in momentum.boxes if box.kind == "parameter gradient"]
    assert sum(box.logical_bytes for box in of_parameters) == weights(net)
    assert momentum.gradients <= sum(box.bytes for box in of_parameters)
    assert {box.bytes for box in of_parameters if box.name == "0"} == {4 * first.size}
    assert momentum.prepared_weights == 0  # they change with each step and are made in it
    assert momentum.activations > net.memory(SHAPE).activations
    assert momentum.activation_gradients >= 0
    assert any(box.kind == "gradient" for box in momentum.boxes)
    assert momentum.lower_bound <= arena(momentum)
    assert momentum.batch == 4 * (16 * 64 + 16 + 16 * 4)  # images, classes, scores


@pytest.mark.parametrize("optimizer", ["sgd", "adagrad", "adam"])
def test_the_report_is_what_training_allocates(optimizer: str) -> None:
    net, before = lenet(), lenet().memory(SHAPE, training=True, optimizer=optimizer, threads=1)
    trainer = fc.Trainer(net, "cross_entropy", optimizer, SHAPE, threads=1)
    trainer.step(np.zeros(SHAPE), np.zeros(16, int))
    assert trainer.memory == before
    assert trainer.state.bytes == before.optimizer_state


def test_more_threads_need_more_workspace() -> None:
    net = fc.Sequential(fc.Conv2d(64, 64, 3, padding=1), fc.ReLU())
    one, two, three = (net.memory((1, 64, 28, 28), training=True, loss="mse", threads=threads) for threads in (1, 2, 3))
    assert two.workspace - one.workspace == three.workspace - two.workspace >= 0
    assert net.memory((1, 64, 28, 28), threads=fc.get_num_threads()) == net.memory((1, 64, 28, 28))


def test_the_batch_counts_in_proportion() -> None:
    net = lenet()
    small, large = net.memory((1, 1, 8, 8)), net.memory((64, 1, 8, 8))
    assert large.activations >= 32 * small.activations
    assert large.parameters == small.parameters


def test_strict_algorithms_are_counted() -> None:
    net, shape = fc.Sequential(fc.Conv2d(64, 64, 3, padding=1), fc.ReLU()), (1, 64, 28, 28)
    fast, strict = net.memory(shape), net.memory(shape, accuracy="strict")
    assert fast == net.compile(shape).memory
    assert strict == net.compile(shape, accuracy="strict").memory
    assert fast.prepared_weights > strict.prepared_weights  # 8x8 numbers in place of 3x3
    with pytest.raises(NotImplementedError, match=r"^\[memory\] a training step has no accuracy to choose\. Got accuracy='strict' with "):
        net.memory(shape, training=True, accuracy="strict")


def test_bytes_are_counted_once() -> None:
    assert _covered([]) == 0
    assert _covered([(0, 10), (5, 20), (30, 40), (30, 35)]) == 30
    assert _covered([(5, 6), (0, 100)]) == 100


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KB"),
        (1536, "1.5 KB"),
        (2**20, "1.0 MB"),
        (25.7 * 2**20, "25.7 MB"),
        (5 * 2**40, "5120.0 GB"),
    ],
)
def test_sizes_as_text(count: float, text: str) -> None:
    assert size_text(count) == text


def test_the_table() -> None:
    report = MemoryReport(2**20, 0, 512, 3 * 2**30, 1024, 0, 100, 50, lower_bound=1000, without_release=4096, logical_bound=900, arena=1100)
    assert str(report).splitlines() == [
        "memory                      size",
        "------------------------  ------",
        "parameters                1.0 MB",
        "prepared weights             0 B",
        "gradients                  512 B",
        "optimizer state           3.0 GB",
        "activations               1.0 KB",
        "activation gradients         0 B",
        "workspace                  100 B",
        "batch                       50 B",
        "total                     3.0 GB",
        "of which arena            1.1 KB",
        "arena at least            1000 B",
        "arena at least, unpadded   900 B",
        "arena without release     4.0 KB",
    ]
