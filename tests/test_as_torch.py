"""Corners of the Python side where torch's rule is the one to follow, checked by numbers."""

from __future__ import annotations

import math

import numpy as np
import pytest
from small_nets import Lambda

import fastcnn as fc

X = np.arange(-8.0, 8.0, dtype=np.float32).reshape(1, 1, 4, 4)


def test_infinite_bounds_and_padding() -> None:
    assert np.array_equal(Lambda(lambda x: fc.clamp(x, 0, math.inf))(X), np.maximum(X, 0))
    assert np.array_equal(Lambda(lambda x: fc.hardtanh(x, -math.inf, 2.0))(X), np.minimum(X, 2))
    padded = Lambda(lambda x: fc.pad(x, (1, 0, 0, 0), value=-math.inf))(X)
    assert np.array_equal(padded, np.pad(X, ((0, 0), (0, 0), (0, 0), (1, 0)), constant_values=-np.inf))
    with pytest.raises(ValueError, match=r"^\[clamp\] max must be a number\. Got max=nan\.$"):
        Lambda(lambda x: fc.clamp(x, 0, math.nan))(X)


def test_padding_of_a_pool_is_at_most_half_of_the_kernel() -> None:
    rule = r"padding must be at most half of the kernel\. Got padding=2, kernel_size=2"
    with pytest.raises(ValueError, match=rf"^\[MaxPool2d\] {rule}\.$"):
        fc.MaxPool2d(2, 1, padding=2, dilation=3)


def test_squeeze_of_no_axis() -> None:
    assert Lambda(lambda x: x.squeeze(()))(X).shape == X.shape
    assert Lambda(lambda x: fc.squeeze(x))(X).shape == (4, 4)


@pytest.mark.parametrize("number", [1e39, -1e39, 1e37, 1e-39, 3e-45, 1e300])
def test_division_by_a_number_whose_inverse_is_no_float(number: float) -> None:
    x = np.array([[1e30, -1e-30, 1.0, 0.0]], np.float32)
    wanted = x.astype(np.float64) / number
    y = Lambda(lambda x: x / number)(x)
    with np.errstate(over="ignore"):
        np.testing.assert_allclose(y, wanted.astype(np.float32), rtol=1e-6, atol=1e-37)


def test_outputs_share_no_memory() -> None:
    run = Lambda(lambda x: (x * 2, x * 3)).compile(X.shape)
    array, pair = np.empty_like(X), np.empty((2, *X.shape), np.float32)
    with pytest.raises(ValueError, match=r"^\[run\] outputs must not share memory\. Got out\[0\] and out\[1\] in the same\.$"):
        run(X, out=(array, array))
    with pytest.raises(TypeError, match=r"^\[run\] out must be a tuple of arrays, one for each output\. Got ndarray\.$"):
        run(X, out=array)
    assert np.array_equal(run(X, out=tuple(pair))[1], 3 * X)


def test_layer_norm_of_one_size() -> None:
    assert np.array_equal(Lambda(lambda x: fc.layer_norm(x, 4))(X), fc.LayerNorm(4)(X))


def test_names_and_arguments_of_torch() -> None:
    assert Lambda(lambda x: fc.cat([x, x], dim=1))(X).shape == (1, 2, 4, 4)
    assert Lambda(lambda x: fc.cat(tensors=(x, x)))(X).shape == (2, 1, 4, 4)
    assert Lambda(lambda x: x.interpolate(scale_factor=2, mode="bilinear"))(X).shape == (1, 1, 8, 8)
    assert fc.nn.CrossEntropyLoss(None, label_smoothing=0.1).label_smoothing == 0.1
    with pytest.raises(NotImplementedError, match=r"^\[cross_entropy\] weights of classes are not there: .* Got weight=0\.1\.$"):
        fc.nn.CrossEntropyLoss(0.1)  # type: ignore[arg-type]


def test_buffers_that_are_not_saved() -> None:
    net = fc.ReLU()
    net.register_buffer("a", np.ones(2), persistent=False)
    net.register_buffer("b", np.ones(2))
    assert [name for name, _ in net.named_buffers()] == ["a", "b"]
    assert list(net.state_dict()) == ["b"]
    net.register_buffer("a", np.ones(2))
    assert list(net.state_dict()) == ["a", "b"]
