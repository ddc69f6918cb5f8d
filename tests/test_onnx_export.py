"""ONNX out: files pass the checker of the onnx package, and ONNX Runtime computes the same numbers from them, for batches of any size."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx_sessions import agrees, exported, onnx, outputs
from small_nets import Lambda, lenet

import fastcnn as fc
from fastcnn.functional import adaptive_avg_pool2d, adaptive_max_pool2d, avg_pool2d, max_pool2d
from fastcnn.network.traced import traced
from fastcnn.saving.onnx import elementwise
from fastcnn.tracing.batch_size import Size, concrete
from fastcnn.tracing.operators import OPERATORS, Refused
from fastcnn.tracing.value import add_node, add_nodes

Array = np.ndarray
CPP = Path(__file__).parent.parent / "cpp"


# ---- every layer and function ----------------------------------------------------------------------------------------------------------


def function(call: Callable[..., Any], **tensors: Array) -> fc.Module:
    return Lambda(call, **{name: fc.Parameter(values) for name, values in tensors.items()})


def norm(**arguments: Any) -> fc.Module:
    layer = fc.BatchNorm2d(6, **arguments)
    random = np.random.default_rng(3)
    for tensor in (layer.weight, layer.bias, layer.running_mean, layer.running_var):
        if tensor is not None:
            tensor.assign(random.uniform(0.5, 2, 6))
    return layer


CASES: dict[str, fc.Module] = {
    "conv": fc.Conv2d(6, 8, 3, seed=0),
    "conv without bias": fc.Conv2d(6, 8, (3, 2), (2, 1), (1, 2), (1, 2), bias=False, seed=0),
    "conv of groups": fc.Conv2d(6, 9, 3, padding=1, groups=3, seed=0),
    "depthwise": fc.Conv2d(6, 6, 5, 2, 2, groups=6, seed=0),
    "conv of uneven padding": fc.Conv2d(6, 4, (2, 4), padding="same", seed=0),
    "linear": fc.Sequential(fc.Flatten(), fc.Linear(6 * 9 * 11, 5, seed=0)),
    "linear without bias": fc.Sequential(fc.Flatten(), fc.Linear(6 * 9 * 11, 5, bias=False, seed=0)),
    "linear of the last axis": fc.Linear(11, 5, seed=0),
    "batch norm": norm(),
    "batch norm without weights": norm(affine=False, eps=0.1),
    "batch norm without bias": norm(bias=False),
    "local response norm": fc.LocalResponseNorm(3, 0.5, 0.6, 1.5),
    "local response norm of an even size": fc.LocalResponseNorm(4, 0.5, 0.6, 1.5),
    "softmax": fc.Softmax(),
    "softmax of rows": fc.Softmax(-1),
    "log softmax": fc.LogSoftmax(),
    "prelu": fc.PReLU(),
    "prelu of channels": function(lambda x, weight: fc.prelu(x, weight), weight=np.linspace(-1, 1, 6)),
    "prelu of vectors": function(lambda x, weight: fc.prelu(x.reshape(-1, 11), weight), weight=np.linspace(-1, 1, 11)),
    "clipped": fc.ReLU6(),
    "leaky relu": fc.LeakyReLU(0.3),
    "elu": fc.ELU(0.7),
    "dropout": fc.Sequential(fc.ReLU(), fc.Dropout()),
    "max pool": fc.MaxPool2d(3, 2, 1),
    "max pool up": fc.MaxPool2d((2, 3), (3, 2), (1, 0), ceil_mode=True),
    "max pool apart": fc.MaxPool2d(3, 2, 1, 2),
    "max pool apart and up": fc.MaxPool2d(2, 3, 1, 4, ceil_mode=True),
    "max pool of few": function(lambda x: max_pool2d(x, 1, 3)),
    "average pool": fc.AvgPool2d(3, 2, 1),
    "average pool up": fc.AvgPool2d((3, 2), (2, 3), 1, ceil_mode=True),
    "average pool of pixels": fc.AvgPool2d((3, 2), (2, 3), 1, ceil_mode=True, count_include_pad=False),
    "average pool by seven": fc.AvgPool2d(3, 2, 1, divisor_override=7),
    "average pool by seven of pixels": function(lambda x: avg_pool2d(x, 3, 2, 1, True, False, 7)),
    "global average": fc.AdaptiveAvgPool2d(1),
    "global maximum": fc.AdaptiveMaxPool2d(1),
    "adaptive average": fc.AdaptiveAvgPool2d((3, 11)),
    "adaptive average of uneven windows": fc.AdaptiveAvgPool2d((4, 7)),
    "adaptive average of many": function(lambda x: adaptive_avg_pool2d(x, (13, 1))),
    "adaptive maximum": fc.AdaptiveMaxPool2d((3, 1)),
    "adaptive maximum of uneven windows": fc.AdaptiveMaxPool2d((4, 11)),
    "adaptive maximum of many": function(lambda x: adaptive_max_pool2d(x, (2, 12))),
    "sum": function(lambda x: x + x.sigmoid()),
    "sum with weights": function(lambda x, weight: x + weight, weight=np.linspace(-1, 1, 6).reshape(6, 1, 1)),
    "difference": function(lambda x: 2.0 - x),
    "scaled": function(lambda x: x * 3.0),
    "shifted": function(lambda x: x + 3.0),
    "kept": function(lambda x: x + 0.0),
    "product": function(lambda x: x * adaptive_avg_pool2d(x, 1)),
    "product with numbers": function(lambda x: x * np.arange(11.0)),
    "concatenation": function(lambda x: fc.concat([x, x.relu(), x], 1)),
    "slice": function(lambda x: x[:, 1:5, 2, 3:-1]),
    "slice of the batch": function(lambda x: x[1:]),
    "split": function(lambda x: x.chunk(3, 1)),
    "batch first": function(lambda x: x.reshape(x.shape[0], 2, -1)),
    "batch merged": function(lambda x: x.reshape(x.shape[0] * 6, 9, 11)[:, :, 1:]),
    "batch moved": function(lambda x: x.reshape(3, -1)),
    "shape of one": function(lambda x: x.reshape(1, *x.shape, 1)),
}
CASES |= {kind: getattr(fc, kind)() for kind in ("ReLU", "Sigmoid", "Tanh", "SiLU", "GELU", "Mish", "Hardswish", "Hardsigmoid", "Identity")}


def op(name: str, *, of: Callable[[fc.Value], fc.Value] = lambda x: x, **attributes: Any) -> fc.Module:
    """An operator of the core, of a function of x."""
    return function(lambda x: add_node(name, [of(x)], attributes))


def positive(x: fc.Value) -> fc.Value:
    return x * x + 0.5


ACTIVATIONS = {"elu": (0.5, 0.0), "leaky_relu": (0.1, 0.0), "clipped": (-1.0, 2.0), "selu": (1.67, 1.05), "hardsigmoid": (0.3, 0.4)}
ACTIVATIONS |= dict.fromkeys(("power", "log", "sqrt", "reciprocal"), (1.7, 0.0))
CASES |= {
    f"activation {kind}": op("activation", of=positive if ab == (1.7, 0.0) else lambda x: x, kind=kind, a=ab[0], b=ab[1])
    for kind, ab in {**dict.fromkeys([*elementwise.PLAIN, *elementwise.WITH_NUMBERS], (0.0, 0.0)), **ACTIVATIONS}.items()
}
CASES |= {
    f"reduce {kind}": op("reduce", of=lambda x: x * 0.3, kind=kind, axes=[1, 3], keepdims=kind in ("sum", "l2", "product"))
    for kind in ("sum", "mean", "max", "min", "l1", "l2", "sum_square", "product", "log_sum_exp")
}
PADDED = [-1, -1, *range(9), -1]
CASES |= {
    "reduce nothing": op("reduce", kind="l1", axes=[], keepdims=True),
    "transpose": op("transpose", axes=[3, 0, 2, 1]),
    "take": op("take", axis=1, indices=[5, 0, 0, 3], value=0.0),
    "take with steps": op("take", axis=3, indices=[0, 2, 4, 6, 8, 10], value=0.0),
    "take with padding": op("take", axis=2, indices=PADDED, value=1.5),
    "take with holes": op("take", axis=2, indices=[-1, 3, -1, 0, 2], value=-1.5),
    "upsampled": fc.Upsample(scale_factor=2),
    "upsampled by several factors": fc.Upsample(scale_factor=(3, 2)),
    "upsampled by no whole factor": fc.Upsample((12, 22)),
    "upsampled integers": function(lambda x: fc.interpolate(x.argmax(1, keepdim=True), scale_factor=2)),
    "integers": function(lambda x: fc.pad(fc.concat([x.argmax(1), x.argmin(1)[:, ::2]], 1), (1, 0), value=-7)),
    "integers with holes": op("take", of=lambda x: x.argmax(1), axis=1, indices=[3, -1, 2], value=-5.0),
    "resample columns": op("resample", axis=3, taps=2, indices=[0, 1, 3, 4, 9, 10], weights=[0.5, 0.5, 0.25, 0.75, 1.0, 0.0]),
    "resample rows": op("resample", axis=2, taps=1, indices=[8, 0, 0], weights=[1.0, 2.0, -1.0]),
    "resample channels": op("resample", axis=1, taps=2, indices=[0, 0, 3, 5], weights=[0.5, 0.5, 0.25, 0.75]),
    "expand": op("expand", of=lambda x: x[0, :, :1], shape=[6, 4, 11]),
    "expand nothing": function(lambda x: add_node("expand", [x], {"shape": list(x.shape)})),
    "expand to the batch": function(lambda x: add_node("expand", [x[0].mean((1, 2))], {"shape": [x.shape[0], 6]})),
    "expand along the batch": function(lambda x: add_node("expand", [x[:, :1]], {"shape": list(x.shape)})),
    "matmul": function(lambda x: add_node("matmul", [x, x.sigmoid().reshape(x.shape[0], 6, 11, 9)], {})),
    "matmul transposed": function(lambda x: add_node("matmul", [x, x.sigmoid()], {"transpose_b": True})),
    "matmul transposed first": function(lambda x: add_node("matmul", [x, x.sigmoid()], {"transpose_a": True})),
    "normalize": op("normalize", axes=2, eps=1e-3),
    "cast": op("cast", of=lambda x: x.argmax(1)),
    "arg max moved": function(lambda x: x.argmax(1, keepdim=True)[:, :, 1:].transpose(1, 3).expand(-1, -1, -1, 2)),
    "arg max": op("arg_max", of=lambda x: fc.concat([x, x], 3), axis=3, keepdims=False, last=False),
    "last arg max": op("arg_max", of=lambda x: fc.concat([x, x], 3), axis=3, keepdims=True, last=True),
    "top k": function(lambda x: add_nodes("top_k", [x], {"axis": 1, "k": 3, "largest": True})),
    "least k": function(lambda x: add_nodes("top_k", [x], {"axis": 2, "k": 4, "largest": False})),
}
CASES |= {
    name: function(lambda x, name=name: add_node(name, [positive(x), positive(x[:, :1])], {}))
    for name in ("subtract", "divide", "minimum", "maximum", "power")
}
CASES |= {
    f"compare {kind}": function(lambda x, kind=kind: add_node("compare", [x, fc.clamp(x, -1, 2)], {"kind": kind}))
    for kind in elementwise.COMPARISONS
}
CASES["where"] = function(lambda x: add_node("where", [fc.relu(x), x, x[:, :1] * 2.0], {}))
CASES["transposed convolution"] = fc.ConvTranspose2d(6, 4, (3, 4), (2, 3), 1, (1, 2), 2, dilation=2, seed=0)


@pytest.mark.parametrize("name", CASES)
def test_layer(name: str, tmp_path: Path, rng: np.random.Generator) -> None:
    net = CASES[name]
    session = exported(net, tmp_path / "net.onnx", (1, 6, 9, 11))
    for batch in (2, 5):
        agrees(net, session, rng.uniform(-4, 4, (batch, 6, 9, 11)).astype(np.float32))


@pytest.mark.parametrize("name", CASES)
def test_shapes_say_what_follows_the_batch(name: str) -> None:
    """A Size where the shapes of two traces differ, an integer where they agree."""
    ours, others = (outputs(traced(CASES[name], [(batch, 6, 9, 11)])[1]) for batch in (7, 8))
    for value, other in zip(ours, others, strict=True):
        differ = [size != changed for size, changed in zip(concrete(value.shape), concrete(other.shape), strict=True)]
        assert [isinstance(size, Size) for size in value.shape] == differ


def test_every_operator_is_exported_and_tested() -> None:
    used = {node["op"] for net in CASES.values() for node in traced(net, [(2, 6, 9, 11)])[0].graph.nodes()}
    assert used == {op for op, row in OPERATORS.items() if not isinstance(row.export, Refused)}
    kinds = {line[19:].partition(")")[0] for line in (CPP / "simd" / "activations.inc").read_text().splitlines() if line[0] == "F"}
    assert {*elementwise.PLAIN, *elementwise.WITH_NUMBERS} == kinds == {name[11:] for name in CASES if name.startswith("activation ")}


# ---- the file --------------------------------------------------------------------------------------------------------------------------


def test_names_and_shapes(tmp_path: Path) -> None:
    net = lenet()
    net.save(tmp_path / "net.onnx", input_shape=(7, 1, 8, 8))
    model = onnx.load(tmp_path / "net.onnx")
    assert (model.ir_version, model.producer_name, model.opset_import[0].version) == (8, "fastcnn", 17)
    state = net.state_dict()
    weights = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    assert {name for name in state if not name.endswith("tracked")} <= set(weights)
    assert all(np.array_equal(values, state[name]) for name, values in weights.items() if name in state)
    assert all(tensor.HasField("raw_data") for tensor in model.graph.initializer)
    for entry, dims in ((model.graph.input[0], ["N", 1, 8, 8]), (model.graph.output[0], ["N", 4])):
        assert [dim.dim_param or dim.dim_value for dim in entry.type.tensor_type.shape.dim] == dims
    assert [node.name for node in model.graph.node][:3] == ["/0/Conv", "/1/BatchNormalization", "/2/Relu"]
    assert [(model.graph.input[0].name, model.graph.output[0].name)] == [("x", "y")]


class Several(fc.Module):
    """Two inputs; outputs that are an input, one value twice, and a weight's name that the file would take."""

    def __init__(self) -> None:
        self.y0 = fc.Parameter(np.arange(4.0))
        self.x1 = fc.Parameter(np.arange(4.0) + 2)

    def forward(self, a: fc.Value, b: fc.Value) -> Any:
        total = a + b * self.y0
        return total, total, a, total * self.x1, total.relu()


def test_several_inputs_and_outputs(tmp_path: Path, rng: np.random.Generator) -> None:
    net = Several()
    session = exported(net, tmp_path / "net.onnx", [(1, 3, 4), (1, 3, 4)])
    agrees(net, session, *rng.uniform(-1, 1, (2, 5, 3, 4)).astype(np.float32))


def test_one_weight_of_two_layers_is_written_once(tmp_path: Path, rng: np.random.Generator) -> None:
    layer = fc.Conv2d(3, 3, 3, padding=1, seed=0)
    net = fc.Sequential(layer, fc.ReLU(), layer)
    session = exported(net, tmp_path / "net.onnx", (1, 3, 5, 5))
    assert len(onnx.load(tmp_path / "net.onnx").graph.initializer) == 2
    agrees(net, session, rng.uniform(-1, 1, (2, 3, 5, 5)).astype(np.float32))


def test_a_file_appears_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fastcnn.saving.onnx.model.LARGEST", 2000)
    with pytest.raises(ValueError, match=r"^\[save\] an ONNX file must stay below 2 GB; .* Got \d\.\d KB for .*net\.onnx\.$"):
        lenet().save(tmp_path / "net.onnx", input_shape=(1, 1, 8, 8))
    assert os.listdir(tmp_path) == []


def dims(path: Path) -> list[list[Any]]:
    graph = onnx.load(path).graph
    return [[dim.dim_param or dim.dim_value for dim in port.type.tensor_type.shape.dim] for port in (*graph.input, *graph.output)]


def test_a_batch_that_the_network_fixes(tmp_path: Path, rng: np.random.Generator) -> None:
    """As of a model that was loaded, or of a reshape."""
    fixed = function(lambda x: x.reshape(1, 12))
    session = exported(fixed, tmp_path / "net.onnx", (1, 3, 4))
    agrees(fixed, session, rng.uniform(-1, 1, (1, 3, 4)).astype(np.float32))
    assert dims(tmp_path / "net.onnx") == [[1, 3, 4], [1, 12]]
    fc.load(tmp_path / "net.onnx").save(tmp_path / "again.onnx", input_shape=(1, 3, 4))
    assert dims(tmp_path / "again.onnx") == [[1, 3, 4], [1, 12]]


class Product(fc.Module):
    def forward(self, a: fc.Value, b: fc.Value) -> fc.Value:
        return a * b


def test_an_input_beside_the_batch(tmp_path: Path, rng: np.random.Generator) -> None:
    session = exported(Product(), tmp_path / "net.onnx", [(1, 3, 4), (2, 3, 4)])
    assert dims(tmp_path / "net.onnx") == [[1, 3, 4], ["N", 3, 4], ["N", 3, 4]]
    agrees(Product(), session, *(rng.uniform(-1, 1, (n, 3, 4)).astype(np.float32) for n in (1, 5)))


def test_every_initializer_is_used(tmp_path: Path) -> None:
    CASES["take"].save(tmp_path / "net.onnx", input_shape=(1, 6, 9, 11))
    graph = onnx.load(tmp_path / "net.onnx").graph
    assert {tensor.name for tensor in graph.initializer} == {name for node in graph.node for name in node.input} - {"x"}


def operators_of(net: fc.Module, path: Path) -> list[str]:
    net.save(path, input_shape=(1, 6, 8, 8))
    return [node.op_type for node in onnx.load(path).graph.node]


def test_nearest_upsampling_is_resize(tmp_path: Path) -> None:
    """One node for both axes, as runtimes that know no Gather read it; one more for rows that somebody else reads."""
    assert operators_of(fc.Upsample(scale_factor=2), tmp_path / "net.onnx") == ["Resize"]
    node, tensors = (graph := onnx.load(tmp_path / "net.onnx").graph).node[0], graph.initializer
    attributes = {entry.name: entry.s.decode() for entry in node.attribute}
    assert attributes == {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    assert [onnx.numpy_helper.to_array(tensor).tolist() for tensor in tensors] == [[1, 1, 2, 2]]
    twice = function(lambda x: fc.interpolate(fc.interpolate(x, scale_factor=2), scale_factor=(1, 3)).relu())
    assert operators_of(twice, tmp_path / "net.onnx") == ["Resize", "Relu"]
    rows = function(lambda x: (y := fc.interpolate(x, scale_factor=(2, 1)), fc.interpolate(y, scale_factor=(1, 2)))[::-1])
    assert operators_of(rows, tmp_path / "net.onnx") == ["Resize", "Resize"]


def test_unet_is_made_of_what_all_runtimes_read(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    net = fc.zoo.unet(channels=2, width=4)
    x = np.random.default_rng(0).uniform(-1, 1, (2, 2, 32, 48)).astype(np.float32)
    agrees(net, exported(net, path, x.shape), x)
    assert {node.op_type for node in onnx.load(path).graph.node} == {"Concat", "Conv", "MaxPool", "Relu", "Resize"}
    assert np.array_equal(fc.load(path)(x), net(x))


ERRORS: dict[str, tuple[fc.Module, Any, str]] = {
    "no shape": (lenet(), None, r"\[save\] input_shape is for ONNX files, which need it\. Got .*net\.onnx with input_shape=None\."),
    "empty shape": (lenet(), (), r"\[save\] an input's shape must begin with the batch, \(N, \.\.\.\)\. Got input_shape=\(\)\."),
    "wrong shape": (lenet(), (1, 2, 8, 8), r"\[conv2d\] .* In layer '0'\."),
    "shape of text": (lenet(), "1x1", r"\[save\] a shape must be a tuple of integers\. Got '1x1'\."),
    "parts of the batch": (
        function(lambda x: x[:-1]),
        (1, 3),
        r"\[save\] stop of slice must be a multiple of the batch, or not depend on it\. Got 1 for 2, 2 for 3\.",
    ),
    "half of a doubled batch": (
        function(lambda x: fc.concat([x, x], 0).chunk(2)[0]),
        (1, 3),
        r"\[save\] a part of the batch must go to its end, or be the same for every batch\. Got axis 0\.",
    ),
    "number from the batch": (
        function(lambda x: x / x.shape[0]),
        (1, 3),
        r"\[save\] scale of scale_shift must not depend on the batch\. Got that in layer ''\.",
    ),
    "constant from the batch": (
        function(lambda x: x + np.full(3, concrete(x.shape)[0])),
        (1, 3),
        r"\[save\] constants must not depend on the batch\. Got one of \(3,\) that does, in layer ''\.",
    ),
    "constant for each of the batch": (
        function(lambda x: x + np.arange(concrete(x.shape)[0]).reshape(-1, 1)),
        (1, 3),
        r"\[save\] constants must not depend on the batch\. Got one of \(2, 1\) that does, in layer ''\.",
    ),
    "layers for the batch": (
        function(lambda x: x.split(2)[-1]),
        (1, 3),
        r"\[save\] a network must have the same layers for every batch\. Got 1 and 2 nodes\.",
    ),
    "empty axis": (function(lambda x: x[:, :0].reshape(x.shape[0], 0, 3)), (1, 3), r"\[save\] a reshaped value must .* Got \(-1, 0, 3\)\."),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors(name: str, tmp_path: Path) -> None:
    net, shape, message = ERRORS[name]
    with pytest.raises((ValueError, TypeError), match=f"^(?:{message})$"):
        net.save(tmp_path / "net.onnx", input_shape=shape)
    assert os.listdir(tmp_path) == []


def test_an_operator_without_a_form_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refused = OPERATORS["max_pool"]._replace(export=Refused("every operator must have a form in ONNX"))
    monkeypatch.setitem(OPERATORS, "max_pool", refused)
    with pytest.raises(NotImplementedError, match=r"^\[save\] every operator must have a form in ONNX\. Got max_pool in layer '3'\.$"):
        lenet().save(tmp_path / "net.onnx", input_shape=(1, 1, 8, 8))


def test_shapes_are_for_onnx_alone(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"^\[save\] input_shape is for ONNX files, which need it\. Got .*a\.safetensors with .*\.$"):
        lenet().save(tmp_path / "a.safetensors", input_shape=(1, 1, 8, 8))
