"""The size N of the batch while forward() is traced: what ported model code does with it works, what would depend on it names its line."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_nets import Lambda

import fastcnn as fc
from fastcnn.network.traced import traced
from fastcnn.tracing.batch_size import Size, concrete

X = np.random.default_rng(0).standard_normal((2, 6, 8, 4)).astype(np.float32)
SHAPE = "(N=2, 6, 8, 4)"


def shape_of(function: Callable[..., Any], shape: tuple[int, ...] = X.shape, **tensors: fc.Parameter) -> str:
    return str(traced(Lambda(function, **tensors), [shape])[1].shape)


# ---- model code as it is ported --------------------------------------------------------------------------------------------------------


def shuffle(x: Any, groups: int = 3) -> Any:
    """ShuffleNet's channel shuffle, as torchvision has it; checks of channels stay what they are."""
    b, c, h, w = x.size()
    assert c == x.shape[1] == 6 and c % groups == 0
    y = x.view(b, groups, c // groups, h, w)
    return y.transpose(1, 2).contiguous().reshape(b, c, h, w)


def windows(x: Any, size: int = 2) -> Any:
    """Swin's windows taken apart and put together again, with something in between that knows how many there are."""
    b, h, w, c = x.shape
    y = x.view(b, h // size, size, w // size, size, c).permute(0, 1, 3, 2, 4, 5).contiguous().view(-1, size * size, c)
    count = (h // size) * (w // size)
    assert y.shape[0] // b == count  # does not depend on the batch
    y = y.view(y.shape[0] // count, count, size * size, c) * np.arange(1.0, count + 1).reshape(count, 1, 1)
    y = y.view(-1, size, size, c).view(y.shape[0], h // size, w // size, size, size, c)
    return y.permute(0, 1, 3, 2, 4, 5).reshape(b, h, w, -1)


def wanted_windows(x: Any) -> Any:
    b, h, w, c = x.shape
    parts = x.reshape(b, h // 2, 2, w // 2, 2, c)
    return (parts * np.arange(1.0, h * w // 4 + 1).reshape(h // 2, 1, w // 2, 1, 1)).reshape(x.shape)


def shifted(x: Any, segments: int = 2) -> Any:
    """TSM: the batch is one of frames."""
    nt, c, h, w = x.size()
    y = x.view(nt // segments, segments, c, h, w)
    return fc.concat([y[:, 1:], y[:, :1]], 1).view(nt, c, h, w)


def attention(x: Any) -> Any:
    n, c, h, w = x.shape
    qkv = x.reshape(n, 3, 2, c // 6, h * w).permute(1, 0, 2, 4, 3)
    q, k, v = qkv[0], qkv[1], qkv[2]
    return ((q @ k.transpose(-2, -1)).softmax(-1) @ v).transpose(1, 2).reshape(n, h * w, -1)


def wanted_attention(x: Any) -> Any:
    q, k, v = x.reshape(len(x), 3, 2, 1, -1).transpose(1, 0, 2, 4, 3)
    scores = np.exp(q @ k.swapaxes(-2, -1))
    return (scores / scores.sum(-1, keepdims=True) @ v).swapaxes(1, 2).reshape(len(x), q.shape[2], -1)


def residual(x: Any) -> Any:
    y = x.relu().view(-1, *x.shape[1:])
    if x.shape != y.shape or x.shape != y.flatten(1).view(x.shape).shape:
        raise ValueError("the shapes differ")
    return x + y


PORTED: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "classifier": (lambda x: x.view(x.size(0), -1), lambda x: x.reshape(len(x), -1)),
    "channel shuffle": (shuffle, lambda x: x.reshape(len(x), 3, 2, *x.shape[2:]).swapaxes(1, 2).reshape(x.shape)),
    "windows": (windows, wanted_windows),
    "temporal shift": (shifted, lambda x: x.reshape(-1, 2, *x.shape[1:])[:, ::-1].reshape(x.shape)),
    "attention": (attention, wanted_attention),
    "residual": (residual, lambda x: x + np.maximum(x, 0)),
    "images of all in one": (lambda x: x.view(1, x.shape[0] * 6, 8, 4), lambda x: x.reshape(1, -1, 8, 4)),
    "tokens beside": (
        lambda x: fc.concat([x, fc.expand(x.mean((0, 1, 2)), (x.shape[0], 6, 1, 4))], 2),
        lambda x: np.concatenate([x, np.broadcast_to(x.mean((0, 1, 2)), (len(x), 6, 1, 4))], 2),
    ),
    "numbers of it": (lambda x: x.sum(0) / x.shape[0] + x.shape[0] * x.mean(0), lambda x: x.mean(0) * (1 + len(x))),
}


@pytest.mark.parametrize("name", PORTED)
@pytest.mark.parametrize("batch", [2, 4, 6])
def test_ported_code(name: str, batch: int, rng: np.random.Generator) -> None:
    function, wanted = PORTED[name]
    x = rng.uniform(-1, 1, (batch, *X.shape[1:])).astype(np.float32)
    got, want = Lambda(function)(x), wanted(x)
    assert got.shape == want.shape
    assert np.allclose(got, want, atol=1e-5)


# ---- which axes follow -----------------------------------------------------------------------------------------------------------------

FOLLOWED: dict[str, tuple[Callable[..., Any], str]] = {
    "the input": (lambda x: x * 1, SHAPE),
    "transposed": (lambda x: x.transpose(0, 1), "(6, N=2, 8, 4)"),
    "reduced": (lambda x: x.mean(0), "(6, 8, 4)"),
    "reduced and kept": (lambda x: x.sum(0, keepdim=True), "(1, 6, 8, 4)"),
    "reduced elsewhere": (lambda x: x.amax((1, 3)), "(N=2, 8)"),
    "places": (lambda x: x.argmax(1), "(N=2, 8, 4)"),
    "the largest of the batch": (lambda x: x.topk(1, 0)[0], "(1, 6, 8, 4)"),
    "flattened": (lambda x: x.flatten(1), "(N=2, 192)"),
    "all one": (lambda x: x.flatten(), "(192*N=384,)"),
    "one with channels": (lambda x: x.flatten(0, 1), "(6*N=12, 8, 4)"),
    "what is left": (lambda x: x.view(-1, 4), "(48*N=96, 4)"),
    "what is left beside it": (lambda x: x.view(4, -1, x.shape[0]), "(4, 48, N=2)"),
    "of an image": (lambda x: x[0], "(6, 8, 4)"),
    "of a channel": (lambda x: x[:, 0], "(N=2, 8, 4)"),
    "a part of the batch": (lambda x: x[1:], "(f(N)=1, 6, 8, 4)"),
    "twice the batch": (lambda x: fc.concat([x, x]), "(2*N=4, 6, 8, 4)"),
    "stacked": (lambda x: fc.stack([x, x]), "(2, N=2, 6, 8, 4)"),
    "squeezed": (lambda x: x[:, :, :, :1].squeeze(3), "(N=2, 6, 8)"),
    "a product over the batch": (lambda x: x.flatten(1).T @ x.flatten(1), "(192, 192)"),
    "a product of images": (lambda x: x.flatten(1) @ x.flatten(1).T, "(N=2, N=2)"),
    "a product with weights": (lambda x: x @ np.ones((4, 5), np.float32), "(N=2, 6, 8, 5)"),
    "a sum with more axes": (lambda x: x.amax((1, 2, 3)) + np.ones((3, 1), np.float32), "(3, N=2)"),
    "a parameter": (lambda x, weight: x.trace.value(weight), "(2, 6)"),
    "a parameter broadcast": (lambda x, weight: x[:, :, 0, 0] + weight, "(N=2, 6)"),
    "convolved": (lambda x: fc.Conv2d(6, 2, 3)(x), "(N=2, 2, 6, 2)"),
    "of a linear layer": (lambda x: fc.Linear(4, 2)(x), "(N=2, 6, 8, 2)"),
    "normalized": (lambda x: fc.GroupNorm(3, 6)(x), SHAPE),
    "shuffled": (lambda x: fc.PixelUnshuffle(2)(x), "(N=2, 24, 4, 2)"),
    "padded": (lambda x: fc.pad(x, (1, 1)), "(N=2, 6, 8, 6)"),
    "padded by images": (lambda x: fc.pad(x.flatten(1), (0, 0, 1, 1)), "(f(N)=4, 192)"),
    "resized": (lambda x: fc.interpolate(x, scale_factor=2, mode="bilinear"), "(N=2, 6, 16, 8)"),
}


@pytest.mark.parametrize("name", FOLLOWED)
def test_shapes_say_what_follows_the_batch(name: str) -> None:
    function, wanted = FOLLOWED[name]
    tensors = {"weight": fc.Parameter(np.ones((2, 6)))} if name.startswith("a parameter") else {}
    assert shape_of(function, **tensors) == wanted


def test_shapes_of_batches_of_one_and_none() -> None:
    assert shape_of(lambda x: x.transpose(0, 1), (1, 6, 8, 4)) == "(6, N=1, 8, 4)"
    assert shape_of(lambda x: x.flatten(1), (0, 6, 8, 4)) == "(N=0, 192)"
    assert shape_of(lambda x: fc.expand(x, (3, -1, -1, -1)), (1, 6, 8, 4)) == "(f(N)=3, 6, 8, 4)"


def test_shapes_of_a_network_from_onnx(tmp_path: Path) -> None:
    """Its file computes shapes in numbers: what is not seen to be an axis of the input may follow the batch."""
    net = fc.Sequential(fc.Conv2d(6, 4, 3, padding=1), fc.GroupNorm(2, 4), Lambda(lambda x: x.view(-1, 8, 4).flatten(1)), fc.Linear(32, 3))
    net.save(tmp_path / "net.onnx", input_shape=X.shape)
    loaded = fc.load(tmp_path / "net.onnx")
    assert shape_of(lambda x: loaded(x)) == "(f(N)=8, 3)"
    assert shape_of(lambda x: loaded(x).view(x.shape[0], 12)) == "(N=2, 12)"


# ---- arithmetic ------------------------------------------------------------------------------------------------------------------------


def test_arithmetic() -> None:
    n = Size(6, 6)
    results = [n, 2 * n, n * 49, n + 1, 1 + n, n - 1, 1 - n, n + n, n * n, n * 4 // 2, n // 2, (n - 2) // 2, n * 6 // n + n, (n + 1) * n]
    texts = "N=6 2*N=12 49*N=294 N+1=7 N+1=7 N-1=5 -1*N+1=-5 2*N=12 f(N)=36 2*N=12 f(N)=3 f(N)=2 N+6=12 f(N)=42"
    assert [str(size) for size in results] == texts.split()
    assert [n - n, n * 0, 49 * n // n, n + 1 - n, (6 * n + 4) // 2 - 3 * n] == [0, 0, 49, 1, 2]  # the same for every batch
    assert str(np.int64(3) * n + np.int64(1)) == "3*N+1=19"
    assert 4 * n // 2 == n + n
    assert (4 * n // 2 != n * 2) is False
    assert math.prod([2, n, 3]) == 6 * n
    assert concrete((n, 3, n + 1)) == (6, 3, 7)


def test_sizes_of_two_batches() -> None:
    a, b = Size(2, 2), Size(3, 3)
    assert str(a + b) == "f(N)=5"
    with pytest.raises(TypeError, match=r"^\[trace\] the size of the batch must not be compared:"):
        assert a != b


NOT: dict[str, tuple[Callable[[Any], Any], str, str]] = {
    "==": (lambda x: x if x.shape[0] == 1 else -x, "compared", "N=2"),
    "!=": (lambda x: x if x.size(0) != 2 else -x, "compared", "N=2"),
    "<": (lambda x: x if x.size(0) < 2 else -x, "compared", "N=2"),
    ">=": (lambda x: x if 2 * x.size()[0] >= 2 else -x, "compared", "2*N=4"),
    "shape": (lambda x: x if x.shape == (2, 6, 8, 4) else -x, "compared", "N=2"),
    "in": (lambda x: x if x.shape[0] in (1, 2) else -x, "compared", "N=2"),
    "max": (lambda x: x * max(1, x.shape[0]), "compared", "N=2"),
    "another function": (lambda x: x if x.shape[0] + 1 == x.shape[0] * 2 else -x, "compared", "N+1=3"),
    "unknown": (lambda x: x if x[1:].shape[0] == x[1:].shape[0] else -x, "compared", "f(N)=1"),
    "a transposed axis": (lambda x: x if x.transpose(0, 1).shape[1] == 2 else -x, "compared", "N=2"),
    "bool": (lambda x: x if x.shape[0] else -x, "used as a condition", "N=2"),
    "not": (lambda x: x if not x.shape[0] - 1 else -x, "used as a condition", "N-1=1"),
    "set": (lambda x: x if x.shape[0] in {1, 2} else -x, "looked up in a set or dictionary", "N=2"),
    "dictionary": (lambda x: {2: x}[x.shape[0]], "looked up in a set or dictionary", "N=2"),
    "index": (lambda x: x[x.shape[0] - 1], "used as an index, a range or another integer", "N-1=1"),
    "slice": (lambda x: x[: x.shape[0] // 2], "used as an index, a range or another integer", "f(N)=1"),
    "range": (lambda x: [x[i] for i in range(x.shape[0])].pop(), "used as an index, a range or another integer", "N=2"),
    "list": (lambda x: [x, -x][x.shape[0]], "used as an index, a range or another integer", "N=2"),
    "layer": (lambda x: fc.Conv2d(6, x.shape[0], 3)(x), "used as an index, a range or another integer", "N=2"),
    "split": (lambda x: x.split(x.shape[0])[0], "used as an index, a range or another integer", "N=2"),
    "int": (lambda x: x.view(int(x.shape[0]), -1), "converted to a number", "N=2"),
    "float": (lambda x: x * math.sqrt(x.shape[0]), "converted to a number", "N=2"),
    "/": (lambda x: x * (1 / x.shape[0]), "combined by another operator", "N=2 and 1"),
    "%": (lambda x: x if x.shape[0] % 3 else -x, "combined by another operator", "N=2 and 3"),
    "**": (lambda x: x.view(x.shape[0] ** 2, -1), "combined by another operator", "N=2 and 2"),
    "minus": (lambda x: x.view(-x.shape[0]), "negated", "N=2"),
    "* 0.5": (lambda x: x.view(x.shape[0] * 0.5, -1), "combined with anything but integers", "N=2 * float"),
    "array": (lambda x: x * (np.ones(4) * x.shape[0]), "combined with anything but integers", "N=2 * ndarray"),
    "repeated list": (lambda x: fc.concat([x] * x.shape[0]), "combined with anything but integers", "N=2 * list"),
}


@pytest.mark.parametrize("name", NOT)
def test_what_would_depend_on_the_batch_names_its_line(name: str) -> None:
    function, what, got = NOT[name]
    with pytest.raises(TypeError) as info:
        Lambda(function)(X)
    rule = f"[trace] the size of the batch must not be {what}: it may go into reshape and its like, and with integers into +, -, * and //"
    line = function.__code__.co_firstlineno
    assert str(info.value).startswith(f"{rule}. Got {got} at {__file__}:{line}, `")
    assert "lambda x:" in str(info.value)


def test_a_size_that_does_not_fit_is_refused_as_ever() -> None:
    with pytest.raises(ValueError, match=r"^\[reshape\] the shape must hold as many elements as \(2, 6, 8, 4\)\. Got \(4, 7\)\.$"):
        Lambda(lambda x: x.view(x.shape[0] * 2, 7))(X)
    with pytest.raises(ValueError, match=r"^\[expand\] .* Got \(2, 6, 8, 4\) and \(3, 6, 8, 4\)\.$"):
        Lambda(lambda x: x.expand(x.shape[0] + 1, -1, -1, -1))(X)
