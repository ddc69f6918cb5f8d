"""Functions that move, reduce, multiply, resize and normalize: answers and gradients beside PyTorch's, where that is installed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from small_nets import Lambda

import fastcnn as fc
from fastcnn import _core
from fastcnn.network.traced import traced
from fastcnn.nn import functional as F

torch = pytest.importorskip("torch")

Array = np.ndarray
SHAPE = (2, 6, 5, 4)
MATRIX = np.random.default_rng(3).standard_normal((4, 3)).astype(np.float32)


def same(function: Callable[[Any, Any], Any]) -> tuple[Callable[[Any], Any], Callable[[Any], Any]]:
    """One text for both: function(library's functional, x)."""
    return lambda x: function(F, x), lambda x: function(torch.nn.functional, x)


def both(ours: Callable[[Any], Any], theirs: Callable[[Any], Any]) -> tuple[Callable[[Any], Any], Callable[[Any], Any]]:
    return ours, theirs


FUNCTIONS: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "permute": same(lambda _, x: x.permute(0, 2, 3, 1)),
    "permute list": same(lambda _, x: x.permute([3, -1 - 1, 1, 0])),
    "permute of ones": same(lambda _, x: x[:, :, :1, :1].permute(0, 2, 3, 1)),
    "transpose": same(lambda _, x: x.transpose(1, -1)),
    "T": same(lambda _, x: x[0, 0].T),
    "squeeze": same(lambda _, x: x[:1, :, 1:2].squeeze()),
    "squeeze dim": same(lambda _, x: x[:1, :, 1:2].squeeze(2)),
    "squeeze dims": same(lambda _, x: x[:1, :, 1:2].squeeze((0, 1))),
    "unsqueeze": same(lambda _, x: x.unsqueeze(-1).unsqueeze(1)),
    "expand": same(lambda _, x: x[:, :1].expand(3, -1, 6, -1, 4)),
    "contiguous": same(lambda _, x: x.transpose(1, 2).contiguous().view(2, -1)),
    "sum": same(lambda _, x: x.sum()),
    "sum of rows": same(lambda _, x: x.sum(-1, keepdim=True)),
    "mean": same(lambda _, x: x.mean((0, 1))),
    "mean of pixels": same(lambda _, x: x.mean((2, 3))),
    "mean of pixels, kept": same(lambda _, x: x.mean((-1, -2), keepdim=True)),
    "amax": same(lambda _, x: x.amax(1)),
    "amax of all": same(lambda _, x: x.amax()),
    "amin": same(lambda _, x: x.amin((1, 3), True)),
    "matmul": same(lambda _, x: x.matmul(x.transpose(2, 3))),
    "vector @": both(lambda x: F.matmul(MATRIX[:, 0], x.transpose(2, 3)), lambda x: torch.tensor(MATRIX[:, 0]) @ x.transpose(2, 3)),
    "@ matrix": both(lambda x: x @ MATRIX, lambda x: x @ torch.tensor(MATRIX)),
    "@ vector": both(lambda x: x @ MATRIX[:, 1], lambda x: x @ torch.tensor(MATRIX[:, 1])),
    "stack": both(lambda x: fc.stack([x, x * 2, x], 1), lambda x: torch.stack([x, x * 2, x], 1)),
    "stack last": both(lambda x: fc.stack((x, x * 2), -1), lambda x: torch.stack((x, x * 2), -1)),
    "split": same(lambda _, x: x.split([1, 2, 3], dim=1)[2]),
    "flipped": both(lambda x: x[:, :, ::-1], lambda x: x.flip(2)),
    "pad": same(lambda F, x: F.pad(x, (1, 2))),
    "pad value": same(lambda F, x: F.pad(x, (1, 0, 2, 3, 1, 0), value=-1.5)),
    "pad crop": same(lambda F, x: F.pad(x, (-1, 2, 1, -2))),
    "pad reflect": same(lambda F, x: F.pad(x, (3, 1, 2, 4), "reflect")),
    "pad replicate": same(lambda F, x: F.pad(x, (3, 0, 2, 7), mode="replicate")),
    "pad circular": same(lambda F, x: F.pad(x, (4, 1, 0, 5), mode="circular")),
    "nearest": same(lambda F, x: F.interpolate(x, scale_factor=2)),
    "nearest size": same(lambda F, x: F.interpolate(x, (7, 3))),
    "nearest factors": same(lambda F, x: F.interpolate(x, scale_factor=(1.7, 0.6))),
    "nearest recomputed": same(lambda F, x: F.interpolate(x, scale_factor=1.7, recompute_scale_factor=True)),
    "nearest exact": same(lambda F, x: F.interpolate(x, (8, 3), mode="nearest-exact")),
    "nearest of a line": same(lambda F, x: F.interpolate(x[0], 9)),
    "linear": same(lambda F, x: F.interpolate(x[0], 9, mode="linear")),
    "bilinear": same(lambda F, x: F.interpolate(x, scale_factor=2, mode="bilinear")),
    "bilinear smaller": same(lambda F, x: F.interpolate(x, (2, 3), mode="bilinear")),
    "bilinear corners": same(lambda F, x: F.interpolate(x, (9, 7), mode="bilinear", align_corners=True)),
    "bilinear corners of one": same(lambda F, x: F.interpolate(x, 1, mode="bilinear", align_corners=True)),
    "bilinear factors": same(lambda F, x: F.interpolate(x, scale_factor=(1.3, 2.6), mode="bilinear", align_corners=False)),
    "bilinear antialias": same(lambda F, x: F.interpolate(x, (2, 3), mode="bilinear", antialias=True)),
    "bicubic": same(lambda F, x: F.interpolate(x, scale_factor=2, mode="bicubic")),
    "bicubic corners": same(lambda F, x: F.interpolate(x, (3, 9), mode="bicubic", align_corners=True)),
    "bicubic antialias": same(lambda F, x: F.interpolate(x, (2, 7), mode="bicubic", antialias=True)),
    "area": same(lambda F, x: F.interpolate(x, (2, 3), mode="area")),
    "pixel_shuffle": same(lambda F, x: F.pixel_shuffle(x[:, :4], 2)),
    "pixel_unshuffle": same(lambda F, x: F.pixel_unshuffle(x[:, :, 1:], 2)),
    "channel_shuffle": both(lambda x: F.channel_shuffle(x, 3), lambda x: x.reshape(2, 3, 2, 5, 4).transpose(1, 2).reshape(SHAPE)),
    "layer_norm": same(lambda F, x: F.layer_norm(x, (5, 4))),
    "layer_norm of rows": same(lambda F, x: F.layer_norm(x, [4], eps=0.1)),
    "group_norm": same(lambda F, x: F.group_norm(x, 2)),
    "instance_norm": same(lambda F, x: F.instance_norm(x, eps=1e-3)),
}


def input_array() -> Array:
    return np.random.default_rng(0).standard_normal(SHAPE).astype(np.float32)


def our_gradient(net: fc.Module, x: Array, dy: Array) -> Array:
    trace, y = traced(net, (x.shape,))
    seed = trace.graph.input("dy", dy.shape)
    trace.graph.outputs([g for g in trace.graph.gradient([y.id], [seed], [0]) if g is not None])
    return _core.Program(trace.graph).run([x, dy])[0]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_function_is_torchs(name: str) -> None:
    ours, theirs = FUNCTIONS[name]
    x = input_array()
    given = torch.tensor(x, requires_grad=True)
    wanted = theirs(given)
    net = Lambda(ours)
    got = net(x)
    assert got.shape == tuple(wanted.shape)
    np.testing.assert_allclose(got, wanted.detach().numpy(), rtol=1e-5, atol=3e-6)
    dy = np.random.default_rng(1).standard_normal(got.shape).astype(np.float32)
    wanted.backward(torch.tensor(dy))
    np.testing.assert_allclose(our_gradient(net, x, dy), given.grad.numpy(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", [name for name in FUNCTIONS if name.split()[0] in ("pad", "nearest", "bilinear", "bicubic", "mean")])
def test_function_inside_a_network_is_torchs(name: str) -> None:
    """The same on images as convolutions leave them, with channels that end inside a block."""
    ours, theirs = FUNCTIONS[name]
    weight = np.random.default_rng(2).standard_normal((6, 6, 3, 3)).astype(np.float32) / 7
    x = input_array()
    net = Lambda(lambda x, weight: ours(F.conv2d(x, weight, padding=1)), weight=fc.Parameter(weight))
    wanted = theirs(torch.nn.functional.conv2d(torch.tensor(x), torch.tensor(weight), padding=1))
    np.testing.assert_allclose(net(x), wanted.numpy(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("size", "outputs"), [(49, 49 * 3), (98, 2), (2, 98), (7, 10), (10, 7), (13, 1000), (1000, 13), (1, 5)])
def test_nearest_takes_torchs_entries(size: int, outputs: int) -> None:
    x = np.arange(size, dtype=np.float32).reshape(1, 1, size, 1)
    for mode in ("nearest", "nearest-exact"):
        wanted = torch.nn.functional.interpolate(torch.tensor(x), (outputs, 1), mode=mode).numpy()
        np.testing.assert_array_equal(Lambda(lambda x, mode=mode: F.interpolate(x, (outputs, 1), mode=mode))(x), wanted)


@pytest.mark.parametrize("name", ["argmax", "argmin"])
@pytest.mark.parametrize("arguments", [(), (1,), (-1, True)])
def test_places_are_torchs(name: str, arguments: tuple[Any, ...]) -> None:
    x = input_array()
    got = Lambda(lambda x: getattr(x, name)(*arguments))(x)
    assert got.dtype == np.int32
    np.testing.assert_array_equal(got, getattr(torch.tensor(x), name)(*arguments).numpy())


@pytest.mark.parametrize("largest", [True, False])
def test_topk_is_torchs(largest: bool) -> None:
    x = input_array()
    for got, wanted in zip(Lambda(lambda x: x.topk(3, 1, largest))(x), torch.tensor(x).topk(3, 1, largest), strict=True):
        np.testing.assert_array_equal(got, wanted.numpy())


def test_a_network_of_them_is_trained() -> None:
    """Parameters of layer norm, group norm and a matrix product follow torch's for some steps."""
    rng = np.random.default_rng(5)
    tensors = {
        "weight": rng.uniform(0.5, 1.5, 4),
        "bias": rng.standard_normal(4),
        "scale": rng.uniform(0.5, 1.5, 6),
        "shift": rng.standard_normal(6),
        "matrix": rng.standard_normal((4, 3)) / 2,
    }
    arrays = {name: values.astype(np.float32) for name, values in tensors.items()}

    def network(F: Any, x: Any, weight: Any, bias: Any, scale: Any, shift: Any, matrix: Any) -> Any:
        return F.group_norm(F.layer_norm(x, (4,), weight, bias), 2, scale, shift) @ matrix

    net = Lambda(lambda x, **given: network(F, x, **given), **{name: fc.Parameter(values) for name, values in arrays.items()})
    trainer = fc.Trainer(net, "mse", fc.optim.SGD(0.5), SHAPE)
    theirs = {name: torch.tensor(values, requires_grad=True) for name, values in arrays.items()}
    optimizer = torch.optim.SGD(list(theirs.values()), 0.5)
    for seed in range(3):
        x, y = (np.random.default_rng(seed).standard_normal(shape).astype(np.float32) for shape in (SHAPE, (*SHAPE[:3], 3)))
        trainer.step(x, y)
        optimizer.zero_grad()
        torch.nn.functional.mse_loss(network(torch.nn.functional, torch.tensor(x), **theirs), torch.tensor(y)).backward()
        optimizer.step()
    state = net.state_dict()
    for name, tensor in theirs.items():
        np.testing.assert_allclose(state[name], tensor.detach().numpy(), rtol=1e-5, atol=1e-6, err_msg=name)
