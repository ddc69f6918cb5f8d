"""Ops that choose: arg_max and top_k against a stable sort. And the corners of reductions: nothing, ties, zeros, NaN; float lists."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from running import Compiled, run, same_bits

from fastcnn import _core

Array = np.ndarray

SHAPES = [((5,), 0), ((3, 7), 1), ((3, 7), 0), ((2, 33, 3, 2), 1), ((2, 3, 4, 5), -1), ((2, 1, 4), 1), ((0, 3), 1)]


MOVES = {
    "reshape": ({"shape": [4, 6]}, lambda x: x.reshape(4, 6)),
    "transpose": ({"axes": [3, 0, 2, 1]}, lambda x: x.transpose(3, 0, 2, 1)),
    "expand": ({"shape": [5, 2, 3, 2, 2]}, lambda x: np.broadcast_to(x, (5, 2, 3, 2, 2))),
    "slice": ({"axis": 1, "start": 1, "stop": 3}, lambda x: x[:, 1:3]),
    "take": ({"axis": 1, "indices": [2, -1, 0, 2], "value": -(2.0**31)}, lambda x: np.insert(x[:, [2, 0, 2]], 1, -(2**31), axis=1)),
    "concat": ({"axis": 2}, lambda x: x),
}
CORNERS = np.array([0, 1, -1, 2**24 - 1, 2**24 + 1, 2**24 + 3, 2**31 - 1, -(2**31)], np.int32)


@pytest.mark.parametrize("name", MOVES)
def test_moves_of_integers(isa: str, name: str) -> None:
    """Bits stay as they are, also those of a NaN or of a denormal."""
    x = np.resize(np.append(CORNERS, np.int32(0x7FA00000)), (2, 3, 2, 2))
    attributes, wanted = MOVES[name]
    compiled = Compiled(name, [x], attributes, isa)
    got = compiled()[0]
    assert got.dtype == np.int32
    np.testing.assert_array_equal(got, wanted(x))
    assert same_bits(compiled(3), [got])


@pytest.mark.parametrize("axis", range(4))
def test_concat_of_integers(isa: str, axis: int) -> None:
    parts = [np.resize(CORNERS[i:], [2 + i if a == axis else 16 for a in range(4)]) for i in range(3)]
    compiled = Compiled("concat", parts, {"axis": axis}, isa)
    got = compiled()[0]
    assert same_bits([got, *compiled(3)], [np.concatenate(parts, axis)] * 2)
    with pytest.raises(TypeError, match=r"^\[concat\] all inputs must be of one type\. Got int32 and float32\.$"):
        run("concat", [parts[0], parts[1].astype(np.float32)], {"axis": axis}, isa)


@pytest.mark.parametrize("axis", range(4))
def test_take_of_integers(isa: str, axis: int) -> None:
    x = np.resize(CORNERS, (3, 5, 4, 17))
    indices = [1, 2, 1, 0]
    compiled = Compiled("take", [x], {"axis": axis, "indices": indices, "value": 0.0}, isa)
    got = compiled()[0]
    assert same_bits([got, *compiled(3)], [x.take(indices, axis)] * 2)
    for value in (0.5, 2.0**31, np.inf):
        with pytest.raises(ValueError, match=r"^\[take\] value must be an int32, as the input is\. Got "):
            run("take", [x], {"axis": axis, "indices": indices, "value": value}, isa)


def test_cast(isa: str) -> None:
    for shape in ((), (0, 3), (8,), (3, 5000), (2, 3, 4, 5)):
        x = np.resize(CORNERS, shape)
        compiled = Compiled("cast", [x], {}, isa)
        got = compiled()[0]
        assert got.dtype == np.float32
        np.testing.assert_array_equal(got, x.astype(np.float32))
        assert same_bits(compiled(3), [got])
    with pytest.raises(TypeError, match=r"^\[cast\] input 'x' must be int32\. Got float32\.$"):
        run("cast", [np.zeros(3, np.float32)], {}, isa)


def values_with_ties(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    return rng.integers(-2, 3, shape).astype(np.float32)


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize(("shape", "axis"), SHAPES)
def test_arg_max(isa: str, rng: np.random.Generator, shape: tuple[int, ...], axis: int, last: bool, keepdims: bool) -> None:
    x = values_with_ties(rng, shape)
    compiled = Compiled("arg_max", [x], {"axis": axis, "keepdims": keepdims, "last": last}, isa)
    got = compiled()[0]
    places = np.flip(x, axis).argmax(axis, keepdims=keepdims) if last else x.argmax(axis, keepdims=keepdims)
    assert got.dtype == np.int32
    np.testing.assert_array_equal(got, x.shape[axis] - 1 - places if last else places)
    assert all(same_bits(compiled(threads), [got]) for threads in (2, 3))


@pytest.mark.parametrize("last", [False, True])
def test_nan_is_the_maximum(isa: str, last: bool) -> None:
    x = np.array([1, np.nan, np.inf, np.nan, 2], np.float32)
    assert run("arg_max", [x], {"axis": 0, "keepdims": False, "last": last}, isa)[0] == (3 if last else 1)
    for kind in ("max", "min"):
        assert np.isnan(run("reduce", [x], {"kind": kind, "axes": [0], "keepdims": False}, isa)[0])


def ordered(x: Array, axis: int, largest: bool) -> Array:
    """Indices of the entries in order, equal ones as they come: NaN is larger than anything."""
    rank = np.where(np.isnan(x), np.inf, np.clip(x, -1e30, 1e30))
    return np.argsort(-rank if largest else rank, axis, kind="stable")


@pytest.mark.parametrize("largest", [False, True])
@pytest.mark.parametrize(("shape", "axis"), SHAPES)
def test_top_k(isa: str, rng: np.random.Generator, shape: tuple[int, ...], axis: int, largest: bool) -> None:
    x = values_with_ties(rng, shape)
    x[x == 2] = np.nan
    order = ordered(x, axis, largest)
    for k in {0, 1, shape[axis] // 2, shape[axis]}:
        compiled = Compiled("top_k", [x], {"axis": axis, "k": k, "largest": largest}, isa)
        values, indices = compiled()
        wanted = order.take(np.arange(k), axis)
        assert (values.dtype, indices.dtype) == (np.float32, np.int32)
        np.testing.assert_array_equal(indices, wanted)
        np.testing.assert_array_equal(values, np.take_along_axis(x, wanted, axis))
        assert all(same_bits(compiled(threads), [values, indices]) for threads in (2, 3))


@pytest.mark.parametrize(
    ("op", "attributes"),
    [("arg_max", {"axis": 0, "keepdims": False, "last": False}), ("top_k", {"axis": 0, "k": 1, "largest": True})],
)
def test_choices_have_no_gradient(op: str, attributes: dict[str, Any]) -> None:
    graph = _core.Graph()
    x = graph.input("x", (3,))
    y = graph.add(op, [x], attributes, "head")
    with pytest.raises(NotImplementedError, match=rf"^\[{op}\] this operator has no backward\. Got layer 'head'\.$"):
        graph.gradient(y[:1], [None], [x])


@pytest.mark.parametrize(("kind", "value"), [("max", -np.inf), ("min", np.inf), ("log_sum_exp", -np.inf)])
def test_reduction_of_nothing(isa: str, kind: str, value: float) -> None:
    for shape, axis in (((3, 0), 1), ((0, 3), 0)):
        x = np.zeros(shape, np.float32)
        np.testing.assert_array_equal(run("reduce", [x], {"kind": kind, "axes": [axis], "keepdims": False}, isa)[0], [value] * 3)


def gradient(isa: str, kind: str, x: Array, axis: int) -> Array:
    dy = np.ones_like(x.sum(axis))
    return Compiled("reduce", [x], {"kind": kind, "axes": [axis], "keepdims": False}, isa, [0], dy)()[0]


@pytest.mark.parametrize("axis", [0, 1])
def test_gradients_of_reductions_where_they_have_none(isa: str, axis: int) -> None:
    """Equal maxima share; |x| and the length are flat at 0; a product with zeros."""
    x = np.array([[3, 1, 3, 3], [2, 5, 0, 5], [0, 7, 0, 4], [0, 0, 0, 0]], np.float32)
    x = x if axis == 1 else x.T.copy()
    shares = x == x.max(axis, keepdims=True)
    wanted = {"max": shares / shares.sum(axis, keepdims=True), "l1": np.sign(x)}
    length = np.sqrt((x**2).sum(axis, keepdims=True))
    wanted["l2"] = np.divide(x, length, out=np.zeros_like(x), where=length > 0)
    products = np.array([[9, 27, 9, 9], [0, 0, 50, 0], [0, 0, 0, 0], [0, 0, 0, 0]], np.float32)
    wanted["product"] = products if axis == 1 else products.T
    for kind, want in wanted.items():
        np.testing.assert_allclose(gradient(isa, kind, x, axis), want, rtol=1e-6, err_msg=kind)


def test_lists_of_numbers_are_attributes() -> None:
    graph = _core.Graph()
    x = graph.input("x", (3,))
    attributes = {"axis": 0, "taps": 1, "indices": [2, 0], "weights": [0.5, 2]}
    graph.add("resample", [x], attributes)
    assert graph.nodes()[0]["attributes"] == attributes
    with pytest.raises(TypeError, match=r"^\[graph\] attribute 'weights' must hold integers or numbers\.$"):
        graph.add("resample", [x], attributes | {"weights": [0.5, "2"]})
    with pytest.raises(ValueError, match=r"^\[attributes\] attribute 'indices' must be a list of integers\.$"):
        graph.add("resample", [x], attributes | {"indices": [0.5, 0.0]})
