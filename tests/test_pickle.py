"""Copies and pickles of parameters, networks and compiled networks: equal, apart from the original, and with what is shared shared."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx_models import small_cnn
from small_nets import Block, lenet, same_state, stripes
from subprocesses import python
from test_io import every_layer
from zoo_networks import SMALL, images, make

import fastcnn as fc

Array = np.ndarray
COPIES: dict[str, Callable[[Any], Any]] = {
    "pickle": lambda value: pickle.loads(pickle.dumps(value)),
    "deepcopy": copy.deepcopy,
    **{f"protocol {n}": lambda value, n=n: pickle.loads(pickle.dumps(value, n)) for n in range(2, pickle.HIGHEST_PROTOCOL + 1)},  # type: ignore[misc]
}


@pytest.fixture(params=COPIES)
def copied(request: pytest.FixtureRequest) -> Callable[[Any], Any]:
    return COPIES[request.param]


def same(a: Any, b: Any) -> bool:
    return np.asarray(a).tobytes() == np.asarray(b).tobytes()


# ---- a shallow copy


def test_a_copy_has_plans_of_its_own() -> None:
    a = fc.Sequential(fc.Linear(4, 2))
    x = np.ones((1, 4), np.float32)
    a(x)
    b = copy.copy(a)
    assert b[0] is a[0]  # as with any object: what it holds is shared
    b[0] = fc.Linear(4, 3)
    assert b(x).shape == (1, 3)
    assert a(x).shape == (1, 2)
    assert b(x).shape == (1, 3)


def test_attributes_taken_over_by_hand_bring_no_plans() -> None:
    a, b = fc.Sequential(fc.Linear(4, 2)), fc.Sequential()
    x = np.ones((1, 4), np.float32)
    a(x)
    b.__dict__.update(a.__dict__)
    b[0] = fc.Linear(4, 3)
    assert (b(x).shape, a(x).shape, b(x).shape) == ((1, 3), (1, 2), (1, 3))


def test_a_shallow_copy_of_a_part_that_is_changed_later() -> None:
    a = fc.Sequential(fc.Sequential(fc.ReLU()), fc.Linear(4, 2))
    x = np.ones((1, 4), np.float32)
    b = copy.copy(a)
    assert same(a(x), b(x))
    a[0].append(fc.Linear(4, 4, seed=0))
    assert same(a(x), b(x))  # the part is that of both


# ---- parameters


def test_parameters(copied: Callable[[Any], Any]) -> None:
    parameter = fc.Parameter(np.arange(6, dtype=np.float32).reshape(2, 3))
    for requires_grad in (True, False):
        parameter.requires_grad = requires_grad
        twin = copied(parameter)
        assert type(twin) is fc.Parameter
        assert twin.requires_grad is requires_grad
        assert same(twin.numpy(), parameter.numpy())
        assert twin.shape == (2, 3)
        twin.assign(np.zeros((2, 3)))
        assert parameter.numpy().any()


@pytest.mark.parametrize("shape", [(), (0,), (2, 0, 3), (1, 1)])
def test_parameters_of_odd_shapes(shape: tuple[int, ...], copied: Callable[[Any], Any]) -> None:
    assert copied(fc.Parameter(np.ones(shape))).shape == shape


def test_what_is_shared_stays_shared(copied: Callable[[Any], Any]) -> None:
    shared = fc.Linear(4, 4, seed=0)
    net = fc.Sequential(shared, fc.ReLU(), shared, fc.Linear(4, 4, seed=1))
    net[3].weight = shared.weight  # type: ignore[attr-defined]
    twin = copied(net)
    assert twin[0] is twin[2]
    assert twin[3].weight is twin[0].weight
    assert twin[0].weight is not shared.weight
    a, b = copied((shared.weight, shared.weight))
    assert a is b


def test_bad_states_are_errors() -> None:
    for state in ((), (np.zeros(2),), (np.zeros(2), 1), (np.zeros(2), True, True)):
        with pytest.raises(ValueError, match=r"^\[Parameter\] a state must be \(values, requires_grad\)\."):
            fc.Parameter.__new__(fc.Parameter).__setstate__(state)
    with pytest.raises(TypeError, match=r"^\[run\] input 'values' must be"):
        fc.Parameter.__new__(fc.Parameter).__setstate__(("text", True))


def test_a_file_is_pickled_by_value(tmp_path: Path, copied: Callable[[Any], Any]) -> None:
    net = fc.Sequential(fc.Conv2d(64, 128, 3, seed=0), fc.Linear(30, 2, seed=1))  # large enough to be mapped
    path = tmp_path / "net.safetensors"
    net.save(path)
    twin = copied(fc.load(path))
    with open(path, "r+b") as file:
        file.write(bytes(path.stat().st_size))
    x = np.ones((1, 64, 4, 32), np.float32)
    assert same(twin(x), net(x))


# ---- networks


def test_every_layer(copied: Callable[[Any], Any]) -> None:
    net = every_layer()
    twin = copied(net)
    assert same_state(net, twin)
    assert repr(net) == repr(twin)
    for a, b in zip(net.modules(), twin.modules(), strict=True):
        assert type(a) is type(b)
        assert a is not b
        assert a.__dict__.keys() - {"_born", "_paths", "_plans"} == b.__dict__.keys() - {"_born", "_paths", "_plans"}


@pytest.mark.parametrize("name", SMALL)
def test_networks_of_the_zoo(name: str, tmp_path: Path) -> None:
    net = make(name, seed=0)
    x = images(name, 1, 64)
    y = net(x)
    twin = pickle.loads(pickle.dumps(net))
    assert same_state(net, twin)
    assert same(twin(x), y)
    twin.save(tmp_path / "twin.safetensors")  # by the name of its function, as the original
    assert same_state(fc.load(tmp_path / "twin.safetensors"), net)


def test_networks_of_ones_own_and_from_files(tmp_path: Path, copied: Callable[[Any], Any]) -> None:
    onnx.save(small_cnn(), tmp_path / "net.onnx")
    from_onnx = fc.load(tmp_path / "net.onnx")
    classifier = lenet()
    (size,) = from_onnx.input_shapes.values()  # type: ignore[attr-defined]
    given = np.ones([2 if not isinstance(n, int) else n for n in size], np.float32)
    for net, x in (
        (Block(4), np.ones((1, 4, 8, 8), np.float32)),
        (from_onnx, given),
        (classifier.to_convolutional((1, 8, 8)), np.ones((1, 1, 11, 12), np.float32)),
    ):
        y = net(x)
        twin = copied(net)
        assert same(twin(x), y)
        for parameter in twin.parameters():
            parameter.assign(np.zeros(parameter.shape))
        assert same(net(x), y)


def test_a_twin_is_trained_to_the_same_bits_and_apart(copied: Callable[[Any], Any]) -> None:
    x, y = stripes(24)
    net = lenet()
    net[0].requires_grad_(False)
    net.fit(x, y, epochs=1, batch_size=8, optimizer="sgd", progress=False)
    twin = copied(net)
    before = net.state_dict()
    twin.fit(x, y, epochs=1, batch_size=8, optimizer="sgd", progress=False, seed=1)
    assert all(same(before[key], value) for key, value in net.state_dict().items())
    net.fit(x, y, epochs=1, batch_size=8, optimizer="sgd", progress=False, seed=1)
    assert same_state(net, twin)
    assert same(net.state_dict()["0.weight"], lenet().state_dict()["0.weight"])  # frozen in both


# ---- compiled networks


@pytest.mark.parametrize("options", [{}, {"threads": 1}, {"memory": "small"}, {"accuracy": "strict"}])
def test_compiled_networks(options: Any, copied: Callable[[Any], Any]) -> None:
    net = lenet()
    x = stripes(3)[0]
    run = net.compile(x.shape, **options)
    twin = copied(run)
    assert repr(twin) == repr(run)
    assert [step["algorithm"] for step in twin.program.steps] == [step["algorithm"] for step in run.program.steps]
    y = run(x)
    assert same(twin(x), y)
    net.load_state_dict({key: 0 * value for key, value in net.state_dict().items()})
    assert not same(run(x), y)
    assert same(twin(x), y)  # weights of its own


def test_a_shallow_copy_of_a_compiled_network_has_the_same_weights() -> None:
    net = lenet()
    x = stripes(3)[0]
    run = net.compile(x.shape)
    twin = copy.copy(run)
    assert twin.program is run.program


def test_a_compiled_network_that_was_changed_since_is_refused() -> None:
    net = fc.Sequential(fc.Linear(4, 2))
    run = net.compile((1, 4))
    fc.Sequential(fc.Linear(4, 2))[0].bias = None  # type: ignore[attr-defined]  # a change elsewhere
    pickle.dumps(run)
    for layer in (fc.Linear(4, 2), fc.Sequential(fc.Linear(4, 2), fc.ReLU())):
        net[0] = layer
        with pytest.raises(ValueError, match=r"^\[pickle\] a compiled network is copied from its network, which must be as it was"):
            pickle.dumps(run)
    run = net.compile((1, 4))
    net(np.zeros((2, 4)))
    pickle.dumps(run)


# ---- other processes

SPAWNED = """
import multiprocessing, sys
import numpy as np
import fastcnn as fc

def run(pair):
    net, x = pair
    return net(x)

if __name__ == "__main__":
    context = multiprocessing.get_context("spawn")
    net = fc.Sequential(fc.Conv2d(1, 4, 3, seed=0), fc.ReLU(), fc.Flatten(), fc.Linear(4 * 6 * 6, 3, seed=1))
    x = np.random.default_rng(0).random((2, 1, 8, 8), np.float32)
    with context.Pool(1) as pool:
        answers = pool.map(run, [(net, x), (net.compile(x.shape, threads=1), x)])
    print(all(answer.tobytes() == net(x).tobytes() for answer in answers))
"""


def test_spawned_processes(tmp_path: Path) -> None:
    script = tmp_path / "spawned.py"
    script.write_text(SPAWNED)
    result = python(f"import runpy; runpy.run_path({str(script)!r}, run_name='__main__')")
    assert result.stdout.split() == ["True"]


def test_joblib(tmp_path: Path) -> None:
    joblib = pytest.importorskip("joblib")
    net, x = lenet(), stripes(3)[0]
    for number, value in enumerate((net, net.compile(x.shape, threads=1))):
        joblib.dump(value, tmp_path / f"{number}.joblib")
        assert same(joblib.load(tmp_path / f"{number}.joblib")(x), net(x))
