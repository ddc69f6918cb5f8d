"""predict joins the outputs of its batches along the axis that follows the batch, or refuses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper
from onnx_models import model
from small_nets import Lambda

import fastcnn as fc

T, C = 3, 4
X = np.random.default_rng(0).standard_normal((7, T, C)).astype(np.float32)
BATCHES = (1, 2, 3, 6, 7, 8)


def swapped(x: Any) -> Any:
    return x.permute(1, 0, 2)


KNOWN: dict[str, Callable[[Any], Any]] = {
    "first": lambda x: fc.relu(x),
    "second": swapped,
    "last": lambda x: x.permute(1, 2, 0),
    "merged with what is behind": lambda x: x.reshape(-1, C),
    "merged, then transposed": lambda x: x.reshape(-1, C).permute(1, 0),
    "parted behind": lambda x: x.reshape(x.shape[0], 2, -1),
    "padded elsewhere": lambda x: fc.functional.pad(swapped(x), (1, 1)),
    "reduced elsewhere": lambda x: swapped(x).mean(0),
    "several": lambda x: (x, swapped(x), x.mean((1, 2))),
    "a linear layer": lambda x: swapped(x) @ fc.Parameter(np.ones((C, 2), np.float32)),
}

UNKNOWN: dict[str, Callable[[Any], Any]] = {
    "merged with what is before": lambda x: swapped(x).reshape(-1, C),
    "merged with what is before, by N": lambda x: swapped(x).reshape(T * x.shape[0], C),
    "joined to itself": lambda x: fc.concat([x, x], 0),
    "two axes": lambda x: x.reshape(x.shape[0], -1) @ x.reshape(x.shape[0], -1).permute(1, 0),
    "reduced": lambda x: x.mean(0),
    "one of several": lambda x: (x, x.mean(0)),
}


def equal(a: Any, b: Any) -> bool:
    if isinstance(a, tuple):
        return len(a) == len(b) and all(map(equal, a, b))
    return a.shape == b.shape and np.allclose(a, b, rtol=0, atol=1e-6)


@pytest.mark.parametrize("batch_size", BATCHES)
@pytest.mark.parametrize("name", KNOWN)
def test_outputs_are_joined_along_the_axis_of_the_batch(name: str, batch_size: int) -> None:
    net = Lambda(KNOWN[name])
    assert equal(net.predict(X, batch_size), net(X))


@pytest.mark.parametrize("batch_size", BATCHES)
@pytest.mark.parametrize("name", UNKNOWN)
def test_what_cannot_be_joined_is_refused(name: str, batch_size: int) -> None:
    net = Lambda(UNKNOWN[name])
    if batch_size >= len(X):
        assert equal(net.predict(X, batch_size), net(X))  # one batch: nothing is joined
        return
    with pytest.raises(ValueError, match=r"^\[predict\] outputs of several batches are joined.*Got output [01] of shape"):
        net.predict(X, batch_size)


def test_the_rule_names_the_output_and_the_way_out() -> None:
    text = (
        r"\[predict\] outputs of several batches are joined along the one axis that has the size of the batch; where none is known to have "
        r"it, batch_size must be at least the number of samples\. Got output 1 of shape \(3, 4\) for x of shape \(2, 3, 4\)\."
    )
    with pytest.raises(ValueError, match=text):
        Lambda(UNKNOWN["one of several"]).predict(X, 2)


def test_part_of_the_batch_is_refused() -> None:
    """A slice has fewer samples than the batch, and another order is none of the batch."""
    for part in (lambda x: x[:2], lambda x: fc.concat([x[1:], x[:1]], 0)):
        with pytest.raises(ValueError, match=r"\[predict\] outputs of several batches"):
            Lambda(part).predict(X, 3)


def test_onnx_models(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Transpose", ["x"], ["second"], perm=[1, 0, 2]),
        helper.make_node("Reshape", ["x", "shape"], ["merged"]),
        helper.make_node("Identity", ["table"], ["constant"]),
    ]
    tables = {"shape": np.array([-1, C]), "table": np.arange(6, dtype=np.float32).reshape(2, 3)}
    path = tmp_path / "net.onnx"
    onnx.save(model(nodes, {"x": ["N", T, C]}, ["second", "merged", "constant"], tables), path)
    net = fc.load(path)
    assert equal(net.predict(X, 2), net(X))
