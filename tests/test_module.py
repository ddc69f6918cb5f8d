"""Modules: what belongs to them, their state, their calls; the containers; what they show."""

from __future__ import annotations

from collections import OrderedDict

import numpy as np
import pytest
from small_nets import Block, Lambda, lenet
from subprocesses import python

import fastcnn as fc
from fastcnn.network import kept_programs

Array = np.ndarray

# ---- what belongs to a module ----------------------------------------------------------------------------------------------------------


class WithSuper(Block):
    def __init__(self, channels: int) -> None:
        super().__init__(channels)
        self.blocks = fc.ModuleList([Block(channels), Block(channels)])
        self.register_buffer("offset", np.ones(1))
        self.plain_list = [fc.ReLU()]  # as in torch, modules in a list do not belong to it
        self.note = "text"


def test_attributes_are_registered() -> None:
    net = WithSuper(2)
    own = ["gain", "conv.weight", "norm.weight", "norm.bias"]
    inner = [f"blocks.{i}.{key}" for i in range(2) for key in own]
    assert [name for name, _ in net.named_parameters()] == own + inner
    assert [name for name, _ in net.named_children()] == ["conv", "norm", "blocks"]
    assert [name for name, _ in net.named_modules()][:5] == ["", "conv", "norm", "blocks", "blocks.0"]
    assert "offset" in dict(net.named_buffers())
    assert len(list(net.parameters())) == 12
    assert [type(module) for module in net.children()] == [fc.Conv2d, fc.BatchNorm2d, fc.ModuleList]
    del net.blocks
    assert [name for name, _ in net.named_parameters()] == own


def test_buffers_are_not_parameters() -> None:
    net = fc.BatchNorm2d(3)
    assert [name for name, _ in net.named_parameters()] == ["weight", "bias"]
    assert [name for name, _ in net.named_buffers()] == ["running_mean", "running_var", "num_batches_tracked"]
    assert net.state_dict()["num_batches_tracked"].dtype == np.int64
    assert net.state_dict()["num_batches_tracked"].shape == ()
    assert len(list(net.buffers())) == 3


def test_a_shared_module_is_listed_once_and_saved_under_each_name() -> None:
    conv = fc.Conv2d(1, 1, 3, padding=1)
    net = fc.Sequential(conv, fc.ReLU(), conv)
    assert [name for name, _ in net.named_parameters()] == ["0.weight", "0.bias"]
    assert len(list(net.modules())) == 3
    assert list(net.state_dict()) == ["0.weight", "0.bias", "2.weight", "2.bias"]


def test_a_parameter_is_not_replaced_by_an_array() -> None:
    net = fc.Linear(2, 3)
    with pytest.raises(
        TypeError, match=r"^\[Linear\] weight is a parameter, its values are set by \.weight\.assign\(array\)\. Got ndarray\.$"
    ):
        net.weight = np.zeros((3, 2))  # type: ignore[assignment]
    net.bias = None
    assert list(net.state_dict()) == ["weight"]


def test_state_is_a_copy() -> None:
    net = fc.Linear(2, 3, seed=0)
    net.state_dict()["weight"][:] = 0
    assert net.state_dict()["weight"].any()


# ---- state -----------------------------------------------------------------------------------------------------------------------------


def test_state_goes_from_one_network_to_another() -> None:
    a, b = lenet(0), lenet(10)
    x = np.random.default_rng(0).standard_normal((2, 1, 8, 8))
    assert not np.array_equal(a(x), b(x))
    assert b.load_state_dict(a.state_dict()) == ([], [])
    assert np.array_equal(a(x), b(x))


def test_missing_and_unexpected_keys_are_in_one_error() -> None:
    net = fc.Sequential(fc.Linear(2, 3), fc.Linear(3, 4))
    state = net.state_dict()
    del state["0.weight"], state["1.bias"]
    state |= {"extra": np.zeros(1), "2.bias": np.zeros(1)}
    with pytest.raises(ValueError, match="the keys must be those") as info:
        net.load_state_dict(state)
    assert str(info.value) == (
        "[load_state_dict] the keys must be those of the network. Got missing: 0.weight, 1.bias; unexpected: extra, 2.bias."
    )
    assert net.load_state_dict(state, strict=False) == (["0.weight", "1.bias"], ["extra", "2.bias"])


def test_a_wrong_state_changes_nothing() -> None:
    net = fc.Sequential(fc.Linear(2, 3, seed=0), fc.Linear(3, 4, seed=1))
    before = net.state_dict()
    wrong = {key: np.zeros_like(value) for key, value in before.items()} | {"1.bias": np.zeros(5), "1.weight": np.zeros((3, 4))}
    rule = (
        r"^\[load_state_dict\] shapes must be those of the network\. Got '1.weight' \(3, 4\), not \(4, 3\); '1.bias' \(5,\), not \(4,\)\.$"
    )
    with pytest.raises(ValueError, match=rule):
        net.load_state_dict(wrong)
    with pytest.raises(TypeError, match=r"^\[load_state_dict\] '1.bias' must hold floating point numbers or integers. Got bool\.$"):
        net.load_state_dict({**before, "1.bias": np.zeros(4, bool)})
    assert all(np.array_equal(before[key], value) for key, value in net.state_dict().items())


# ---- containers ------------------------------------------------------------------------------------------------------------------------


def test_sequential_is_a_list() -> None:
    net = lenet()
    assert len(net) == 9
    assert [type(layer) for layer in net][:2] == [fc.Conv2d, fc.BatchNorm2d]
    assert net[-1] is net[8]
    part = net[1:4]
    assert isinstance(part, fc.Sequential)
    assert [name for name, _ in part.named_children()] == ["1", "2", "3"]
    assert part[0] is net[1]
    net[2] = fc.Tanh()
    assert isinstance(net[2], fc.Tanh)
    assert net.append(fc.Softmax(1)) is net
    assert len(net) == 10
    assert np.allclose(net(np.zeros((2, 1, 8, 8))).sum(axis=1), 1)


def test_sequential_with_names() -> None:
    net = fc.Sequential(OrderedDict(first=fc.Linear(2, 3), second=fc.ReLU()))
    assert list(net.state_dict()) == ["first.weight", "first.bias"]
    assert net.first is net[0]  # type: ignore[attr-defined]
    assert (net(-np.ones((1, 2)) * 100) >= 0).all()


def test_module_list_has_no_forward() -> None:
    layers = fc.ModuleList([fc.ReLU()]).append(fc.Tanh()).extend([fc.Identity()])
    assert [type(layer) for layer in layers[1:]] == [fc.Tanh, fc.Identity]
    with pytest.raises(NotImplementedError, match=r"^\[forward\] a module that is called must define forward\(\). Got ModuleList\.$"):
        layers(np.zeros((1, 2)))


# ---- calls -----------------------------------------------------------------------------------------------------------------------------


def test_writing_a_module() -> None:
    net, x = Block(3), np.random.default_rng(0).standard_normal((2, 3, 5, 4)).astype(np.float32)
    inner = fc.Sequential(net.conv, net.norm)
    assert np.allclose(net(x), np.maximum(inner(x) * 0.5 + x, 0), atol=1e-6)


def test_plans_follow_changes_of_the_network() -> None:
    net, x = fc.Sequential(fc.Linear(2, 2, seed=0), fc.Identity()), np.array([[1.0, -2.0]])
    y = net(x)
    net[0].load_state_dict({key: -value for key, value in net[0].state_dict().items()})  # new weights
    assert np.allclose(net(x), -y, atol=1e-6)
    net[1] = fc.ReLU()  # new structure
    assert np.allclose(net(x), np.maximum(-y, 0), atol=1e-6)
    net.append(fc.LeakyReLU(0.5))
    net[1] = fc.Identity()
    assert np.allclose(net(x), np.where(-y > 0, -y, -0.5 * y), atol=1e-6)
    net[2].negative_slope = 0.0  # type: ignore[attr-defined]
    assert np.allclose(net(x), np.maximum(-y, 0), atol=1e-6)


def test_plans_are_kept_for_the_latest_shapes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_programs, "MOST_BYTES", 7 * kept_programs.BYTES_A_STEP)  # of the older ones, each of one step
    calls = []
    net = Lambda(lambda x: (calls.append(x.shape), fc.relu(x))[1])
    for _ in range(2):
        for size in range(1, 9):
            net(np.zeros((size, 2)))
    assert len(calls) == 8
    net(np.zeros((1, 2)))
    net(np.zeros((9, 2)))  # takes the place of the one that was used longest ago
    net(np.zeros((1, 2)))
    assert len(calls) == 9
    net(np.zeros((2, 2)))
    assert len(calls) == 10


def test_a_compiled_network_sees_new_weights() -> None:
    net, x = fc.Conv2d(2, 3, 3, seed=0), np.ones((1, 2, 4, 4), np.float32)
    run = net.compile(x.shape, threads=1)
    y = run(x)
    net.load_state_dict({key: 2 * value for key, value in net.state_dict().items()})
    assert np.array_equal(run(x), 2 * y)
    out = np.empty_like(y)
    assert run(x, out=out) is out
    assert np.array_equal(out, 2 * y)
    assert run.shape == (1, 2, 4, 4)


def test_several_outputs() -> None:
    net, x = Lambda(lambda x: (x * 2, [x + 1][0])), np.arange(6.0).reshape(3, 2)
    double, more = net(x)
    assert np.array_equal(double, 2 * x)
    assert np.array_equal(more, x + 1)
    out = tuple(np.empty((3, 2), np.float32) for _ in range(2))
    assert net.compile((3, 2))(x, out=out)[1] is out[1]
    double, more = net.predict(x, batch_size=2)
    assert np.array_equal(more, x + 1)


@pytest.mark.parametrize("count", [0, 1, 5, 6, 7, 12])
def test_predict_goes_by_batches(count: int) -> None:
    net, x = lenet(), np.random.default_rng(0).standard_normal((count, 1, 8, 8))
    y = net.predict(x, batch_size=6)
    assert y.shape == (count, 4)
    assert y.dtype == np.float32
    for i in range(count):
        assert np.allclose(y[i], net(x[i : i + 1])[0], atol=1e-5)


def test_inputs_are_converted_without_scaling() -> None:
    net = Lambda(lambda x: x * 1.0)
    for array in (np.arange(-3, 3).reshape(2, 3), np.arange(6, dtype=np.uint8).reshape(3, 2).T, np.arange(6.0).reshape(2, 3)[::-1, ::-1]):
        assert np.array_equal(net(array), array)
        assert net(array).dtype == np.float32
    assert np.array_equal(net([[1, 2], [3, 4]]), [[1, 2], [3, 4]])


def test_training_is_known_while_tracing() -> None:
    seen = []

    class Net(fc.Module):
        def __init__(self) -> None:
            self.linear = fc.Linear(2, 2)

        def forward(self, x: fc.Value) -> fc.Value:
            seen.append((self.training, self.linear.training))
            return self.linear(x)

    net = Net()
    net(np.zeros((1, 2)))
    fc.Trainer(net, "mse", "sgd", (1, 2))
    net.evaluate(np.zeros((1, 2)), np.zeros((1, 2)), loss="mse")
    assert seen == [(False, False), (True, True), (False, False)]
    assert not net.training


# ---- what is shown ---------------------------------------------------------------------------------------------------------------------


def test_summary() -> None:
    summary = fc.Sequential(
        fc.Conv2d(3, 8, 3, stride=2, padding=1, bias=False),
        fc.BatchNorm2d(8),
        fc.Conv2d(8, 8, 5, padding=4, dilation=2, groups=4),
        fc.MaxPool2d(3, 2),
        fc.AdaptiveAvgPool2d(1),
        fc.Flatten(),
        fc.Linear(8, 10),
    ).summary((3, 16, 16))
    assert [row.output for row in summary] == [(1, 8, 8, 8)] * 3 + [(1, 8, 3, 3), (1, 8, 1, 1), (1, 8), (1, 10)]
    assert [row.parameters for row in summary] == [216, 16, 408, 0, 0, 0, 90]
    assert [row.macs for row in summary] == [27 * 512, 0, 50 * 512, 0, 0, 0, 80]
    # 3; then 4 steps of dilation 2 over pixels 2 apart; then 2 steps over pixels 2 apart
    assert [row.receptive_field for row in summary] == [(3, 3), (3, 3), (19, 19), (23, 23), "whole image", "whole image", "whole image"]
    assert summary[0].activation_bytes == 4 * 512
    lines = str(summary).splitlines()
    assert lines[0].split() == ["layer", "op", "output", "parameters", "MACs", "sees", "activation"]
    assert lines[2].split() == ["0", "conv2d", "8x8x8", "216", "13.8", "k", "3", "2.0", "KB"]
    assert lines[3].split() == ["1", "batch_norm", "8x8x8", "16", "-", "3", "2.0", "KB"]
    assert [line.split()[-3] for line in lines[6:9]] == ["all"] * 3
    assert lines[-1].split()[:4] == ["total", "730", "39.5", "k"]


def test_rows_without_a_layer_are_named_by_their_operation() -> None:
    table = str(fc.zoo.densenet121().summary((3, 64, 64))).splitlines()
    assert [line.split()[0] for line in table[-5:-2]] == ["activation", "avg_pool", "reshape"]


def test_summary_counts_a_shared_layer_once() -> None:
    layer = fc.Linear(4, 4)
    summary = fc.Sequential(layer, fc.ReLU(), layer).summary((4,))
    assert [row.parameters for row in summary] == [20, 0, 0]


def test_profile() -> None:
    net = lenet()
    profile = net.compile((2, 1, 8, 8), threads=1).profile(np.zeros((2, 1, 8, 8)))
    assert {"conv2d", "linear"} <= {step.op for step in profile}
    assert all(step.seconds >= 0 for step in profile)
    assert str(profile).splitlines()[0].split() == ["layer", "op", "algorithm", "ms", "%", "GFLOP/s", "%", "of", "floor"]
    assert any(step.gflops > 0 and step.algorithm for step in profile)


def test_info() -> None:
    info = fc.info()
    assert info["isa"] in info["isas"]
    assert info["threads"] == fc.get_num_threads()
    assert info["version"] == fc.__version__
    before = fc.get_num_threads()
    fc.set_num_threads(before + 1)
    assert fc.get_num_threads() == before + 1
    fc.set_num_threads(before)


def test_what_a_first_prediction_does_not_need_is_imported_later() -> None:
    """The import is short: files, training and reports come when they are first used."""
    code = """
import numpy, sys
before = set(sys.modules)
import fastcnn as fc
fc.Sequential(fc.Conv2d(1, 2, 3), fc.ReLU())(numpy.zeros((1, 1, 4, 4)))
print(*sorted(set(sys.modules) - before))
"""
    loaded = set(python(code).stdout.split())
    assert not loaded & {
        "json",
        "dataclasses",
        "tqdm",
        *(f"fastcnn.{name}" for name in ("formats", "saving", "training.trainer", "memory", "insight")),
    }


def test_names_are_all_there() -> None:
    for module in (fc, fc.nn, fc.nn.functional, fc.optim):
        for name in module.__all__:
            assert hasattr(module, name)
    assert set(fc.__all__) <= set(dir(fc))
    assert fc.nn.Conv2d is fc.Conv2d
    assert fc.nn.functional.relu is fc.relu
    with pytest.raises(
        AttributeError, match=r"^\[Conv3d\] what works on images must be of two dimensions; there is Conv2d\. Got fastcnn\.Conv3d\.$"
    ):
        fc.Conv3d  # noqa: B018
