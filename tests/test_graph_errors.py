"""A broken graph is a Python exception with the op, the rule and the value. It never crashes the process, however it is broken."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from case import Case
from op_cases import CASES

from fastcnn import _core

CONV = {"stride": [1, 1], "padding": [0] * 4, "dilation": [1, 1], "groups": 1}

TRANSPOSED = CONV | {"output_padding": [0, 0]}

X, WEIGHT = (1, 4, 8, 8), (3, 4, 3, 3)
SWOOSH = {"activation": "swoosh", "activation_a": 0, "activation_b": 0}
REDUCE = {"kind": "mean", "axes": [1], "keepdims": False}
TAKE = {"axis": 1, "indices": [0, 1], "value": 0.0}
RESAMPLE = {"axis": 1, "taps": 2, "indices": [0, 1, 1, 2], "weights": [0.5, 0.5, 0.5, 0.5]}

# op, shapes of the inputs, attributes, the text of the error
BROKEN: list[tuple[str, list[tuple[int, ...] | None], dict[str, Any], str]] = [
    ("conv2d", [(1, 4, 8), WEIGHT], CONV, r"\[conv2d\] input must be \(N, C, H, W\)\. Got \(1, 4, 8\)\."),
    ("conv2d", [X, (4, 3, 3)], CONV, r"\[conv2d\] weight must be \(out_channels, .*\)\. Got \(4, 3, 3\)\."),
    ("conv2d", [X, (4, 2, 3, 3)], CONV, r"\[conv2d\] weight must have in_channels / groups channels\. Got .*in_channels=4, groups=1\."),
    ("conv2d", [X, WEIGHT], CONV | {"groups": 3}, r"\[conv2d\] groups must divide in_channels\. Got groups=3, in_channels=4\."),
    ("conv2d", [X, WEIGHT], CONV | {"groups": 2}, r"\[conv2d\] groups must divide out_channels\. Got groups=2, out_channels=3\."),
    ("conv2d", [X, WEIGHT], CONV | {"groups": 0}, r"\[conv2d\] groups must be at least 1\. Got groups=0\."),
    ("conv2d", [X, WEIGHT, (4,)], CONV, r"\[conv2d\] bias must be \(out_channels,\)\. Got bias \(4,\), out_channels=3\."),
    ("conv2d", [X, WEIGHT, None, X], CONV, r"\[conv2d\] residual must have the shape of the output\. Got residual \(1, 4, 8, 8\), output"),
    ("conv2d", [(1, 4, 2, 8), WEIGHT], CONV, r"kernel must not be larger than the padded input\. Got kernel 3x3, padded input 2x8\."),
    ("conv2d", [X, WEIGHT], CONV | {"stride": [0, 1]}, r"\[conv2d\] stride must be at least 1\. Got stride=0\."),
    ("conv2d", [X, WEIGHT], CONV | {"dilation": [1, 0]}, r"\[conv2d\] dilation must be at least 1\. Got dilation=0\."),
    ("conv2d", [X, WEIGHT], CONV | {"padding": [0, -1, 0, 0]}, r"\[conv2d\] padding must be at least 0\. Got padding=-1\."),
    ("conv2d", [X, WEIGHT], CONV | {"padding": [0, 0]}, r"\[conv2d\] padding must have 4 entries\. Got 2\."),
    ("conv2d", [(1, 4, 0, 8), WEIGHT], CONV, r"\[conv2d\] input sizes must be at least 1\. Got \(1, 4, 0, 8\)\."),
    ("conv2d", [X, (0, 4, 3, 3)], CONV, r"\[conv2d\] weight sizes must be at least 1\. Got \(0, 4, 3, 3\)\."),
    ("conv2d", [X, WEIGHT], CONV | SWOOSH, r"swoosh"),
    ("conv_transpose2d", [(1, 4, 8), (4, 3, 3, 3)], TRANSPOSED, r"\[conv_transpose2d\] input must be \(N, C, H, W\)\. Got \(1, 4, 8\)\."),
    ("conv_transpose2d", [X, (3, 4, 3, 3)], TRANSPOSED, r"weight must have in_channels rows\. Got weight \(3, 4, 3, 3\), in_channels=4\."),
    ("conv_transpose2d", [X, (4, 3, 3, 3)], TRANSPOSED | {"groups": 3}, r"groups must divide in_channels\. Got groups=3, in_channels=4\."),
    ("conv_transpose2d", [X, (4, 3, 3, 3)], TRANSPOSED | {"groups": 0}, r"groups must be at least 1\. Got groups=0\."),
    ("conv_transpose2d", [X, (4, 3, 3, 3), (4,)], TRANSPOSED, r"bias must be \(out_channels,\)\. Got bias \(4,\), out_channels=3\."),
    ("conv_transpose2d", [X, (4, 3, 1, 1)], TRANSPOSED | {"padding": [4] * 4}, r"the output must have at least one pixel\. Got size 0\."),
    ("conv_transpose2d", [X, (4, 3, 3, 3)], TRANSPOSED | {"output_padding": [1, 0]}, r"output_padding must be smaller than .*=1, stride=1"),
    ("conv_transpose2d", [X, (4, 3, 3, 3)], TRANSPOSED | {"stride": [257, 1]}, r"stride must be at most 256\. Got stride=257\."),
    ("conv_transpose2d", [X, (4, 3, 3, 3)], TRANSPOSED | {"stride": [0, 1]}, r"stride must be at least 1\. Got stride=0\."),
    ("linear", [(2, 3, 4), (5, 4), None], {}, r"\[linear\] input must be \(N, in_features\)\. Got \(2, 3, 4\)\."),
    ("linear", [(2, 3), (5, 4), None], {}, r"\[linear\] input must have in_features columns\. Got input \(2, 3\), in_features=4\."),
    ("linear", [(2, 4), (5, 4), (4,)], {}, r"\[linear\] bias must be \(out_features,\)\. Got \(4,\)\."),
    ("reshape", [(2, 3)], {"shape": [7]}, r"\[reshape\] the new shape must have as many elements .* old \(2, 3\), new \(7,\)\."),
    ("reshape", [(2, 3)], {"shape": [-1]}, r"\[shape\] sizes must not be negative\. Got \(-1,\)\."),
    ("add", [(2, 3), (2, 4)], {}, r"\[add\] .*\(2, 3\).*\(2, 4\)"),
    ("multiply", [(2, 3), (4, 3)], {}, r"\[multiply\] .*\(2, 3\).*\(4, 3\)"),
    ("subtract", [(2, 3), (4, 3)], {}, r"\[subtract\] .*\(2, 3\).*\(4, 3\)"),
    ("power", [(2, 3), (4, 3)], {}, r"\[power\] .*\(2, 3\).*\(4, 3\)"),
    ("compare", [(2, 3), (4, 3)], {"kind": "less"}, r"\[compare\] .*\(2, 3\).*\(4, 3\)"),
    ("compare", [(2, 3), (2, 3)], {"kind": "similar"}, r"\[compare\] there is no kind of this name\. Got similar\."),
    ("binary_slope", [(2, 3), (2, 3)], {"kind": "add"}, r"\[binary_slope\] there is no kind of this name\. Got add\."),
    ("where", [(2, 3), (2, 3), (3, 2)], {}, r"\[where\] .*\(2, 3\).*\(3, 2\)"),
    ("where", [(2, 3), None, None], {}, r"\[where\] a or b must be given\."),
    ("concat", [(2, 3), (3, 3)], {"axis": 1}, r"\[concat\] "),
    ("concat", [(2, 3), (2, 3)], {"axis": 2}, r"\[concat\] .*2"),
    ("slice", [(2, 3)], {"axis": 1, "start": 2, "stop": 4}, r"\[slice\] .*4"),
    ("slice", [(2, 3)], {"axis": 1, "start": -1, "stop": 2}, r"\[slice\] .*-1"),
    ("softmax", [(2, 3)], {"axis": 2}, r"\[softmax\] .*2"),
    ("log_softmax", [(2, 3)], {"axis": -3}, r"\[log_softmax\] .*-3"),
    ("batch_norm", [(2, 3, 4, 4), (4,), None, (3,), (3,)], {"eps": 1e-5}, r"\[batch_norm\] .*\(4,\)"),
    ("prelu", [(2, 3, 4, 4), (2,)], {}, r"\[prelu\] .*\(2,\)"),
    ("mse", [(2, 3), (3, 2)], {}, r"\[mse\] .*\(2, 3\).*\(3, 2\)"),
    ("activation", [(2, 3)], {"kind": "swoosh", "a": 0.0, "b": 0.0}, r"swoosh"),
    ("dropout", [(2, 3)], {"p": 1.5, "stream": 0}, r"\[dropout\] .*1\.5"),
    ("dropout", [(2, 3)], {"p": float("nan"), "stream": 0}, r"\[dropout\] .*nan"),
    ("reduce_to", [(2, 3)], {"shape": [2, 2]}, r"\[reduce_to\] "),
    ("transpose", [(2, 3)], {"axes": [0, 0]}, r"\[transpose\] axes must name each of the 2 axes once\. Got axis 0\."),
    ("transpose", [(2, 3)], {"axes": [1]}, r"\[transpose\] axes must name each of the 2 axes once\. Got 1 of them\."),
    ("transpose", [(2, 3)], {"axes": [0, 2]}, r"\[transpose\] axes must name each of the 2 axes once\. Got axis 2\."),
    ("expand", [(2, 3)], {"shape": [2, 4]}, r"\[expand\] shapes must be equal or broadcast\. Got \(2, 3\) and \(2, 4\)\."),
    ("expand", [(2, 3)], {"shape": [1, 3]}, r"\[expand\] the shape must be one that the input broadcasts to\. Got input \(2, 3\)"),
    ("reduce", [(2, 3)], REDUCE | {"kind": "median"}, r"\[reduce\] kind must be sum, .* or log_sum_exp\. Got median\."),
    ("reduce", [(2, 3)], REDUCE | {"axes": [2]}, r"\[reduce\] axes must be between -2 and 1\. Got axis 2\."),
    ("reduce", [(2, 3)], REDUCE | {"axes": [1, -1]}, r"\[reduce\] axes must name an axis once\. Got axis -1\."),
    ("reduce", [(2, 0)], REDUCE, r"\[reduce\] the mean of nothing is not defined\. Got \(2, 0\)\."),
    ("reduce_backward", [(2,), (2, 3), (2,)], REDUCE, r"\[reduce_backward\] sums and means have no need of it\. Got mean\."),
    ("reduce_backward", [(3,), (2, 3), (2,)], REDUCE | {"kind": "max"}, r"must have the shape of the output\. Got gradient \(3,\), output"),
    ("reduce_backward", [(2,), (2, 3), (3,)], REDUCE | {"kind": "max"}, r"\[reduce_backward\] y must have the shape .* Got \(3,\)\."),
    ("take", [(2, 3)], TAKE | {"indices": [3]}, r"\[take\] indices must be between -1 and 2\. Got index 3\."),
    ("take", [(2, 3)], TAKE | {"indices": [-2]}, r"\[take\] indices must be between -1 and 2\. Got index -2\."),
    ("take", [(2, 3)], TAKE | {"axis": 2}, r"\[take\] axis must be between -2 and 1\. Got axis=2\."),
    ("take", [(2, 3)], TAKE | {"value": float("nan")}, r"\[take\] value must be a number\. Got nan\."),
    ("take_backward", [(2, 3)], TAKE | {"size": 4}, r"\[take_backward\] the gradient must have an entry for each index\. Got .* 2 ind"),
    ("take_backward", [(2, 2)], TAKE | {"size": -4}, r"\[take_backward\] indices must be between -1 and -5\. Got index 0\."),
    ("take_backward", [(2, 2)], TAKE | {"size": 2**50}, r"\[shape\] a value has at most 2\^40 elements\. Got "),
    ("resample", [(2, 3)], RESAMPLE | {"taps": 0}, r"\[resample\] taps must be at least 1\. Got taps=0\."),
    ("resample", [(2, 3)], RESAMPLE | {"taps": 3}, r"\[resample\] there must be `taps` indices for each output\. Got 4 indices, taps=3\."),
    ("resample", [(2, 3)], RESAMPLE | {"weights": [1.0]}, r"\[resample\] there must be a weight for each index\. Got 1 weights, 4 ind"),
    ("resample", [(2, 3)], RESAMPLE | {"indices": [0, 1, 2, 3]}, r"\[resample\] indices must be between 0 and 2\. Got index 3\."),
    ("resample", [(2, 3)], RESAMPLE | {"indices": [0, 1, 2, -1]}, r"\[resample\] indices must be between 0 and 2\. Got index -1\."),
    ("resample", [(2, 3)], RESAMPLE | {"weights": [1e39, 0.5, 0.5, 0.5]}, r"\[resample\] weights must be finite\. Got 1e\+39\."),
    ("resample_backward", [(2, 3)], RESAMPLE | {"size": 4}, r"\[resample_backward\] the gradient must have an entry .* 2 outputs\."),
    ("matmul", [(3,), (3, 2)], {}, r"\[matmul\] both inputs must have at least 2 axes\. Got \(3,\) and \(3, 2\)\."),
    ("matmul", [(2, 3), (2, 3)], {}, r"\[matmul\] the columns of a must be as many as the rows of b\. Got \(2, 3\) and \(2, 3\)\."),
    ("matmul", [(2, 4, 3), (5, 3, 2)], {}, r"\[matmul\] shapes must be equal or broadcast\. Got \(2,\) and \(5,\)\."),
    ("matmul", [(3, 2), (2, 3)], {"transpose_a": True, "transpose_b": True}, r"\[matmul\] at most one input may be transposed\."),
    ("normalize", [(2, 3)], {"axes": 3, "eps": 0.1}, r"\[normalize\] axes must be between 1 and 2\. Got axes=3\."),
    ("normalize", [(2, 3)], {"axes": 0, "eps": 0.1}, r"\[normalize\] axes must be between 1 and 2\. Got axes=0\."),
    ("normalize", [(2, 3)], {"axes": 1, "eps": -1.0}, r"\[normalize\] eps must be at least 0\. Got eps=-1\."),
    ("normalize_backward", [(2, 3), (2, 3), (3,)], {"axes": 1, "eps": 0.1}, r"\[normalize_backward\] inv_std must have one number"),
    ("arg_max", [(2, 0)], {"axis": 1, "keepdims": True, "last": False}, r"\[arg_max\] the axis must have at least one entry\."),
    ("arg_max", [(2, 3)], {"axis": -3, "keepdims": True, "last": False}, r"\[arg_max\] axis must be between -2 and 1\. Got axis=-3\."),
    ("top_k", [(2, 3)], {"axis": 1, "k": 4, "largest": True}, r"\[top_k\] k must be between 0 and 3\. Got k=4\."),
    ("top_k", [(2, 3)], {"axis": 1, "k": -1, "largest": True}, r"\[top_k\] k must be between 0 and 3\. Got k=-1\."),
]  # fmt: skip


@pytest.mark.parametrize(("op", "shapes", "attributes", "text"), BROKEN)
def test_message(op: str, shapes: list[tuple[int, ...] | None], attributes: dict[str, Any], text: str) -> None:
    graph = _core.Graph()
    values = [None if shape is None else graph.input(f"input{i}", shape) for i, shape in enumerate(shapes)]
    with pytest.raises(ValueError, match=text):
        graph.add(op, values, attributes)


POOL = {
    "kernel": [2, 2],
    "stride": [2, 2],
    "padding": [0] * 4,
    "dilation": [1, 1],
    "ceil_mode": False,
    "count_include_pad": True,
    "divisor": 0,
}


@pytest.mark.parametrize("op", ["max_pool", "avg_pool"])
@pytest.mark.parametrize(
    "changes",
    [
        {"kernel": [0, 2]},
        {"stride": [0, 2]},
        {"padding": [-1, 0, 0, 0]},
        {"kernel": [9, 2]},
        {"kernel": [2]},
        {"adaptive": [0, 1]},
        {"padding": [3] * 4},
    ],
)
def test_pools_refuse(op: str, changes: dict[str, Any]) -> None:
    graph = _core.Graph()
    attributes = changes if "adaptive" in changes else POOL | changes
    if op == "avg_pool":
        attributes = {name: value for name, value in attributes.items() if name != "dilation"}
    with pytest.raises(ValueError, match=rf"^\[{op}\] .*\. Got .*\.$"):
        graph.add(op, [graph.input("x", (1, 3, 8, 8))], attributes)


@pytest.mark.parametrize("attributes", [{"adaptive": [2**24 + 1, 1]}, {"adaptive": [1, 2**31 - 1]}, POOL | {"stride": [1, 1]}])
def test_pools_of_too_many_windows_are_refused(attributes: dict[str, Any]) -> None:
    graph = _core.Graph()
    x = graph.input("x", (1, 1, 2**24 + 2, 2))
    with pytest.raises(ValueError, match=r"^\[max_pool\] an axis must have at most 16777216 outputs\. Got \d+\.$"):
        graph.add("max_pool", [x], attributes)


def test_averages_have_no_dilation() -> None:
    graph = _core.Graph()
    x = graph.input("x", (1, 3, 8, 8))
    with pytest.raises(ValueError, match=r"^\[avg_pool\] windows must have no dilation\. Got the attribute dilation\.$"):
        graph.add("avg_pool", [x], POOL)


def test_unknown_op() -> None:
    with pytest.raises(NotImplementedError, match=r"^\[graph\] there is no operator of this name\. Got transmogrify\.$"):
        _core.Graph().add("transmogrify", [], {})


FIRST_CASES = [cases[0] for cases in CASES.values()]


def values_of(graph: _core.Graph, case: Case, dtype: str = "float32") -> list[int | None]:
    return [
        None if values is None else graph.input(f"input{i}", values.shape, "int32" if values.kind == "classes" else dtype)
        for i, values in enumerate(case.inputs)
    ]


@pytest.mark.parametrize("case", FIRST_CASES, ids=str)
@pytest.mark.parametrize("given", range(5))
def test_missing_inputs_are_errors(case: Case, given: int) -> None:
    """The last inputs cut off, or the first one left out: an error, unless what is missing is optional."""
    graph = _core.Graph()
    values = values_of(graph, case)
    if given >= len(values):
        pytest.skip("no input is missing")
    if given >= {"conv2d": 2, "conv_transpose2d": 2, "linear": 2, "batch_norm_training": 1, "concat": 1, "where": 2}.get(
        case.op, len(values)
    ):
        pytest.skip("these inputs are optional")
    with pytest.raises(ValueError, match=rf"^\[{case.op}\] "):
        graph.add(case.op, values[:given], case.attributes)
    with pytest.raises(ValueError, match=rf"^\[{case.op}\] "):
        graph.add(case.op, [None, *values[1:]], case.attributes)


@pytest.mark.parametrize("case", FIRST_CASES, ids=str)
def test_too_many_inputs_are_errors(case: Case) -> None:
    if case.op == "concat":
        pytest.skip("it takes any number")
    graph = _core.Graph()
    values = values_of(graph, case)
    with pytest.raises(ValueError, match=rf"^\[{case.op}\] "):
        graph.add(case.op, [*values, *[values[0]] * 4], case.attributes)


@pytest.mark.parametrize("case", FIRST_CASES, ids=str)
def test_integer_values_are_errors(case: Case) -> None:
    """An int32 value may only be moved, or cast; arithmetic on it would read its bits as floats."""
    if case.op in ("concat", "expand", "reorder", "reshape", "slice", "take", "transpose"):
        pytest.skip("it moves bytes")
    graph = _core.Graph()
    with pytest.raises((TypeError, ValueError), match=rf"^\[{case.op}\] .*int32"):
        graph.add(case.op, values_of(graph, case, "int32"), case.attributes)


@pytest.mark.parametrize("case", [case for case in FIRST_CASES if case.attributes], ids=str)
def test_attributes_of_another_type_are_errors(case: Case) -> None:
    for name, value in case.attributes.items():
        wrong: Any = [1] if not isinstance(value, list) else "text"
        graph = _core.Graph()
        with pytest.raises((TypeError, ValueError), match=rf"{name}"):
            graph.add(case.op, values_of(graph, case), case.attributes | {name: wrong})


def test_values_of_no_graph_are_errors() -> None:
    graph = _core.Graph()
    x = graph.input("x", (2, 3))
    for value in (-1, 1, 10**6):
        with pytest.raises(ValueError, match=r"value"):
            graph.add("add", [x, value])
        with pytest.raises((ValueError, IndexError)):
            graph.outputs([value])
        with pytest.raises((ValueError, IndexError)):
            graph.shape(value)
        with pytest.raises((ValueError, IndexError)):
            graph.gradient([value], [None], [x])
        with pytest.raises((ValueError, IndexError)):
            graph.gradient([x], [value], [x])
        with pytest.raises((ValueError, IndexError)):
            graph.gradient([x], [None], [value])


def test_program_without_outputs_is_an_error() -> None:
    graph = _core.Graph()
    graph.input("x", (2, 3))
    with pytest.raises(ValueError, match=r"^\[compile\] a graph needs at least one output\.$"):
        _core.Program(graph)


def test_gradient_of_wrong_shape_is_an_error() -> None:
    graph = _core.Graph()
    x, dy = graph.input("x", (2, 3)), graph.input("dy", (3, 2))
    y = graph.add("scale_shift", [x], {"scale": 1.0, "shift": 0.0})
    with pytest.raises(ValueError, match=r"^\[gradient\] a gradient must have the shape of its value\. Got \(3, 2\) for \(2, 3\)\.$"):
        graph.gradient(y, [dy], [x])


def test_what_nothing_depends_on_has_no_gradient() -> None:
    graph = _core.Graph()
    x, other = graph.input("x", (2, 3)), graph.input("other", (2, 3))
    y = graph.add("scale_shift", [x], {"scale": 1.0, "shift": 0.0})
    assert graph.gradient(y, [None], [other]) == [None]


def test_a_value_that_a_node_makes_has_a_gradient() -> None:
    graph = _core.Graph()
    x = graph.input("x", (2, 3))
    y = graph.add("scale_shift", [x], {"scale": 5.0, "shift": 0.0})[0]
    z = graph.add("scale_shift", [y], {"scale": 2.0, "shift": 0.0})
    graph.outputs(graph.gradient(z, [None], [y]))
    assert np.array_equal(_core.Program(graph).run([np.zeros((2, 3), np.float32)])[0], np.full((2, 3), 2))


def test_shared_value_sums_its_gradients(isa: str) -> None:
    graph = _core.Graph()
    x = graph.input("x", (2, 3))
    y = graph.add("multiply", [x, x])
    z = graph.add("add", [y[0], x])
    graph.outputs(graph.gradient(z, [None], [x]))
    values = np.arange(6, dtype=np.float32).reshape(2, 3)
    np.testing.assert_array_equal(_core.Program(graph, isa=isa).run([values])[0], 2 * values + 1)


@pytest.mark.parametrize("shape", [(2**31, 2**31), (2**62,), (2**20, 2**21)])
def test_values_too_large_for_any_memory_are_errors(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"^\[shape\] a value has at most 2\^40 elements\. Got \(.*\)\.$"):
        _core.Graph().input("x", shape)


def test_negative_sizes_are_errors() -> None:
    with pytest.raises(ValueError, match=r"^\[shape\] sizes must not be negative\. Got \(2, -3\)\.$"):
        _core.Graph().input("x", (2, -3))


def test_too_many_axes_are_errors() -> None:
    with pytest.raises(ValueError, match=r"^\[shape\] a shape has at most 8 axes\. Got 9 axes\.$"):
        _core.Graph().input("x", (1,) * 9)
