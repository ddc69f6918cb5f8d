"""Symbolic values: they mean what NumPy says, and refuse what a value without numbers cannot do, naming the line of the user."""

from __future__ import annotations

from collections import OrderedDict

import numpy as np
import pytest
from small_nets import Lambda

import fastcnn as fc

X = np.random.default_rng(0).standard_normal((2, 6, 5, 4)).astype(np.float32)
Y = np.random.default_rng(1).standard_normal((6, 1, 1)).astype(np.float32)

EXPRESSIONS = {
    "x + 1.5": lambda x, y: x + 1.5,
    "2 + x": lambda x, y: 2 + x,
    "x - 3": lambda x, y: x - 3,
    "1 - x": lambda x, y: 1 - x,
    "x * 3": lambda x, y: x * 3,
    "numpy scalar * x": lambda x, y: np.float32(0.5) * x,
    "x / 4": lambda x, y: x / 4,
    "-x": lambda x, y: -x,
    "x + x": lambda x, y: x + x,
    "x - x * 2": lambda x, y: x - x * 2,
    "x * y": lambda x, y: x * y,
    "y * x": lambda x, y: y * x,
    "x - y": lambda x, y: x - y,
    "y - x": lambda x, y: y - x,
    "y + x": lambda x, y: y + x,
    "x / array": lambda x, y: x / np.array([1.0, 2, 4, 8]),
    "x - unsigned array": lambda x, y: x - np.arange(4, dtype=np.uint8),
    "array - x": lambda x, y: np.arange(4) - x,
    "x / y": lambda x, y: x / (y * y + 1),
    "y / x": lambda x, y: y / (x * x + 1),
    "2 / x": lambda x, y: 2 / (x * x + 1),
    "array / x": lambda x, y: np.arange(4) / (x * x + 1),
    "x ** 3": lambda x, y: x**3,
    "x ** 2.5": lambda x, y: abs(x) ** 2.5,
    "x ** y": lambda x, y: abs(x) ** y,
    "2 ** x": lambda x, y: 2**x,
    "abs(x)": lambda x, y: abs(x),
    "x[1]": lambda x, y: x[1],
    "x[:, 1:3]": lambda x, y: x[:, 1:3],
    "x[..., -2:]": lambda x, y: x[..., -2:],
    "x[1:, ..., 2, :-1]": lambda x, y: x[1:, ..., 2, :-1],
    "x[-1, -1, -1, -1]": lambda x, y: x[-1, -1, -1, -1],
    "x[:, 2:100]": lambda x, y: x[:, 2:100],
    "x[:, ::2]": lambda x, y: x[:, ::2],
    "x[:, 4:1:-2]": lambda x, y: x[:, 4:1:-2],
    "x[..., ::-1]": lambda x, y: x[..., ::-1],
    "x[1, :, 1::3]": lambda x, y: x[1, :, 1::3],
    "x[:, 5:2]": lambda x, y: x[:, 5:2],
    "x @ array": lambda x, y: x @ np.arange(12, dtype=np.float32).reshape(4, 3),
    "x @ vector": lambda x, y: x @ np.arange(4, dtype=np.float32),
    "x.mean()": lambda x, y: x.mean(),
    "x.sum((0, 2))": lambda x, y: x.sum((0, 2)),
    "x.reshape(2, -1)": lambda x, y: x.reshape(2, -1),
    "x.reshape((4, 3, 20))": lambda x, y: x.reshape((4, 3, 20)),
    "x.reshape(x.shape[0], x.shape[1], -1)": lambda x, y: x.reshape(x.shape[0], x.shape[1], -1),
}


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_expressions_mean_what_numpy_says(name: str) -> None:
    function = EXPRESSIONS[name]
    want = function(X, Y)
    for other in (fc.Parameter(Y), Y):
        got = Lambda(lambda x, other=other: function(x, other))(X)
        assert got.shape == np.shape(want)
        assert np.allclose(got, want, atol=1e-6)


METHODS = {
    "view": (lambda x: x.view(x.size(0), -1), lambda x: x.reshape(2, -1)),
    "flatten": (lambda x: x.flatten(1, 2), lambda x: x.reshape(2, 30, 4)),
    "fc.flatten": (lambda x: fc.flatten(x), lambda x: x.ravel()),
    "cat": (lambda x: x.cat(x * 2, x, dim=-3), lambda x: np.concatenate([x, 2 * x, x], 1)),
    "concat": (lambda x: fc.concat([x, x]), lambda x: np.concatenate([x, x])),
    "split": (lambda x: x.split(4, 1)[1], lambda x: x[:, 4:]),
    "split by sizes": (lambda x: x.split([1, 2, 3], dim=1)[1], lambda x: x[:, 1:3]),
    "chunk": (lambda x: x.chunk(4, 1)[2], lambda x: x[:, 4:]),
    "relu": (lambda x: x.relu(), lambda x: np.maximum(x, 0)),
    "tanh": (lambda x: x.tanh(), np.tanh),
    "sigmoid": (lambda x: x.sigmoid(), lambda x: 1 / (1 + np.exp(-x))),
    "exp": (lambda x: x.exp(), np.exp),
    "log": (lambda x: (x * x).log(), lambda x: np.log(x * x)),
    "sqrt": (lambda x: x.abs().sqrt(), lambda x: np.sqrt(abs(x))),
    "rsqrt": (lambda x: (x.square() + 1).rsqrt(), lambda x: 1 / np.sqrt(x * x + 1)),
    "reciprocal": (lambda x: (x.square() + 1).reciprocal(), lambda x: 1 / (x * x + 1)),
    "erf": (lambda x: x.erf() + fc.erf(-x) + 1, np.ones_like),
    "rounding": (lambda x: x.floor() + 10 * x.ceil() + 100 * x.round(), lambda x: np.floor(x) + 10 * np.ceil(x) + 100 * np.rint(x)),
    "sign": (lambda x: x.sign(), np.sign),
    "sin, cos": (lambda x: x.sin() + 2 * x.cos(), lambda x: np.sin(x) + 2 * np.cos(x)),
    "minimum": (lambda x: x.minimum(0.5), lambda x: np.minimum(x, 0.5)),
    "maximum": (lambda x: fc.maximum(Y, x), lambda x: np.maximum(x, Y)),
    "clamp": (lambda x: x.clamp(-0.5, 0.25), lambda x: np.clip(x, -0.5, 0.25)),
    "clamp below": (lambda x: x.clamp(max=0.25), lambda x: np.minimum(x, 0.25)),
    "clamp by values": (lambda x: x.clamp(Y - 1, x * 0 + 2), lambda x: np.minimum(np.maximum(x, Y - 1), 2)),
    "pow": (lambda x: fc.pow(x, 2) + fc.pow(2.0, x) + x.pow(1), lambda x: x**2 + 2**x + x),
    "neg, add, sub, mul, div": (lambda x: x.neg().add(1).sub(x).mul(3).div(2), lambda x: (1 - 2 * x) * 1.5),
    "where": (lambda x: fc.where(fc.gt(x, 0.5), x, 0), lambda x: np.where(x > 0.5, x, 0)),
    "comparisons": (
        lambda x: fc.lt(x, 0) + 2 * fc.ge(x, Y) + 4 * fc.le(0, x) + 8 * fc.eq(x, x),
        lambda x: (x < 0) + 2.0 * (x >= Y) + 4 * (x >= 0) + 8,
    ),
    "softmax": (lambda x: x.softmax(-1), lambda x: np.exp(x) / np.exp(x).sum(-1, keepdims=True)),
    "log_softmax": (lambda x: fc.log_softmax(x, 1), lambda x: x - np.log(np.exp(x).sum(1, keepdims=True))),
    "dim": (lambda x: x * x.dim() * x.ndim * x.size()[1], lambda x: x * 96),
}


@pytest.mark.parametrize("name", METHODS)
def test_methods(name: str) -> None:
    method, wanted = METHODS[name]
    got = Lambda(method)(X)
    assert got.shape == wanted(X).shape
    assert np.allclose(got, wanted(X), atol=1e-5)


CONDITIONS = {
    "used as a condition": lambda x: 1 if x else 2,
    "compared": lambda x: x > 0,
    "iterated over": lambda x: list(x),
    "converted to a number": lambda x: float(x),
    "converted to an array": lambda x: np.asarray(x),
}


@pytest.mark.parametrize("what", CONDITIONS)
def test_numbers_cannot_be_asked_for(what: str) -> None:
    with pytest.raises(TypeError, match=rf"^\[forward\] a symbolic value cannot be {what}: it has a shape and no numbers") as info:
        Lambda(CONDITIONS[what])(X)
    assert f"{__file__}:" in str(info.value)
    assert "lambda x:" in str(info.value)  # the user's line


def test_a_value_lives_in_one_call() -> None:
    kept = []
    Lambda(lambda x: (kept.append(x), x * 1)[1])(X)
    with pytest.raises(ValueError, match=r"^\[add\] a value is only good inside the call of forward\(\) that it was made in\."):
        Lambda(lambda x: x + kept[0])(X)


def test_errors_name_the_layer() -> None:
    net = fc.Sequential(OrderedDict(features=fc.Sequential(fc.ReLU(), fc.Conv2d(3, 4, 3)), rest=fc.ReLU()))
    with pytest.raises(ValueError, match=r"^\[conv2d\] .* In layer 'features\.1'\.$"):
        net(np.zeros((1, 2, 8, 8)))
