"""Threads from Python's side: the same bits for 1, 2 and 3 of them, and for eight Python threads on one compiled network."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import numpy as np
import pytest
from small_nets import Block, lenet, same_state

import fastcnn as fc


def large() -> fc.Sequential:
    """Enough work for three threads: a thread is used for each million operations."""
    return fc.Sequential(
        fc.Conv2d(3, 16, 3, padding=1, seed=0),
        fc.MaxPool2d(2),
        Block(16),
        fc.Dropout(0.2),
        fc.Conv2d(16, 24, 3, stride=2, seed=1),
        fc.LocalResponseNorm(3),
        fc.PReLU(24),
        fc.AdaptiveAvgPool2d(2),
        fc.Flatten(),
        fc.Linear(96, 10, seed=2),
    )


X = np.random.default_rng(0).standard_normal((8, 3, 32, 32)).astype(np.float32)
Y = np.arange(8) % 10


@pytest.fixture
def default_threads() -> Iterator[None]:
    before = fc.get_num_threads()
    yield
    fc.set_num_threads(before)


def test_a_run_has_the_same_bits() -> None:
    net = large()
    wanted = net.compile(X.shape, threads=1)(X)
    for threads in (2, 3):
        assert net.compile(X.shape, threads=threads)(X).tobytes() == wanted.tobytes()


def test_training_has_the_same_bits(default_threads: None) -> None:
    nets = []
    for threads in (1, 2, 3):
        fc.set_num_threads(threads)
        nets.append(large())
        nets[-1].fit(X, Y, epochs=3, batch_size=5, optimizer=fc.optim.AdamW(1e-2), clip_norm=1.0)
    assert same_state(nets[0], nets[1])
    assert same_state(nets[0], nets[2])


def run_in_threads(work: list[threading.Thread]) -> None:
    for thread in work:
        thread.start()
    for thread in work:
        thread.join(timeout=120)
        assert not thread.is_alive()


def test_eight_python_threads_share_a_compiled_network() -> None:
    """1,000 calls each, half of them with an array of their own to write into."""
    net = lenet()
    images = np.random.default_rng(0).standard_normal((8, 1, 1, 8, 8)).astype(np.float32)
    run = net.compile((1, 1, 8, 8), threads=1)
    wanted = [run(image).tobytes() for image in images]
    wrong: list[tuple[int, int]] = []

    def work(number: int) -> None:
        out = np.empty((1, 4), np.float32)
        for call in range(1000):
            which = (number + call) % 8
            y = run(images[which], out=out if call % 2 else None)
            if y.tobytes() != wanted[which]:
                wrong.append((number, call))

    run_in_threads([threading.Thread(target=work, args=(number,)) for number in range(8)])
    assert not wrong


def test_python_threads_share_a_module() -> None:
    """Plans of several shapes are made and dropped while others use them, each with a team of two."""
    net = large()
    shapes = [(n, 3, size, size) for n in (1, 2) for size in (10, 12, 14, 16, 18, 20)]  # more than are kept
    inputs = [np.random.default_rng(i).standard_normal(shape).astype(np.float32) for i, shape in enumerate(shapes)]
    wanted = [net.compile(x.shape, threads=1)(x).tobytes() for x in inputs]
    wrong: list[int] = []

    def work(number: int) -> None:
        for call in range(60):
            which = (5 * number + call) % len(inputs)
            if net(inputs[which]).tobytes() != wanted[which]:
                wrong.append(which)

    run_in_threads([threading.Thread(target=work, args=(number,)) for number in range(8)])
    assert not wrong


def test_threads_trace_apart() -> None:
    """forward() of two networks at the same time: what is traced in one thread does not show in another."""
    seen: dict[bool, list[bool]] = {True: [], False: []}
    both = threading.Barrier(2, timeout=30)

    class Net(fc.Module):
        def __init__(self, trained: bool) -> None:
            self.linear, self.trained = fc.Linear(2, 2, seed=0), trained

        def forward(self, x: fc.Value) -> fc.Value:
            both.wait()
            seen[self.trained].append(self.training)
            return self.linear(x)

    nets = {trained: Net(trained) for trained in (True, False)}
    train = threading.Thread(target=lambda: fc.Trainer(nets[True], "mse", "sgd", (1, 2)))
    run_in_threads([train, threading.Thread(target=lambda: nets[False](np.zeros((1, 2))))])
    assert seen == {True: [True], False: [False]}
