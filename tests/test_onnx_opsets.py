"""Operators whose form changed from one opset to another, in their old forms and their rarer ones: the numbers are ONNX Runtime's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from onnx import helper, numpy_helper
from onnx_models import model, random, runtime

from fastcnn.onnx import loads

Array = np.ndarray
IMAGE = random(2, 3, 6, 5)


def ints(*values: int) -> Array:
    return np.array(values, np.int64)


def floats(*values: float) -> Array:
    return np.array(values, np.float32)


def case(opset: int, op: str, x: Array = IMAGE, *inputs: Array, **attributes: Any) -> Any:
    return pytest.param(opset, op, x, inputs, attributes, id=f"{op}-{opset}-{'-'.join(map(str, attributes.values()))}"[:60])


CASES = [
    case(7, "Softmax"),
    case(11, "Softmax", axis=2),
    case(11, "LogSoftmax", axis=-1),
    case(13, "Softmax", axis=1),
    case(7, "Clip", min=-0.5, max=0.5),
    case(10, "Clip", max=0.25),
    case(7, "Clip", min=-np.inf, max=0.5),
    case(11, "Clip", IMAGE, np.float32(-0.5), np.float32(0.5)),
    case(13, "Clip", IMAGE, np.float32(0)),
    case(11, "Squeeze", random(1, 3, 1, 2), axes=[0, -2]),
    case(13, "Squeeze", random(1, 3, 1, 2)),
    case(13, "Squeeze", random(1, 3, 1, 2), ints(2)),
    case(11, "Unsqueeze", IMAGE, axes=[0, 5]),
    case(13, "Unsqueeze", IMAGE, ints(-1, 1)),
    case(9, "Slice", starts=[1, -3], ends=[5, 100], axes=[2, 3]),
    case(9, "Slice", starts=[0, 1], ends=[1, 3]),
    case(10, "Slice", IMAGE, ints(5, 4), ints(-10, 0), ints(2, -1), ints(-2, -1)),
    case(10, "Slice", IMAGE, ints(1), ints(2**62)),
    case(10, "Slice", IMAGE, ints(4), ints(2), ints(2)),
    case(10, "Pad", pads=[0, 0, 1, 2, 0, 0, 3, 0], value=1.5),
    case(10, "Pad", pads=[0, 0, 2, 2, 0, 0, 1, 2], mode="reflect"),
    case(10, "Pad", pads=[0, 0, -1, -1, 0, 0, -1, -2], value=-np.inf),
    case(11, "Pad", IMAGE, ints(0, 0, 1, 1, 0, 1, 0, 2), mode="edge"),
    case(13, "Pad", IMAGE, ints(0, 0, -1, 1, 0, 0, 0, -2), np.float32(-3)),
    case(18, "Pad", IMAGE, ints(1, 2, 0, 1), np.float32(2), ints(3, 1)),
    case(19, "Pad", IMAGE, ints(0, 0, 3, 2, 0, 0, 1, 4), mode="wrap"),
    case(11, "Split", axis=1, split=[1, 2]),
    case(13, "Split", IMAGE, ints(4, 2), axis=2),
    case(11, "ReduceSum", axes=[1, -1], keepdims=0),
    case(13, "ReduceSum", IMAGE, ints(2)),
    case(17, "ReduceMean", axes=[2, 3]),
    case(18, "ReduceMean", IMAGE, ints(2, 3), keepdims=0),
    case(18, "ReduceMax", IMAGE, noop_with_empty_axes=1),
    case(18, "ReduceL2", IMAGE, ints(1)),
    case(18, "ReduceMin"),
    case(18, "ReduceLogSumExp", IMAGE, ints(1)),
    case(7, "Upsample", scales=[1.0, 1.0, 2.0, 3.0]),
    case(9, "Upsample", IMAGE, floats(1, 1, 2, 2), mode="linear"),
    case(10, "Resize", IMAGE, floats(1, 1, 2, 3)),
    case(10, "Resize", IMAGE, floats(1, 1, 0.6, 0.6)),
    case(10, "Resize", IMAGE, floats(1, 1, 2, 1.5), mode="linear"),
    case(11, "Resize", IMAGE, floats(), floats(1, 1, 2, 2), mode="linear", coordinate_transformation_mode="align_corners"),
    case(11, "Resize", IMAGE, floats(), floats(), ints(2, 3, 9, 7), mode="cubic"),
    case(11, "Resize", IMAGE, floats(), floats(), ints(2, 3, 4, 9), coordinate_transformation_mode="asymmetric", nearest_mode="floor"),
    case(11, "Resize", IMAGE, floats(), floats(1, 1, 1.7, 0.8), coordinate_transformation_mode="tf_half_pixel_for_nn"),
    case(13, "Resize", IMAGE, floats(), floats(1, 1, 0.4, 2.2), mode="linear", coordinate_transformation_mode="pytorch_half_pixel"),
    case(13, "Resize", IMAGE, floats(), floats(), ints(2, 3, 3, 3), nearest_mode="ceil"),
    case(18, "Resize", IMAGE, floats(), floats(), ints(3, 4), mode="linear", antialias=1, axes=[2, 3]),
    case(18, "Resize", IMAGE, floats(), floats(), ints(12, 4), mode="cubic", axes=[2, 3], keep_aspect_ratio_policy="not_larger"),
    case(9, "Upsample", IMAGE[:, :, :5], floats(1, 1, 1.4, 1.8)),
    case(10, "Resize", IMAGE[:, :, :5], floats(1, 1, 1.4, 1.8), mode="linear"),
    case(13, "Resize", IMAGE[:, :, :5], floats(), floats(1, 1, 1.4, 0.9), mode="linear"),
    *(
        case(opset, "Resize", IMAGE, floats(), floats(1, 1, 1.3, 1.7), mode=mode, coordinate_transformation_mode="align_corners")
        for opset in (11, 18, 20)
        for mode in ("linear", "cubic")
    ),
    case(18, "Resize", IMAGE, floats(), floats(1, 1, 0.7, 0.7), mode="linear", coordinate_transformation_mode="align_corners"),
    case(7, "BatchNormalization", IMAGE, *(abs(random(3, seed=i)) for i in range(4)), epsilon=1e-3),
    case(15, "BatchNormalization", random(4, 3), *(abs(random(3, seed=i)) for i in range(4))),
    case(9, "BatchNormalization", random(5), *(abs(random(1, seed=i)) for i in range(4))),
    case(7, "Dropout", ratio=0.3),
    case(13, "Dropout", IMAGE, np.float32(0.3)),
    case(9, "Flatten", axis=0),
    case(11, "Flatten", axis=-2),
    case(11, "DepthToSpace", random(1, 8, 2, 3), blocksize=2, mode="CRD"),
    case(13, "SpaceToDepth", random(1, 2, 4, 6), blocksize=2),
    case(7, "Gemm", random(3, 4), random(3, 5), random(4, 1), transA=1, alpha=0.5, beta=2.0),
    case(11, "Gemm", random(3, 4), random(5, 3), transA=1, transB=1),
    case(13, "Gemm", random(3, 4), random(4, 5), random(5)),
    case(9, "MatMul", random(4), random(2, 4, 3)),
    case(13, "MatMul", random(5, 1, 3, 4), random(2, 4, 3)),
    case(13, "MatMul", random(2, 3, 4), random(4)),
    case(7, "PRelu", IMAGE, random(3, 1, 1)),
    case(9, "PRelu", IMAGE, random(6, 5)),
    case(7, "AveragePool", random(2, 3, 9), kernel_shape=[3], pads=[1, 1], strides=[2]),
    case(11, "AveragePool", random(1, 2, 7, 7), kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1, count_include_pad=1, pads=[1, 1, 1, 1]),
    case(19, "AveragePool", random(1, 2, 9, 9), kernel_shape=[2, 3], dilations=[2, 3], pads=[1, 0, 0, 1]),
    case(11, "MaxPool", random(1, 2, 7, 8), kernel_shape=[3, 2], pads=[2, 1, 2, 1], strides=[2, 1], ceil_mode=1),
    case(12, "MaxPool", random(2, 3, 9), kernel_shape=[3], strides=[2], auto_pad="SAME_UPPER"),
    case(12, "MaxPool", random(2, 3, 9), kernel_shape=[3], dilations=[2], pads=[1, 0]),
    case(17, "MaxPool", random(1, 1, 8, 7), kernel_shape=[3, 3], strides=[3, 3], pads=[0, 0, 2, 2], ceil_mode=1),
    case(17, "MaxPool", random(1, 1, 8, 7), kernel_shape=[2, 3], strides=[3, 1], pads=[1, 2, 1, 2], ceil_mode=1),
    case(17, "MaxPool", random(1, 1, 8, 7), kernel_shape=[4, 3], strides=[3, 2], pads=[0, 1, 3, 0]),
    case(18, "LpPool", random(1, 2, 7, 8), kernel_shape=[3, 2], strides=[2, 1], p=3, pads=[1, 1, 0, 0]),
    case(13, "GlobalLpPool", p=3),
    case(13, "GlobalLpPool", random(2, 3, 2, 3, 4), p=1),
    case(11, "Conv", random(1, 2, 7, 8), random(4, 1, 3, 2), random(4), group=2, auto_pad="SAME_LOWER", strides=[2, 3], dilations=[1, 1]),
    case(11, "Conv", random(1, 2, 7, 8), random(4, 2, 3, 2), pads=[2, 0, 1, 3], dilations=[2, 1]),
    case(11, "ConvTranspose", random(1, 2, 4, 3), random(2, 3, 3, 2), random(3), strides=[2, 3], pads=[1, 0, 0, 1], output_padding=[1, 0]),
    case(11, "ConvTranspose", random(1, 2, 4, 3), random(2, 3, 3, 3), strides=[2, 2], auto_pad="SAME_UPPER"),
    case(11, "ConvTranspose", random(1, 4, 4, 3), random(4, 2, 3, 3), strides=[3, 2], output_shape=[11, 7], group=2),
    case(21, "GroupNormalization", random(2, 6, 3, 4), random(6), random(6, seed=1), num_groups=3),
    case(17, "LayerNormalization", random(2, 3, 4, 5), random(4, 5), random(5), axis=2),
    case(13, "Pow", abs(IMAGE), np.float32(1.7)),
    case(13, "Tile", IMAGE, ints(1, 2, 1, 3)),
    case(13, "Expand", random(3, 1, 5), ints(2, 1, 6, 1)),
    case(13, "Gather", IMAGE, np.array([[0, -1], [2, 1]]), axis=2),
    case(13, "Mean", IMAGE, random(3, 1, 5), random(5)),
    case(13, "ArgMax", IMAGE, axis=1, keepdims=0),
]


@pytest.mark.parametrize(("opset", "op", "x", "inputs", "attributes"), CASES)
def test_operator_of_an_opset(opset: int, op: str, x: Array, inputs: tuple[Array, ...], attributes: dict[str, Any]) -> None:
    """The first input comes with the run, the others are initializers; empty ones are left out where that may be."""
    names = [f"i{i}" if array.size or opset == 11 else "" for i, array in enumerate(inputs)]
    outputs = ["y", "z"][: 2 if op == "Split" else 1]
    node = helper.make_node(op, ["x", *names], outputs, name="node", **attributes)
    tensors = {name: array for name, array in zip(names, inputs, strict=True) if name}
    proto = model([node], {"x": list(x.shape)}, outputs, tensors, opset)
    for port in proto.graph.output if op == "ArgMax" else ():
        port.type.tensor_type.elem_type = 7
    net = loads(proto.SerializeToString())
    wanted = runtime(proto, {"x": x})
    results = net(x)
    for got, want in zip(results if len(outputs) > 1 else [results], wanted, strict=True):
        assert got.shape == want.shape
        assert abs(got - want).max(initial=0) <= 1e-5 * max(1e-30, abs(want).max(initial=0))


@pytest.mark.parametrize("alpha", [1.0, 0.25])
def test_thresholded_relu_of_what_is_not_finite(alpha: float) -> None:
    x = np.array([[-np.inf, np.inf, np.nan, 0.25, 0.5, 1.0, 2.0]], np.float32)
    proto = model([helper.make_node("ThresholdedRelu", ["x"], ["y"], alpha=alpha)], {"x": [1, 7]}, ["y"], opset=10)
    assert np.array_equal(loads(proto.SerializeToString())(x), np.where(x > alpha, x, 0))


PLACES = helper.make_node("ArgMax", ["x"], ["a"], axis=1)
GREATER = helper.make_node("Greater", ["x", "zero"], ["a"])
NOT = [helper.make_node("Not", ["b"], ["c"]), helper.make_node("Cast", ["c"], ["y"], to=1)]
MOVED = {
    "Cast": ([], {"to": 1}),
    "Squeeze": ([ints(1)], {}),
    "Reshape": ([ints(2, -1)], {}),
    "Unsqueeze": ([ints(0)], {}),
    "Transpose": ([], {"perm": [3, 1, 2, 0]}),
    "Slice": ([ints(1), ints(3), ints(2)], {}),
    "Expand": ([ints(3, 2, 1, 6, 5)], {}),
    "Gather": ([ints(2, 0, -1)], {"axis": 2}),
    "Tile": ([ints(1, 1, 2, 3)], {}),
}


@pytest.mark.parametrize("op", MOVED)
def test_places_are_moved_and_cast(op: str) -> None:
    arrays, attributes = MOVED[op]
    tensors = {f"i{i}": array for i, array in enumerate(arrays)}
    nodes = [PLACES, helper.make_node(op, ["a", *tensors], ["b"], **attributes), helper.make_node("Cast", ["b"], ["c"], to=1)]
    proto = model([*nodes, helper.make_node("Mul", ["c", "c"], ["y"])], {"x": list(IMAGE.shape)}, ["y"], tensors)
    assert np.array_equal(loads(proto.SerializeToString())(IMAGE), runtime(proto, {"x": IMAGE})[0])


def test_places_are_put_together() -> None:
    """With one another, and every other of them: they stay integers."""
    least = helper.make_node("ArgMin", ["x"], ["b"], axis=1)
    starts = {"starts": ints(5), "ends": ints(-9), "axes": ints(2), "steps": ints(-2)}
    nodes = [PLACES, least, helper.make_node("Concat", ["a", "b", "a"], ["c"], axis=1), helper.make_node("Slice", ["c", *starts], ["y"])]
    proto = model(nodes, {"x": list(IMAGE.shape)}, ["y"], starts)
    proto.graph.output[0].type.tensor_type.elem_type = 7
    got = loads(proto.SerializeToString())(IMAGE)
    assert got.dtype == np.int32
    assert np.array_equal(got, runtime(proto, {"x": IMAGE})[0])


def test_places_beside_other_numbers_are_an_error() -> None:
    proto = model([PLACES, helper.make_node("Concat", ["x", "a"], ["y"], axis=1, name="both")], {"x": list(IMAGE.shape)}, ["y"])
    with pytest.raises(TypeError, match=r"^\[concat\] all inputs must be of one type\. Got float32 and int32\. In node 'both'\.$"):
        loads(proto.SerializeToString())(IMAGE)


def test_places_are_compared() -> None:
    nodes = [PLACES, helper.make_node("Equal", ["a", "one"], ["b"]), *NOT]
    proto = model(nodes, {"x": list(IMAGE.shape)}, ["y"], {"one": ints(1)})
    assert np.array_equal(loads(proto.SerializeToString())(IMAGE), runtime(proto, {"x": IMAGE})[0])


@pytest.mark.parametrize("dtype", [6, 7])
def test_places_stay_integers(dtype: int) -> None:
    nodes = [PLACES, helper.make_node("Cast", ["a"], ["b"], to=dtype), helper.make_node("Squeeze", ["b", "one"], ["y"])]
    proto = model(nodes, {"x": list(IMAGE.shape)}, ["y"], {"one": ints(1)})
    proto.graph.output[0].type.tensor_type.elem_type = dtype
    got = loads(proto.SerializeToString())(IMAGE)
    assert got.dtype == np.int32
    assert np.array_equal(got, runtime(proto, {"x": IMAGE})[0])


@pytest.mark.parametrize("op", [name for name in MOVED if name not in ("Cast", "Squeeze")])
def test_bools_stay_bools(op: str) -> None:
    arrays, attributes = MOVED[op]
    tensors = {f"i{i}": array for i, array in enumerate(arrays)}
    move = helper.make_node(op, ["a", *tensors], ["b"], **attributes)
    proto = model([GREATER, move, *NOT], {"x": list(IMAGE.shape)}, ["y"], {"zero": np.float32(0), **tensors})
    assert np.array_equal(loads(proto.SerializeToString())(IMAGE), runtime(proto, {"x": IMAGE})[0])


@pytest.mark.parametrize(("op", "inputs"), [("Pad", [ints(0, 0, 1, 2, 0, 0, 2, 0)]), ("ReduceMax", [ints(2)]), ("ReduceMin", [ints(1, 3)])])
def test_bools_stay_bools_in_what_computes(op: str, inputs: list[Array]) -> None:
    """ONNX Runtime has none of these for them: each is the same of 0 and 1."""
    tensors = {f"i{i}": array for i, array in enumerate(inputs)}
    bools = [GREATER, helper.make_node(op, ["a", *tensors], ["b"]), *NOT]
    numbers = [GREATER, helper.make_node("Cast", ["a"], ["n"], to=1), helper.make_node(op, ["n", *tensors], ["m"])]
    numbers += [helper.make_node("Sub", ["one", "m"], ["y"])]
    proto = model(bools, {"x": list(IMAGE.shape)}, ["y"], {"zero": np.float32(0), **tensors}, 20)
    other = model(numbers, {"x": list(IMAGE.shape)}, ["y"], {"zero": np.float32(0), "one": np.float32(1), **tensors}, 20)
    assert np.array_equal(loads(proto.SerializeToString())(IMAGE), runtime(other, {"x": IMAGE})[0])


def test_bools_that_are_chosen_stay_bools() -> None:
    """ONNX Runtime has no Where of them."""
    proto = model([GREATER, helper.make_node("Where", ["a"] * 3, ["b"]), *NOT], {"x": [2, 3, 6, 5]}, ["y"], {"zero": np.float32(0)})
    assert np.array_equal(loads(proto.SerializeToString())(IMAGE), IMAGE <= 0)


def test_sizes_below_zero_are_open() -> None:
    proto = model([helper.make_node("Relu", ["x"], ["y"])], {"x": [-1, 3]}, ["y"])
    net = loads(proto.SerializeToString())
    assert net.input_shapes == {"x": (None, 3)}
    assert net(random(5, 3)).shape == (5, 3)


def shape_arithmetic() -> list[Any]:
    """What exporters write for x.view(n, -1, h // 2, 2 * w)."""
    make = helper.make_node
    return [
        make("Shape", ["x"], ["s"]),
        make("Gather", ["s", "zero"], ["n"]),
        make("Gather", ["s", "two"], ["h"]),
        make("Slice", ["s", "three", "four"], ["w"]),
        make("Cast", ["h"], ["hf"], to=1),
        make("Div", ["hf", "half"], ["h2"]),
        make("Floor", ["h2"], ["h3"]),
        make("Cast", ["h3"], ["h4"], to=7),
        make("Mul", ["w", "two"], ["w1"]),
        make("Clip", ["w1", "two", "many"], ["w2"]),
        make("Unsqueeze", ["n", "axes"], ["nu"]),
        make("Unsqueeze", ["h4", "axes"], ["hu"]),
        make("ConstantOfShape", ["one"], ["minus"], value=numpy_helper.from_array(ints(-1))),
        make("Concat", ["nu", "minus", "hu", "w2"], ["wanted"], axis=0),
        make("Equal", ["wanted", "minus"], ["is_rest"]),
        make("Where", ["is_rest", "minus", "wanted"], ["final"]),
        make("Reshape", ["x", "final"], ["y"]),
    ]


def test_shape_arithmetic_is_folded() -> None:
    """Nothing of it runs."""
    tensors = {
        "zero": np.array(0),
        "two": np.array(2),
        "many": np.array(14),
        "three": ints(3),
        "four": ints(4),
        "half": np.float32(2),
        "axes": ints(0),
        "one": ints(1),
    }
    proto = model(shape_arithmetic(), {"x": ["N", 3, "H", "W"]}, ["y"], tensors)
    net = loads(proto.SerializeToString())
    for shape in ((1, 3, 8, 4), (2, 3, 6, 7)):
        x = random(*shape)
        assert np.array_equal(net(x), runtime(proto, {"x": x})[0])
        steps = net.compile(shape).profile(x)
        assert [step.op for step in steps] in (["copy"], ["reorder"], ["reshape"])


def test_lrn_of_an_even_size() -> None:
    """ONNX Runtime has none; the standard says which half is the larger."""
    x, size, squares = random(1, 7, 2, 2), 4, np.zeros((1, 7, 2, 2))
    for c in range(7):
        squares[:, c] = (x[:, max(0, c - 1) : c + 3].astype(float) ** 2).sum(1)
    proto = model([helper.make_node("LRN", ["x"], ["y"], size=size, alpha=0.5, beta=0.6, bias=1.5)], {"x": [1, 7, 2, 2]}, ["y"])
    assert np.allclose(loads(proto.SerializeToString())(x), x / (1.5 + 0.5 / size * squares) ** 0.6, atol=1e-6)
