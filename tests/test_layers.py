"""Layers: their first values, and everything that they share with PyTorch's where that is installed: arguments, repr, state, answers."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from small_nets import Block, lenet

import fastcnn as fc
from fastcnn.nn import layers


@pytest.fixture
def torch() -> Any:
    return pytest.importorskip("torch")


# ---- first values ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "fan_in"),
    [
        (lambda seed: fc.Conv2d(6, 400, (3, 5), groups=2, seed=seed), 45),
        (lambda seed: fc.ConvTranspose2d(6, 400, (3, 5), groups=2, seed=seed), 3000),
        (lambda seed: fc.Linear(50, 300, seed=seed), 50),
    ],
    ids=["Conv2d", "ConvTranspose2d", "Linear"],
)
def test_values_are_drawn_by_torchs_rule(make: Callable[[int | None], fc.Module], fan_in: int) -> None:
    state, bound = make(1).state_dict(), fan_in**-0.5
    for values in state.values():
        assert -bound <= values.min() < -0.95 * bound
        assert 0.95 * bound < values.max() <= bound
        assert abs(values.mean()) < 5 * bound / np.sqrt(3 * values.size)  # five standard deviations
    assert all(np.array_equal(make(1).state_dict()[key], value) for key, value in state.items())
    assert not np.array_equal(make(2).state_dict()["weight"], state["weight"])
    assert not np.array_equal(make(None).state_dict()["weight"], make(None).state_dict()["weight"])


def test_constants() -> None:
    state = fc.BatchNorm2d(3).state_dict()
    assert [state[key].tolist() for key in ("weight", "bias", "running_mean", "running_var")] == [[1] * 3, [0] * 3, [0] * 3, [1] * 3]
    assert fc.PReLU(2, 0.5).state_dict()["weight"].tolist() == [0.5, 0.5]
    assert not fc.BatchNorm2d(3, affine=False).weight


def test_values_do_not_touch_numpys_global_generator() -> None:
    np.random.seed(0)  # noqa: NPY002
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    lenet()
    fc.Linear(3, 3)
    assert np.array_equal(np.random.get_state()[1], before)  # noqa: NPY002


# ---- beside PyTorch --------------------------------------------------------------------------------------------------------------------

OURS = {"seed"}  # a keyword argument that torch has not
THEIRS = {"device", "dtype", "args", "kwargs"}


@pytest.mark.parametrize("name", [name for name in layers.__all__ if name not in ("Layer", "Identity")])
def test_arguments_are_torchs(torch: Any, name: str) -> None:
    ours = {p.name: p for p in inspect.signature(getattr(fc, name)).parameters.values()}
    theirs = {p.name: p for p in inspect.signature(getattr(torch.nn, name)).parameters.values()}
    shared = [key for key in ours if key not in OURS]
    assert shared == [key for key in theirs if key not in THEIRS]
    for key in shared:
        if (name, key) not in {("Softmax", "dim"), ("LogSoftmax", "dim")}:  # None warns in torch, and means 1
            assert ours[key].default == theirs[key].default, key
    assert all(ours[key].kind is inspect.Parameter.KEYWORD_ONLY for key in OURS & set(ours))


SHAPE = (3, 6, 9, 8)

# name: a layer of `nn`, which is torch.nn or ours
LAYERS: dict[str, Callable[[Any], Any]] = {
    "conv": lambda nn: nn.Conv2d(6, 4, 3),
    "conv strided": lambda nn: nn.Conv2d(6, 8, (3, 2), stride=(2, 1), padding=(1, 0), bias=False),
    "conv same": lambda nn: nn.Conv2d(6, 5, (4, 3), padding="same", dilation=(1, 2)),
    "conv valid": lambda nn: nn.Conv2d(6, 5, 3, 2, "valid"),
    "conv groups": lambda nn: nn.Conv2d(6, 4, 3, dilation=2, padding=2, groups=2),
    "conv depthwise": lambda nn: nn.Conv2d(6, 12, 3, padding=1, groups=6),
    "transposed": lambda nn: nn.ConvTranspose2d(6, 4, 2, 2),
    "transposed uneven": lambda nn: nn.ConvTranspose2d(6, 8, (3, 2), (2, 3), (1, 0), (1, 2), 2, False, (2, 1)),
    "transposed depthwise": lambda nn: nn.ConvTranspose2d(6, 6, 4, 2, 1, groups=6),
    "linear": lambda nn: nn.Linear(8, 5),
    "linear without bias": lambda nn: nn.Sequential(nn.Flatten(2), nn.Linear(72, 5, bias=False)),
    "max pool": lambda nn: nn.MaxPool2d(2),
    "max pool wide": lambda nn: nn.MaxPool2d((3, 2), stride=1, padding=(1, 0), dilation=(2, 1), ceil_mode=True),
    "avg pool": lambda nn: nn.AvgPool2d(3, 2, 1, count_include_pad=False),
    "avg pool divisor": lambda nn: nn.AvgPool2d((2, 3), ceil_mode=True, divisor_override=5),
    "adaptive avg pool": lambda nn: nn.AdaptiveAvgPool2d((2, None)),
    "adaptive max pool": lambda nn: nn.AdaptiveMaxPool2d(3),
    "batch norm": lambda nn: nn.BatchNorm2d(6, eps=1e-3, momentum=0.3),
    "batch norm without weights": lambda nn: nn.BatchNorm2d(6, affine=False),
    "batch norm without statistics": lambda nn: nn.BatchNorm2d(6, track_running_stats=False),
    "layer norm": lambda nn: nn.LayerNorm((9, 8)),
    "layer norm of rows": lambda nn: nn.LayerNorm(8, eps=0.1, bias=False),
    "layer norm without weights": lambda nn: nn.LayerNorm([6, 9, 8], elementwise_affine=False),
    "group norm": lambda nn: nn.GroupNorm(3, 6),
    "group norm without weights": lambda nn: nn.GroupNorm(1, 6, eps=1e-3, affine=False),
    "instance norm": lambda nn: nn.InstanceNorm2d(6),
    "instance norm with weights": lambda nn: nn.InstanceNorm2d(6, eps=1e-3, affine=True),
    "conv reflect": lambda nn: nn.Conv2d(6, 4, 3, padding=(1, 2), padding_mode="reflect", bias=False),
    "conv replicate": lambda nn: nn.Conv2d(6, 4, 3, 2, padding=3, padding_mode="replicate"),
    "conv circular": lambda nn: nn.Conv2d(6, 4, (4, 3), padding="same", dilation=(1, 2), padding_mode="circular"),
    "upsample": lambda nn: nn.Upsample(scale_factor=2),
    "upsample columns": lambda nn: nn.Upsample(scale_factor=(1, 1.7)),
    "upsample bilinear": lambda nn: nn.Upsample(size=(14, 5), mode="bilinear", align_corners=True),
    "pixel shuffle": lambda nn: nn.Sequential(nn.Conv2d(6, 8, 1), nn.PixelShuffle(2)),
    "pixel unshuffle": lambda nn: nn.Sequential(nn.ZeroPad2d((0, 1, 0, 0)), nn.PixelUnshuffle(3)),
    "zero pad": lambda nn: nn.ZeroPad2d((1, 0, -2, 3)),
    "reflection pad": lambda nn: nn.ReflectionPad2d(3),
    "replication pad": lambda nn: nn.ReplicationPad2d((1, 2, 3, 0)),
    "local response norm": lambda nn: nn.LocalResponseNorm(3, alpha=0.5, beta=0.5, k=2.0),
    "flatten": lambda nn: nn.Flatten(),
    "flatten part": lambda nn: nn.Flatten(0, 2),
    "identity": lambda nn: nn.Identity(54, unused=True),
    "dropout": lambda nn: nn.Dropout(0.3),
    "relu": lambda nn: nn.ReLU(inplace=True),
    "relu6": lambda nn: nn.ReLU6(),
    "leaky relu": lambda nn: nn.LeakyReLU(0.2),
    "prelu": lambda nn: nn.PReLU(),
    "prelu channels": lambda nn: nn.PReLU(6, init=0.1),
    "elu": lambda nn: nn.ELU(0.7),
    "silu": lambda nn: nn.SiLU(),
    "gelu": lambda nn: nn.GELU(),
    "gelu tanh": lambda nn: nn.GELU(approximate="tanh"),
    "selu": lambda nn: nn.SELU(),
    "celu": lambda nn: nn.CELU(),
    "celu alpha": lambda nn: nn.CELU(0.5),
    "softplus": lambda nn: nn.Softplus(),
    "softplus beta": lambda nn: nn.Softplus(beta=2.5),
    "hardtanh": lambda nn: nn.Hardtanh(),
    "hardtanh bounds": lambda nn: nn.Hardtanh(-0.5, 2.0, inplace=True),
    "mish": lambda nn: nn.Mish(),
    "sigmoid": lambda nn: nn.Sigmoid(),
    "tanh": lambda nn: nn.Tanh(),
    "hardswish": lambda nn: nn.Hardswish(),
    "hardsigmoid": lambda nn: nn.Hardsigmoid(),
    "softmax": lambda nn: nn.Softmax(dim=1),
    "log softmax": lambda nn: nn.LogSoftmax(-1),
    "nested": lambda nn: nn.Sequential(nn.Conv2d(6, 6, 1), nn.Sequential(nn.BatchNorm2d(6), nn.ReLU()), nn.ModuleList([nn.Tanh()])[0]),
}


def input_array() -> np.ndarray:
    return 2 * np.random.default_rng(0).standard_normal(SHAPE).astype(np.float32)


@pytest.mark.filterwarnings("ignore:Using padding='same'")  # torch warns that it copies there
@pytest.mark.parametrize("name", LAYERS)
def test_layer_is_torchs(torch: Any, name: str) -> None:
    """The same repr, the same keys and shapes of the state, and with the same state the same answers."""
    torch.manual_seed(0)
    ours, theirs = LAYERS[name](fc), LAYERS[name](torch.nn).eval()
    assert repr(ours) == repr(theirs).replace(", inplace=False)", ")") or repr(ours) == repr(theirs)
    for parameter in theirs.state_dict().values():
        if parameter.dtype == torch.float32:
            parameter += 0.25 * torch.rand(parameter.shape)
    state = {key: value.numpy() for key, value in theirs.state_dict().items()}
    assert {key: value.shape for key, value in ours.state_dict().items()} == {key: value.shape for key, value in state.items()}
    assert list(ours.state_dict()) == list(state)
    assert {key: value.dtype for key, value in ours.state_dict().items()} == {key: value.dtype for key, value in state.items()}
    ours.load_state_dict(theirs.state_dict())
    x = input_array()
    with torch.no_grad():
        y = theirs(torch.from_numpy(x)).numpy()
    got = ours(x)
    assert got.shape == y.shape
    assert np.allclose(got, y, rtol=1e-5, atol=1e-5)


def test_batch_norm_is_trained_as_torchs(torch: Any) -> None:
    """Running statistics after some steps of different sizes, and the count of batches."""
    ours, theirs = fc.BatchNorm2d(6, momentum=0.2), torch.nn.BatchNorm2d(6, momentum=0.2)
    trainer = fc.Trainer(ours, "mse", fc.optim.SGD(0.0), SHAPE)
    for seed, count in enumerate((3, 2, 3)):
        x = np.random.default_rng(seed).standard_normal((count, *SHAPE[1:])).astype(np.float32) + seed
        trainer.step(x, np.zeros_like(x))
        theirs(torch.from_numpy(x))
    state = ours.state_dict()
    for key, value in theirs.state_dict().items():
        assert np.allclose(state[key], value.numpy(), rtol=1e-5, atol=1e-6), key
    assert state["num_batches_tracked"] == 3


def block_of(torch: Any) -> Any:
    """small_nets.Block as its author would have written it for torch."""

    class Block(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.conv = torch.nn.Conv2d(6, 6, 3, padding="same", bias=False)
            self.norm = torch.nn.BatchNorm2d(6)
            self.gain = torch.nn.Parameter(torch.full((6, 1, 1), 0.5))

        def forward(self, x: Any) -> Any:
            return torch.relu(self.norm(self.conv(x)) * self.gain + x)

    return Block()


def test_a_module_of_ones_own_is_torchs(torch: Any) -> None:
    ours, theirs = Block(6), block_of(torch)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    assert repr(ours) == repr(theirs)
    theirs.load_state_dict({key: torch.from_numpy(np.asarray(value)) for key, value in ours.state_dict().items()})
    x = input_array()
    with torch.no_grad():
        assert np.allclose(ours(x), theirs.eval()(torch.from_numpy(x)).numpy(), atol=1e-5)


def test_functional_is_torchs(torch: Any) -> None:
    def model(F: Any, x: Any, weight: Any, matrix: Any) -> Any:
        x = F.conv2d(x, weight, stride=2, padding=1)
        x = F.max_pool2d(F.leaky_relu(x, 0.1), 2, 1)
        x = F.dropout(F.avg_pool2d(x, 2, stride=1), 0.5, training=False)
        x = F.local_response_norm(F.adaptive_avg_pool2d(x, (2, 2)), 3, 0.1)
        return F.log_softmax(F.linear(F.gelu(F.elu(x)), matrix), dim=-1)

    random, x = np.random.default_rng(0), input_array()
    arrays = [random.standard_normal((4, 6, 3, 3)).astype(np.float32), random.standard_normal((5, 2)).astype(np.float32)]

    class Net(fc.Module):
        def __init__(self) -> None:
            self.weight, self.matrix = (fc.nn.Parameter(array) for array in arrays)

        def forward(self, x: fc.Value) -> fc.Value:
            return model(fc.nn.functional, x, self.weight, self.matrix)

    theirs = model(torch.nn.functional, torch.from_numpy(x), *(torch.from_numpy(array) for array in arrays))
    assert np.allclose(Net()(x), theirs.numpy(), atol=1e-5)
