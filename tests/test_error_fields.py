"""What an error of the core says in its text it also says in attributes: op, rule, got, and for some rules a code."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from fastcnn import _core

CONV = {"stride": [1, 1], "padding": [0] * 4, "dilation": [1, 1], "groups": 1}
POOL = {"kernel": [3, 3], "stride": [1, 1], "padding": [0] * 4, "dilation": [1, 1], "ceil_mode": False}


def node(op: str, shapes: list[tuple[int, ...]], attributes: dict[str, Any]) -> list[int]:
    graph = _core.Graph()
    return graph.add(op, [graph.input(f"input{i}", shape) for i, shape in enumerate(shapes)], attributes)


def no_outputs() -> _core.Program:
    return _core.Program(_core.Graph())


def infinite_loss() -> list[Any]:
    graph, weight = _core.Graph(), _core.Parameter([1.0])
    value = graph.add("multiply", [graph.parameter(weight, "weight"), graph.input("x", (1,))], {})[0]
    graph.outputs([value])
    training = _core.TrainingProgram(graph, value, [weight])
    return training.step([np.array([math.inf], np.float32)], _core.Optimizer("sgd", [weight]), [{"lr": 0.5}])


TOO_LARGE = "the kernel must not be larger than the padded input"
NOT_FINITE = "loss=inf at step 0, learning rate 0.5"

# what raises, the type, op, rule, got, code
ERRORS: list[tuple[Callable[[], Any], type[Exception], str, str, str, str]] = [
    (
        lambda: node("conv2d", [(1, 4, 8, 8), (3, 4, 3, 3)], CONV | {"groups": 3}),
        ValueError,
        "conv2d",
        "groups must divide in_channels",
        "groups=3, in_channels=4",
        "",
    ),
    (
        lambda: node("conv2d", [(1, 4, 2, 8), (3, 4, 3, 3)], CONV),
        ValueError,
        "conv2d",
        TOO_LARGE,
        "kernel 3x3, padded input 2x8",
        "kernel_larger_than_input",
    ),
    (
        lambda: node("max_pool", [(1, 4, 2, 8)], POOL),
        ValueError,
        "max_pool",
        TOO_LARGE,
        "kernel 3, padded input 2 rows",
        "kernel_larger_than_input",
    ),
    (no_outputs, ValueError, "compile", "a graph needs at least one output", "", ""),
    (lambda: _core.Graph().input("x", (1,), "int8"), TypeError, "graph", "an input must be float32 or int32", "int8", ""),
    (lambda: node("transmogrify", [], {}), NotImplementedError, "graph", "there is no operator of this name", "transmogrify", ""),
    (infinite_loss, FloatingPointError, "fit", "the loss must be finite", NOT_FINITE, ""),
]


@pytest.mark.parametrize(("action", "kind", "op", "rule", "got", "code"), ERRORS)
def test_fields(action: Callable[[], Any], kind: type[Exception], op: str, rule: str, got: str, code: str) -> None:
    with pytest.raises(kind) as caught:
        action()
    error: Any = caught.value
    assert type(error) is kind
    assert (error.op, error.rule, error.got, error.code) == (op, rule, got, code)
    assert str(error) == f"[{op}] {rule}." + (f" Got {got}." if got else "")


def test_text_that_is_not_ascii() -> None:
    with pytest.raises(NotImplementedError) as caught:
        node("größer", [], {})
    error: Any = caught.value
    assert error.got == "größer"
    assert str(error).endswith("Got größer.")
