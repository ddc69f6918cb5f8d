"""What Python would say of misuse in words of its own: here it is `[where] rule. Got value.`, and nothing half done."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_nets import Lambda, lenet, same_state, stripes

import fastcnn as fc

X = np.zeros((1, 2, 4, 4), np.float32)
IMAGES, KINDS = stripes(8)
RAGGED: Any = [[1, 2], [3]]


def holds_its_parent() -> None:
    inner = fc.Sequential()
    outer = fc.Sequential(fc.Sequential(inner))
    inner.outer = outer


def fitted(validation: object) -> Callable[[], object]:
    return lambda: lenet().fit(IMAGES, KINDS, optimizer="sgd", validation_data=validation, progress=False)  # type: ignore[arg-type]


CASES: list[tuple[Callable[[], object], type[Exception], str]] = [
    (lambda: Lambda(lambda x: fc.conv2d(x, None))(X), TypeError, "[conv2d] weight must be a symbolic value or a parameter. Got NoneType."),
    (lambda: Lambda(lambda x: fc.pad(x, 3))(X), TypeError, "[pad] pad must be a tuple of integers, two for each axis. Got 3."),
    (fitted((IMAGES, KINDS, 1)), TypeError, "[fit] validation_data must be a tuple (x, y). Got 3 entries."),
    (fitted(5), TypeError, "[fit] validation_data must be a tuple (x, y). Got int."),
    (lambda: fc.optim.SGD(0.1, groups=None), TypeError, "[SGD] groups must be a list of mappings. Got NoneType."),
    (
        lambda: fc.optim.SGD(0.1, 0.9, groups=[{"params": lenet(), "nesterov": "yes"}]),
        TypeError,
        "[SGD] nesterov must be True or False. Got nesterov='yes'.",
    ),
    (lambda: Lambda(lambda x: x.mean()).predict(X), ValueError, "[predict] each output must have a batch axis. Got one of shape ()."),
    (lambda: fc.ReLU()([[1, 2], [3]]), ValueError, "[ReLU] an input must be an array, its rows of one length. Got ragged lists."),
    (lambda: fc.ReLU().predict(RAGGED), ValueError, "[predict] x must be an array, its rows of one length. Got ragged lists."),
    (lambda: lenet().evaluate(RAGGED, [0, 1]), ValueError, "[evaluate] x must be an array, its rows of one length. Got ragged lists."),
    (
        lambda: lenet().fit(IMAGES, RAGGED, optimizer="sgd"),
        ValueError,
        "[fit] y must be an array, its rows of one length. Got ragged lists.",
    ),
    (
        lambda: Lambda(lambda x: x + RAGGED)(X),
        ValueError,
        "[add] an operand must be an array, its rows of one length. Got ragged lists.",
    ),
    (
        lambda: Lambda(lambda x: fc.max_pool2d(x, 2, return_indices=True))(X),
        NotImplementedError,
        "[max_pool2d] return_indices must be False.",
    ),
    (
        lambda: Lambda(lambda x: fc.adaptive_max_pool2d(x, 2, True))(X),
        NotImplementedError,
        "[adaptive_max_pool2d] return_indices must be False. Got return_indices=True.",
    ),
    (
        lambda: fc.nn.Conv1d(1, 1, 3),
        AttributeError,
        "[Conv1d] what works on images must be of two dimensions; Conv2d takes lines as images of one row, (N, C, 1, L). "
        "Got fastcnn.nn.Conv1d.",
    ),
    (
        lambda: fc.BatchNorm3d(1),
        AttributeError,
        "[BatchNorm3d] what works on images must be of two dimensions; there is BatchNorm2d. Got fastcnn.BatchNorm3d.",
    ),
    (lambda: fc.nn.functional.max_pool1d(X, 2), AttributeError, "[max_pool1d] what works on images must be of two dimensions; max_pool2d"),
    (lambda: fc.functional.nothing, AttributeError, "module 'fastcnn.functional' has no attribute 'nothing'"),
    (holds_its_parent, ValueError, "[Sequential] a module must not hold itself, nor one that holds it. Got .outer = Sequential."),
    (lambda: fc.LayerNorm(()), ValueError, "[LayerNorm] normalized_shape must have an axis at least. Got ()."),
    (lambda: fc.Upsample(2, mode="nope"), ValueError, "[Upsample] mode must be one of nearest, nearest-exact, linear, bilinear, bicubic, "),
    (
        lambda: fc.Upsample(scale_factor=2, recompute_scale_factor="no"),
        TypeError,
        "[Upsample] recompute_scale_factor must be True or False. Got recompute_scale_factor='no'.",
    ),
]


@pytest.mark.parametrize(("call", "kind", "text"), CASES)
def test_messages(call: Callable[[], object], kind: type[Exception], text: str) -> None:
    with pytest.raises(kind, match="^" + re.escape(text)):
        call()


def test_a_copy_of_a_network() -> None:
    net = lenet()
    net[8].weight.requires_grad = False
    y = net(IMAGES)
    twin = copy.deepcopy(net)
    assert same_state(net, twin)
    assert [p.requires_grad for p in twin.parameters()] == [p.requires_grad for p in net.parameters()]
    twin.load_state_dict({key: 0 * value for key, value in twin.state_dict().items()})
    assert np.array_equal(net(IMAGES), y)
    assert not twin(IMAGES).any()
    twin = copy.deepcopy(fc.Sequential(net[8], net[8]))
    assert twin[0] is twin[1]
    assert twin[0] is not net[8]


def test_a_checkpoint_of_another_network_changes_nothing(tmp_path: Path) -> None:
    path, (a, b) = tmp_path / "c", (fc.optim.SGD(0.1, momentum=0.9) for _ in range(2))
    lenet().fit(IMAGES, KINDS, optimizer=a, checkpoint=path, progress=False)
    other = fc.Sequential(fc.Identity(), *lenet())
    with pytest.raises(ValueError, match=r"^\[load_state_dict\] the keys must be those of the network\."):
        other.fit(IMAGES, KINDS, optimizer=b, checkpoint=path, resume=True, epochs=2, progress=False)
    assert not any(array.any() for arrays in b._core.state().values() for array in arrays)  # type: ignore[union-attr]


def test_constants_that_are_no_mapping(tmp_path: Path) -> None:
    fc.ReLU().save(tmp_path / "a.onnx", input_shape=(1, 2))
    with pytest.raises(TypeError, match=r"^\[load\] constants must be a mapping of names to arrays\. Got list\.$"):
        fc.load(tmp_path / "a.onnx", constants=[1])  # type: ignore[arg-type]


@pytest.mark.parametrize("shape", [[0, 2**61], [0, 2**40, 2**40]])
def test_an_empty_tensor_that_no_array_can_be(shape: list[int], tmp_path: Path) -> None:
    header = json.dumps({"a": {"dtype": "F32", "shape": shape, "data_offsets": [0, 0]}}).encode()
    (tmp_path / "a").write_bytes(len(header).to_bytes(8, "little") + header)
    with pytest.raises(ValueError, match=r"^\[safetensors\] the shape of 'a' must be one that an array can have\. Got \[0, "):
        fc.load_state(tmp_path / "a")
