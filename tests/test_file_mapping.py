"""Weights that lie in the file they were loaded from: the same bits, no memory, and nothing that happens to the file ends the process."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx_models import model
from small_nets import same_state
from subprocesses import python

import fastcnn as fc
from fastcnn import _core
from fastcnn.formats import safetensors

SIDE = 16  # of the image
LARGE = 8 << 20  # bytes of weights: well beyond what is read at once
CHANGED = r"^\[run\] the file that weights were loaded from must stay as it is, or be replaced by another\. Got a file that was written to"


def made() -> fc.Sequential:
    """A convolution, whose weights are packed, and a large linear layer, whose weights are read where they lie."""
    inputs = 12 * SIDE * SIDE
    return fc.Sequential(
        fc.Conv2d(3, 12, 3, padding=1, seed=1), fc.BatchNorm2d(12), fc.ReLU(), fc.Flatten(), fc.Linear(inputs, LARGE // 4 // inputs, seed=2)
    )


def image() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((2, 3, SIDE, SIDE), dtype=np.float32)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made().save(tmp_path / "net.safetensors")
    return tmp_path / "net.safetensors"


def is_mapped(path: Path) -> bool:
    return str(path) in Path("/proc/self/maps").read_text()


def test_a_large_file_is_mapped_as_long_as_it_is_needed(path: Path) -> None:
    net = fc.load(path)
    assert is_mapped(path)
    assert same_state(net, made())
    assert np.array_equal(net(image()), made()(image()))
    weight = net[4].weight  # type: ignore[attr-defined]
    del net
    assert is_mapped(path)
    assert np.array_equal(weight.numpy(), made()[4].weight.numpy())  # type: ignore[attr-defined]
    del weight
    assert not is_mapped(path)


def test_a_small_file_is_read(tmp_path: Path) -> None:
    fc.Linear(20, 30, seed=0).save(tmp_path / "a")
    net = fc.load(tmp_path / "a")
    assert not is_mapped(tmp_path / "a")
    os.truncate(tmp_path / "a", 10)
    assert same_state(net, fc.Linear(20, 30, seed=0))


def test_weights_take_no_memory_of_their_own(path: Path) -> None:
    code = f"""
import gc, numpy as np, fastcnn as fc
from fastcnn.loading import load
anonymous = lambda: next(int(line.split()[1]) << 10 for line in open("/proc/self/status") if line.startswith("RssAnon"))
fc.load({str(path)!r}), gc.collect()
before = anonymous()
net = fc.load({str(path)!r})
net(np.zeros((1, 3, {SIDE}, {SIDE}), np.float32))
print(anonymous() - before)
"""
    assert int(python(code).stdout) < LARGE / 4


@pytest.mark.parametrize("change", [os.unlink, lambda path: fc.Linear(3, 3).save(path)], ids=["deleted", "replaced"])
def test_a_file_may_go(path: Path, change: Callable[[Path], object]) -> None:
    net = fc.load(path)
    change(path)
    assert np.array_equal(net(image()), made()(image()))
    assert same_state(net, made())


def overwrite(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(-4, os.SEEK_END)
        file.write(bytes(4))
    os.utime(path, (1, 1))  # whatever the clock's steps are


@pytest.mark.parametrize("change", [lambda path: os.truncate(path, 100), overwrite], ids=["cut", "overwritten"])
@pytest.mark.parametrize("compiled", [False, True])
def test_a_file_that_is_written_to_is_an_error(path: Path, compiled: bool, change: Callable[[Path], object]) -> None:
    net = fc.load(path)
    if compiled:
        net(image())
    change(path)
    weight = net[4].weight  # type: ignore[attr-defined]
    for use in (lambda: net(image()), net.state_dict, weight.numpy, lambda: weight.assign(np.zeros(weight.shape))):
        with pytest.raises(ValueError, match=CHANGED):
            use()


def test_weights_that_are_written_to_leave_the_file(path: Path) -> None:
    content = path.read_bytes()
    net, other = fc.load(path), fc.load(path)
    expected = made()
    for one in (net, expected):
        one[4].weight.assign(np.ones(one[4].weight.shape))  # type: ignore[attr-defined]
    assert same_state(net, expected)
    assert same_state(other, made())
    assert path.read_bytes() == content
    os.truncate(path, 100)
    assert np.array_equal(net(image()), expected(image()))
    with pytest.raises(ValueError, match=CHANGED):
        other(image())


def test_training_leaves_the_file(path: Path) -> None:
    content, y = path.read_bytes(), np.array([0, 1])
    net, expected = fc.load(path), made()
    for one in (net, expected):
        one(image())  # a program from before
        one.fit(image(), y, epochs=2, optimizer="sgd", progress=False)
    assert path.read_bytes() == content
    os.truncate(path, 100)
    assert same_state(net, expected)
    assert np.array_equal(net(image()), expected(image()))


def test_runs_go_on_while_weights_leave_the_file(path: Path) -> None:
    x, expected = image(), made()(image())
    for _ in range(5):
        net = fc.load(path)
        run = net.compile(x.shape, threads=1)
        wrong: list[int] = []
        start, stop = threading.Barrier(3), threading.Event()

        def work(run: fc.Compiled = run, start: threading.Barrier = start, stop: threading.Event = stop, wrong: list[int] = wrong) -> None:
            start.wait()
            while not stop.is_set():
                wrong.extend([1] * (not np.array_equal(run(x), expected)))

        threads = [threading.Thread(target=work) for _ in range(2)]
        for thread in threads:
            thread.start()
        start.wait()
        net[4].bias.assign(made()[4].bias.numpy())  # type: ignore[attr-defined]
        stop.set()
        for thread in threads:
            thread.join()
        assert not wrong


def test_a_new_network_alone_can_be_filled_from_a_file(path: Path) -> None:
    tensors, _ = safetensors.mapped(path)
    layer = made()[4]
    layer(np.zeros((1, layer.in_features)))  # type: ignore[attr-defined]
    with pytest.raises(ValueError, match=r"^\[Parameter\] values may move only before a graph has the parameter\."):
        layer.weight.load(tensors["4.weight"])  # type: ignore[attr-defined]


def test_floats_must_lie_in_the_file(path: Path) -> None:
    with path.open("rb") as file:
        mapping = _core.FileMapping(file.fileno())
    assert not mapping.floats(0, [2, 2]).flags.writeable
    for offset, shape in ((mapping.size, [1]), (0, [mapping.size]), (2, [1]), (2**63, [1]), (mapping.size - 4, [2])):
        with pytest.raises(ValueError, match=r"^\[load\] floats must lie inside of the file"):
            mapping.floats(offset, shape)
    with pytest.raises(ValueError, match=r"^\[load\] floats must lie inside of the file"):
        mapping.parameter(mapping.size - 4, [2])
    with pytest.raises(ValueError, match=r"^\[load\] the file must be a plain file"):
        _core.FileMapping(os.open("/", os.O_RDONLY))


@pytest.mark.parametrize("odd", range(4))
def test_floats_at_an_odd_place_are_copied(tmp_path: Path, odd: int) -> None:
    values = np.arange(LARGE // 4, dtype=np.float32)
    path = tmp_path / "floats"
    path.write_bytes(bytes(odd) + values.tobytes())
    with path.open("rb") as file:
        parameter = _core.FileMapping(file.fileno()).parameter(odd, values.shape)
    assert np.array_equal(parameter.numpy(), values)
    assert is_mapped(path) == (odd == 0)


def test_onnx(tmp_path: Path) -> None:
    """In the model itself, and in a file beside it."""
    net, x = made(), image()
    path = tmp_path / "net.onnx"
    net.save(path, input_shape=x.shape)
    again = fc.load(path)
    assert np.array_equal(again(x), net(x))
    os.truncate(path, 100)
    if is_mapped(path):  # as the bytes happen to lie
        with pytest.raises(ValueError, match=CHANGED):
            again(x)


def test_onnx_with_external_data(tmp_path: Path) -> None:
    weight = np.random.default_rng(1).standard_normal((64, LARGE // 4 // 64), dtype=np.float32)
    proto = model([onnx.helper.make_node("Gemm", ["x", "w"], ["y"], transB=1)], {"x": (1, weight.shape[1])}, ["y"], {"w": weight})
    onnx.save(proto, tmp_path / "net.onnx", save_as_external_data=True, location="weights", size_threshold=0)
    net = fc.load(tmp_path / "net.onnx")
    assert is_mapped(tmp_path / "weights")
    assert np.array_equal(net.state_dict()["w"], weight)
    x = np.ones((1, weight.shape[1]), np.float32)
    assert np.allclose(net(x), x @ weight.T, atol=1e-2)
    os.truncate(tmp_path / "weights", 4)
    with pytest.raises(ValueError, match=CHANGED):
        net(x)
