"""ONNX files that lie: an exception that says what is wrong, never a crash, never more memory than the file is long and a constant."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")

import fuzz_onnx  # noqa: E402
from onnx import TensorProto, helper, numpy_helper  # noqa: E402
from onnx_models import model, random, small_cnn  # noqa: E402

from fastcnn.formats.protobuf_reader import Source, Span  # noqa: E402
from fastcnn.onnx import load, loads  # noqa: E402

MESSAGE = r"^\[\w+\] .+\. Got .*\.( In node '.*'\.)?$"


def refuse(data: bytes, kind: type[Exception] = ValueError, match: str = MESSAGE) -> None:
    with pytest.raises(kind, match=match):
        loads(data)(random(1, 3, 8, 8))


# ---- the wire format -------------------------------------------------------------------------------------------------------------------


def test_files_cut_short() -> None:
    data = small_cnn().SerializeToString()
    for length in [*range(0, 200), *range(200, len(data), 13), *range(len(data) - 100, len(data))]:
        with pytest.raises((ValueError, NotImplementedError), match=r"^\[\w+\] .+\. Got "):
            loads(data[:length])(random(1, 3, 8, 8))


WIRE = {
    "nothing": b"",
    "text": b"this is no model at all, it is text",
    "varint without end": b"\x38" + b"\xff" * 20,
    "varint of eleven bytes": b"\x08" + b"\x80" * 10 + b"\x01",
    "field number 0": b"\x00\x01",
    "group": b"\x0b\x0c",
    "kind 7": b"\x0f\x01",
    "length beyond the file": b"\x3a\xff\xff\xff\xff\x0f",
    "length of 2^64": b"\x3a" + b"\xff" * 9 + b"\x01",
    "inner longer than outer": b"\x3a\x04\x0a\x05abcde",
    "graph as a number": b"\x38\x01",
    "two graphs": b"\x3a\x00\x3a\x00\x42\x02\x10\x0d",
    "half a float": b"\x3a\x0c\x0a\x0a\x2a\x08\x0a\x01a\x15\x00\x00",
    "name that is no text": b"\x3a\x06\x0a\x04\x1a\x02\xff\xfe",
}


@pytest.mark.parametrize("name", WIRE)
def test_bytes_that_are_no_model(name: str) -> None:
    refuse(WIRE[name], match=r"^\[load\] .+\. Got .*\.$")


def test_unknown_fields_are_skipped() -> None:
    data = small_cnn().SerializeToString()
    unknown = b"\xf8\x7f\x05" + b"\xfd\x7f1234" + b"\xf9\x7f12345678" + b"\xfa\x7f\x03abc"
    assert loads(unknown + data + unknown).inputs == ("x",)


def test_varints() -> None:
    numbers = [0, 1, 127, 128, 300, 2**31, 2**62, -1, -(2**63)]
    tensor = helper.make_tensor("t", TensorProto.INT64, [len(numbers)], numbers)
    data = tensor.SerializeToString()
    packed = data[data.index(b"\x3a") + 2 : data.index(b"\x42")]
    assert Source.of_bytes(packed).varints(Span(0, len(packed))).tolist() == numbers
    assert Source.of_bytes(b"").varints(Span(0, 0)).tolist() == []


def test_a_million_small_messages_are_refused() -> None:
    refuse(b"\x3a\x80\x80\x80\x01" + b"\x0a\x00" * (1 << 20), match=r"^\[load\] a model must have at most 524288 parts\. Got more\.$")


def test_memory_is_that_of_the_file() -> None:
    """A tensor of a terabyte, a list of numbers that a byte each stands for, a constant of 2^39 elements."""
    proto = small_cnn()
    proto.graph.initializer[0].dims[:] = [2**20, 2**20, 3, 3]
    huge = proto.SerializeToString()
    proto = small_cnn()
    proto.graph.initializer[0].ClearField("raw_data")
    proto.graph.initializer[0].data_type = TensorProto.INT64
    proto.graph.initializer[0].dims[:] = [2**26]
    many = proto.SerializeToString() + b"\x3a\x00"
    shape = np.array([2**13] * 3)
    tile = [helper.make_node("ConstantOfShape", ["shape"], ["c"]), helper.make_node("Neg", ["c"], ["y"])]
    tracemalloc.start()
    for data in (huge, many, model(tile, {}, ["y"], {"shape": shape}).SerializeToString()):
        with pytest.raises(ValueError, match=MESSAGE):
            loads(data)
    assert tracemalloc.get_traced_memory()[1] < 1 << 22
    tracemalloc.stop()


# ---- graphs ----------------------------------------------------------------------------------------------------------------------------


def changed(change: Callable[[Any], None]) -> bytes:
    proto = small_cnn()
    change(proto)
    data: bytes = proto.SerializeToString()
    return data


def node(proto: Any, op: str) -> Any:
    return next(node for node in proto.graph.node if node.op_type == op)


def tensor(proto: Any, name: str) -> Any:
    return next(tensor for tensor in proto.graph.initializer if tensor.name == name)


def replaced(name: str, array: np.ndarray) -> Callable[[Any], None]:
    return lambda proto: tensor(proto, name).CopyFrom(numpy_helper.from_array(array, name))


def attribute(op: str, name: str, value: Any) -> Callable[[Any], None]:
    def change(proto: Any) -> None:
        found = node(proto, op)
        kept = [attribute for attribute in found.attribute if attribute.name != name]
        del found.attribute[:]
        found.attribute.extend([*kept, helper.make_attribute(name, value)])

    return change


GRAPHS: dict[str, tuple[Callable[[Any], None], str]] = {
    "no graph": (lambda p: p.ClearField("graph"), r"a model must have one graph\. Got 0"),
    "empty graph": (lambda p: p.graph.Clear(), r"a model must have an output with a name\. Got \(\)"),
    "no nodes": (lambda p: p.graph.ClearField("node"), r"every value that is used must be defined\. Got 'y'"),
    "cycle": (lambda p: node(p, "Relu").input.__setitem__(0, "s"), r"the nodes must form no cycle\. Got "),
    "node of its own output": (lambda p: node(p, "Relu").input.__setitem__(0, "r"), r"the nodes must form no cycle\. Got Relu '/relu'"),
    "missing initializer": (
        lambda p: p.graph.initializer.remove(tensor(p, "fc.bias")),
        r"every value that is used must be defined\. Got 'fc.bias' in Gemm '/fc'",
    ),
    "defined twice": (
        lambda p: node(p, "Relu").output.__setitem__(0, "b"),
        r"a value must be defined once\. Got 'b' again by Relu '/relu'",
    ),
    "output of an input's name": (lambda p: node(p, "Relu").output.__setitem__(0, "x"), r"a value must be defined once\. Got 'x' again"),
    "initializer twice": (
        lambda p: p.graph.initializer.append(tensor(p, "fc.bias")),
        r"an initializer must have a name of its own\. Got 'fc.bias'",
    ),
    "input twice": (lambda p: p.graph.input.append(p.graph.input[0]), r"an input must have a name of its own\. Got 'x'"),
    "attribute twice": (lambda p: node(p, "Conv").attribute.append(node(p, "Conv").attribute[0]), r"an attribute must come once"),
    "negative size": (lambda p: tensor(p, "fc.bias").dims.__setitem__(0, -5), r"a tensor must have at most 8 sizes, none negative"),
    "size too large": (lambda p: tensor(p, "fc.bias").dims.__setitem__(0, 6), r"'fc.bias' must have the bytes of its shape \(6,\), 24"),
    "huge size": (lambda p: tensor(p, "fc.bias").dims.__setitem__(0, 2**62), r"a tensor must have at most 2\^40 elements"),
    "huge sizes and none": (
        lambda p: tensor(p, "fc.bias").dims.extend([0, 2**40, 2**40]),
        r"a tensor must have at most 2\^40 elements",
    ),
    "nine axes": (lambda p: tensor(p, "fc.bias").dims.extend([1] * 8), r"a tensor must have at most 8 sizes"),
    "bytes missing": (lambda p: setattr(tensor(p, "fc.bias"), "raw_data", b"123"), r"'fc.bias' must have the bytes of its shape"),
    "no bytes": (lambda p: tensor(p, "fc.bias").ClearField("raw_data"), r"'fc.bias' must have the bytes of its shape \(5,\), 20\. Got 0"),
    "weight of another rank": (replaced("conv.weight", random(4, 3, 3)), r"the weight must have 4 axes"),
    "weight of other channels": (replaced("conv.weight", random(4, 2, 3, 3)), r"weight must have in_channels / groups channels"),
    "weight of integers": (replaced("fc.bias", np.arange(5)), r"operands of a run must be floating point"),
    "statistics of another length": (replaced("bn.mean", random(3)), r"mean must be "),
    "index outside": (replaced("zero", np.array(4)), r"indices must be inside the axis of 4\. Got 4 to 4"),
    "shape of too many elements": (replaced("rest", np.array([7])), r"the shape must hold as many elements"),
    "shape with two rests": (replaced("rest", np.array([-1, -1])), r"the shape must hold as many elements"),
    "negative shape": (replaced("rest", np.array([-2])), r"shape must be at least -1"),
    "shape of floats": (replaced("rest", np.float32([4])), r"input 1 must hold integers|must be"),
    "axis outside": (attribute("Concat", "axis", 1), r"the axis must be one of the value's 1"),
    "group of zero": (attribute("Conv", "group", 0), r"groups must be at least 1"),
    "negative pads": (attribute("Conv", "pads", [-1, 0, 0, 0]), r"pads must be at least 0"),
    "three pads": (attribute("Conv", "pads", [1, 1, 1]), r"attribute pads must have 4 entries"),
    "pads of 2^62": (attribute("Conv", "pads", [2**62] * 4), r"pads must be at least 0 and below 2\^31"),
    "stride of zero": (attribute("MaxPool", "strides", [0, 1]), r"strides must be at least 1"),
    "no kernel": (attribute("MaxPool", "kernel_shape", 3), r"attribute kernel_shape must be a list of integers"),
    "kernel of 2^40": (attribute("MaxPool", "kernel_shape", [2**40, 1]), r"the kernel must have 2 sizes"),
    "kernel larger than the image": (attribute("MaxPool", "kernel_shape", [50, 1]), r"the kernel must not be larger"),
    "text for a number": (attribute("Gemm", "transB", "yes"), r"attribute transB must be an integer"),
    "infinite number": (attribute("Gemm", "alpha", float("inf")), r"attribute alpha must be finite"),
    "epsilon below zero": (attribute("BatchNormalization", "epsilon", -1.0), r"eps must be at least 0"),
    "too few inputs": (lambda p: node(p, "Conv").input.__delitem__(1), r".*"),
    "input left out": (lambda p: node(p, "Conv").input.__setitem__(1, ""), r"input 1 must be given\. Got 3 inputs"),
    "output that does not exist": (lambda p: (node(p, "Relu").output.append("e"), node(p, "Add").input.append("e")), r".*"),
}


@pytest.mark.parametrize("name", GRAPHS)
def test_graphs_that_lie(name: str) -> None:
    change, rule = GRAPHS[name]
    with pytest.raises((ValueError, NotImplementedError, TypeError), match=MESSAGE) as info:
        loads(changed(change))(random(1, 3, 8, 8))
    with pytest.raises(type(info.value), match=rf"^\[\w+\] .*{rule}"):
        loads(changed(change))(random(1, 3, 8, 8))


def test_an_error_of_an_operator_has_fields() -> None:
    with pytest.raises(ValueError, match="stride") as info:
        loads(changed(attribute("MaxPool", "strides", [0, 1])))(random(1, 3, 8, 8))
    error: Any = info.value
    assert (error.op, error.rule, error.got) == ("MaxPool", "strides must be at least 1 and below 2^31", "[0, 1]")
    assert str(error) == f"[{error.op}] {error.rule}. Got {error.got}. In node '/pool'."


def test_an_error_of_numpy_is_what_was_got() -> None:
    """Of shapes that do not fit, which NumPy finds while it folds."""
    nodes = [helper.make_node("Concat", ["a", "b"], ["c"], axis=0), helper.make_node("Add", ["x", "c"], ["y"])]
    with pytest.raises(ValueError, match=r"^\[Concat\] inputs must be ones that it is defined for\. Got .*\. In node 'c'\.$"):
        loads(model(nodes, {"x": (1, 3, 8, 8)}, ["y"], {"a": np.zeros((2, 2), int), "b": np.zeros(3, int)}).SerializeToString())


HUGE = np.array([2**30, 2**30])
CONSTANTS: dict[str, tuple[str, list[np.ndarray]]] = {
    "Expand": ("Expand", [np.zeros(1, np.float32), HUGE]),
    "Tile": ("Tile", [np.zeros(3, np.int64), np.array([2**40])]),
    "Range": ("Range", [np.array(0), np.array(2**62), np.array(1)]),
    "range of tiny steps": ("Range", [np.float32(0), np.float32(1), np.float32(1e-30)]),
    "ConstantOfShape": ("ConstantOfShape", [HUGE]),
    "negative ConstantOfShape": ("ConstantOfShape", [np.array([-1])]),
    "sum of columns and rows": ("Add", [np.zeros((2**13, 1)), np.zeros((1, 2**13))]),
    "gather of gathers": ("Gather", [np.zeros((1, 2**13)), np.zeros(2**13, np.int64)]),
    "Div by zero": ("Div", [np.array(1), np.array(0)]),
    "Mod by zero": ("Mod", [np.array(1), np.array(0)]),
    "power below zero": ("Pow", [np.array(2), np.array(-1)]),
    "Max of nothing": ("ReduceMax", [np.zeros(0, np.int64)]),
    "shapes that do not broadcast": ("Mul", [np.zeros(2, np.int64), np.zeros(3, np.int64)]),
}


@pytest.mark.parametrize("name", CONSTANTS)
def test_constants_that_are_too_large(name: str) -> None:
    op, arrays = CONSTANTS[name]
    names = [f"c{i}" for i in range(len(arrays))]
    proto = model([helper.make_node(op, names, ["y"])], {}, ["y"])
    for tensor_name, array in zip(names, arrays, strict=True):  # Constant nodes, so that NumPy computes with them
        array = array.astype(np.float32) if array.dtype == np.float64 else np.asarray(array)
        proto.graph.node.insert(0, helper.make_node("Constant", [], [tensor_name], value=numpy_helper.from_array(array)))
    with pytest.raises((ValueError, NotImplementedError), match=MESSAGE):
        loads(proto.SerializeToString())()


VALUES = {
    "Expand": ("Expand", [np.array([2**38])], {}),
    "Tile": ("Tile", [np.array([2**30])], {}),
    "Pad": ("Pad", [np.array([2**23, 0])], {}),
    "Pad by the border": ("Pad", [np.array([2**62, 0])], {"mode": "edge"}),
    "Resize": ("Resize", [np.zeros(0, np.float32), np.float32([1e30])], {}),
    "Gather": ("Gather", [np.zeros(2**21, np.int64)], {}),
}


@pytest.mark.parametrize("name", VALUES)
def test_values_that_are_too_large(name: str) -> None:
    op, arrays, attributes = VALUES[name]
    names = [f"c{i}" for i in range(len(arrays))]
    proto = model([helper.make_node(op, ["x", *names], ["y"], **attributes)], {"x": [3]}, ["y"], dict(zip(names, arrays, strict=True)))
    with pytest.raises(ValueError, match=MESSAGE):
        loads(proto.SerializeToString()).compile((3,))


def test_many_constants_are_too_many() -> None:
    nodes = [helper.make_node("Range", ["zero", "most", "one"], [f"r{i}"]) for i in range(8)]
    nodes.append(helper.make_node("Concat", [f"r{i}" for i in range(8)], ["y"], axis=0))
    proto = model(nodes, {}, ["y"], {"zero": np.array(0), "most": np.array(2**24), "one": np.array(1)})
    rule = r"constants must have at most 67108864 elements together\. Got more"
    refuse(proto.SerializeToString(), match=rf"^\[Range\] {rule}\. In node 'r4'\.$")


@pytest.mark.parametrize(
    ("op", "channels", "attributes"),
    [
        ("AveragePool", 1, {"kernel_shape": [1, 1], "pads": [2**17] * 4}),
        ("LpPool", 1024, {"kernel_shape": [2**11] * 2, "pads": [2**10] * 4}),
    ],
)
def test_windows_that_are_too_large(op: str, channels: int, attributes: dict[str, list[int]]) -> None:
    """How many pixels each window has, and a kernel of ones for each channel: 256 GB, 16 GB."""
    net = loads(model([helper.make_node(op, ["x"], ["y"], **attributes)], {"x": [1, channels, 1, 1]}, ["y"]).SerializeToString())
    rule = rf"\[{op}\] a constant that is computed must have at most 16777216 elements\. Got \(.*\)\. In node 'y'\."
    with pytest.raises(ValueError, match=rf"^{rule}$"):
        net.compile((1, channels, 1, 1))


def test_functions_of_many_inputs() -> None:
    """The names of a call are looked up once, not for each node of the body: that was a minute."""
    count = 6000
    body = [helper.make_node("Identity", [f"v{i}" if i else "a"], [f"v{i + 1}"]) for i in range(count)]
    inputs = ["a", *(f"i{i}" for i in range(count))]
    function = helper.make_function("f", "F", inputs, [f"v{count}"], body, [helper.make_opsetid("", 17)])
    proto = model([helper.make_node("F", ["x"], ["y"], domain="f")], {"x": [1]}, ["y"], functions=[function])
    proto.opset_import.append(helper.make_opsetid("f", 1))
    start = time.process_time()
    loads(proto.SerializeToString())
    assert time.process_time() - start < 5


REPEATED = {
    "reduction": [helper.make_node("ReduceSum", ["c"], [f"r{i}"], keepdims=0) for i in range(5)],
    "maximum": [helper.make_node("Max", ["c"] * 8, ["r4"])],
    "places": [helper.make_node("NonZero", ["c"], [f"r{i}"]) for i in range(5)],
}


@pytest.mark.parametrize("name", REPEATED)
def test_work_on_constants_is_counted(name: str) -> None:
    """A constant that takes no memory, and results that are small: each goes through 2^24 elements."""
    nodes = [helper.make_node("ConstantOfShape", ["shape"], ["c"]), *REPEATED[name]]
    nodes.append(helper.make_node("Concat", [node.output[0] for node in REPEATED[name]], ["y"], axis=0))
    proto = model(nodes, {}, ["y"], {"shape": np.array([2**24])})
    rule = r"constants must have at most 67108864 elements together\. Got more"
    with pytest.raises(ValueError, match=rf"^\[\w+\] {rule}\. In node 'r[34]'\.$"):
        loads(proto.SerializeToString())


def test_places_are_counted_together() -> None:
    """Each node stays below the limit of one."""
    nodes, last = [], "x"
    for i in range(4):
        nodes += [
            helper.make_node("Resize", [last, "", "", "sizes"], [f"r{i}"], mode="linear"),
            helper.make_node("Slice", [f"r{i}", "zero", "two", "axis"], [f"s{i}"]),
        ]
        last = f"s{i}"
    nodes += [helper.make_node("Gather", [last, "many"], ["y"], axis=3)]
    tensors = {"sizes": [1, 1, 1, 2**19], "zero": [0], "two": [2], "axis": [3], "many": [0, 0]}
    proto = model(nodes, {"x": [1, 1, 1, 2]}, ["y"], {name: np.array(values) for name, values in tensors.items()})
    rule = r"the places that a network takes values from must be at most 4194304 together\. Got more"
    with pytest.raises(ValueError, match=rf"^\[Gather\] {rule}\. In node 'y'\.$"):
        loads(proto.SerializeToString()).compile((1, 1, 1, 2))


def test_external_bytes_that_all_tensors_share(tmp_path: Path) -> None:
    size = 1 << 22
    with open(tmp_path / "w.bin", "wb") as file:
        file.truncate(4 * size)
    proto = model([helper.make_node("Sum", ["x", *(f"w{i}" for i in range(8))], ["y"])], {"x": [1]}, ["y"])
    for i in range(8):
        tensor = proto.graph.initializer.add(name=f"w{i}", data_type=TensorProto.FLOAT, dims=[size], data_location=TensorProto.EXTERNAL)
        for key, value in (("location", "w.bin"), ("length", str(4 * size))):
            tensor.external_data.add(key=key, value=value)
    (tmp_path / "net.onnx").write_bytes(proto.SerializeToString())
    rule = r"tensors must not read external data again and again: at most 100663296 bytes of these files\. Got 117440512\."
    with pytest.raises(ValueError, match=rf"^\[load\] {rule}$"):
        load(tmp_path / "net.onnx")


def test_a_few_rounds_of_the_fuzzer() -> None:
    reached, failed = fuzz_onnx.fuzz(300)
    assert not failed
    assert sum(reached.values()) - reached["refused"] >= 90
    assert reached["ran"] >= 15
