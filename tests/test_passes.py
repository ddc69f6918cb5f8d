"""Each pass over the graph: it fires where it should and not where it must not, and the outputs stay those of the oracle."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import reference
from running import SAME_3X3, same_bits

from fastcnn import _core

Array = np.ndarray
EPS = 2.0**-24
RELU = {"kind": "relu", "a": 0.0, "b": 0.0}
IDENTITY = {"kind": "identity", "a": 0.0, "b": 0.0}
POINTWISE = {"stride": [1, 1], "padding": [0] * 4, "dilation": [1, 1], "groups": 1}


class Net:
    """Ops added one by one, to a graph and to the oracle at once."""

    def __init__(self, shape: Sequence[int], seed: int = 0) -> None:
        self.rng = np.random.default_rng(seed)
        self.graph = _core.Graph()
        self.x = self.rng.uniform(-1, 1, shape).astype(np.float32)
        self.truth: dict[int, Array] = {self.graph.input("x", tuple(shape)): self.x}
        self.parameters: list[_core.Parameter] = []

    def parameter(self, *shape: int, positive: bool = False) -> int:
        values = self.rng.uniform(0.5 if positive else -1, 1.5 if positive else 1, shape).astype(np.float32)
        self.parameters.append(_core.Parameter(values))
        value = self.graph.parameter(self.parameters[-1], f"parameter{len(self.parameters)}")
        self.truth[value] = values
        return value

    def add(self, op: str, inputs: Sequence[int | None], **attributes: Any) -> int:
        value = self.graph.add(op, inputs, attributes)[0]
        self.truth[value] = getattr(reference, op)(*(None if i is None else self.truth[i] for i in inputs), **attributes)
        return value

    def conv(self, x: int, filters: int, kernel: int = 3, bias: bool = True, **attributes: Any) -> int:
        channels = self.truth[x].shape[1]
        weight = self.parameter(filters, channels, kernel, kernel)
        return self.add("conv2d", [x, weight, self.parameter(filters) if bias else None], **(SAME_3X3 | attributes))

    def norm(self, x: int) -> int:
        C = self.truth[x].shape[1]
        arrays = [self.parameter(C), self.parameter(C), self.parameter(C), self.parameter(C, positive=True)]
        return self.add("batch_norm", [x, *arrays], eps=1e-3)

    def ops(self, *outputs: int, isa: str = "") -> list[str]:
        """The steps of a run, once the answers are found right for 1, 2 and 3 threads."""
        self.graph.outputs(outputs)
        program = _core.Program(self.graph, isa=isa)
        results = [program.run([self.x], threads=threads) for threads in (1, 2, 3)]
        for got, output in zip(results[0], outputs, strict=True):
            want = self.truth[output]
            assert np.max(np.abs(got - want), initial=0) <= 500 * EPS * max(1, np.max(np.abs(want), initial=0))
        assert same_bits(results[0], results[1])
        assert same_bits(results[0], results[2])
        return [step["op"] for step in program.steps]


def count(ops: list[str], op: str) -> int:
    return ops.count(op)


# ---- fold_batch_norms


@pytest.mark.parametrize("bias", [False, True])
def test_norm_after_a_convolution_is_folded(isa: str, bias: bool) -> None:
    net = Net((2, 5, 6, 7))
    y = net.norm(net.conv(net.conv(0, 18, bias=bias), 7, bias=bias))
    assert "batch_norm" not in net.ops(y, isa=isa)


def test_norm_after_a_depthwise_convolution_is_folded(isa: str) -> None:
    net = Net((2, 18, 6, 7))
    weight = net.parameter(18, 1, 3, 3)
    y = net.norm(net.add("conv2d", [0, weight, None], **(SAME_3X3 | {"groups": 18})))
    assert "batch_norm" not in net.ops(y, isa=isa)


def test_norm_before_an_unpadded_convolution_is_folded(isa: str) -> None:
    net = Net((2, 19, 6, 7))
    y = net.conv(net.norm(0), 5, kernel=1, **POINTWISE)
    assert "batch_norm" not in net.ops(y, isa=isa)


def test_norm_before_a_padded_convolution_stays(isa: str) -> None:
    net = Net((2, 3, 6, 7))
    assert "batch_norm" in net.ops(net.conv(net.norm(0), 5), isa=isa)


def test_norm_that_is_read_twice_stays(isa: str) -> None:
    net = Net((2, 3, 6, 7))
    n = net.norm(0)
    assert "batch_norm" in net.ops(n, net.conv(n, 5, kernel=1, **POINTWISE), isa=isa)


def test_convolution_that_is_read_twice_keeps_its_norm(isa: str) -> None:
    net = Net((2, 3, 6, 7))
    c = net.conv(0, 5)
    assert "batch_norm" in net.ops(c, net.norm(c), isa=isa)


def test_norm_between_convolutions_goes_to_the_first(isa: str) -> None:
    net = Net((1, 3, 6, 7))
    y = net.norm(net.conv(net.norm(net.conv(0, 6)), 5, kernel=1, **POINTWISE))
    assert "batch_norm" not in net.ops(y, isa=isa)


def test_norm_before_a_prologue_stays(isa: str) -> None:
    """The convolution normalizes once more, and goes through an activation, before it multiplies."""
    net = Net((2, 19, 6, 7))
    n = net.norm(0)
    second = [net.parameter(19), net.parameter(19), net.parameter(19), net.parameter(19, positive=True)]
    weight = net.parameter(5, 19, 1, 1)
    attributes = POINTWISE | {"norm_eps": 1e-3, "norm_activation": "relu", "norm_activation_a": 0.0, "norm_activation_b": 0.0}
    y = net.graph.add("conv2d", [n, weight, None, None, *second], attributes)[0]
    normed = np.maximum(reference.batch_norm(net.truth[n], *(net.truth[i] for i in second), eps=1e-3), 0)
    net.truth[y] = reference.conv2d(normed, net.truth[weight], None, **POINTWISE)
    assert "batch_norm" in net.ops(y, isa=isa)


def test_folded_weights_follow_their_parameters(isa: str) -> None:
    """Every one of them: a prepared form must not outlive what it was made from."""
    net = Net((1, 3, 6, 7))
    y = net.norm(net.conv(0, 5))
    net.graph.outputs([y])
    program = _core.Program(net.graph, isa=isa)
    before = program.run([net.x])
    for parameter in net.parameters:
        old = parameter.numpy()
        parameter.assign(old + 1)
        changed = program.run([net.x])
        fresh = _core.Program(net.graph, isa=isa).run([net.x])
        assert same_bits(changed, fresh)
        assert not same_bits(changed, before)
        parameter.assign(old)
    assert same_bits(program.run([net.x]), before)


def test_only_packed_weights_are_kept() -> None:
    """What is made on the way to the packed weights is given back: the report counts one form."""
    folded, plain = Net((1, 32, 6, 7)), Net((1, 32, 6, 7))
    folded.graph.outputs([folded.norm(folded.conv(0, 32))])
    plain.graph.outputs([plain.conv(0, 32)])
    assert _core.Program(folded.graph).memory["prepared"] == _core.Program(plain.graph).memory["prepared"]


# ---- fuse_epilogues


def test_norm_and_activation_are_one_step(isa: str) -> None:
    net = Net((2, 19, 6, 7))
    ops = net.ops(net.add("activation", [net.norm(0)], **RELU), isa=isa)
    assert count(ops, "batch_norm") == 1
    assert "activation" not in ops


def test_residual_block_is_two_convolutions(isa: str) -> None:
    net = Net((1, 18, 6, 7))
    a = net.add("activation", [net.norm(net.conv(0, 18))], **RELU)
    y = net.add("activation", [net.add("add", [net.norm(net.conv(a, 18)), 0])], **RELU)
    assert [op for op in net.ops(y, isa=isa) if op != "reorder"] == ["conv2d", "conv2d"]


# ---- remove_identities


DO_NOTHING: dict[str, tuple[str, dict[str, Any]]] = {
    "activation": ("activation", IDENTITY),
    "scale_shift": ("scale_shift", {"scale": 1.0, "shift": 0.0}),
    "reshape": ("reshape", {"shape": [2, 3, 6, 7]}),
    "slice": ("slice", {"axis": 2, "start": 0, "stop": 6}),
    "concat": ("concat", {"axis": 1}),
}


@pytest.mark.parametrize("name", DO_NOTHING)
def test_what_does_nothing_goes(isa: str, name: str) -> None:
    op, attributes = DO_NOTHING[name]
    net = Net((2, 3, 6, 7))
    y = net.add(op, [net.conv(net.add(op, [0], **attributes), 3)], **attributes)
    assert [step for step in net.ops(y, isa=isa) if step != "reorder"] == ["conv2d"]


@pytest.mark.parametrize(
    ("op", "attributes"),
    [("scale_shift", {"scale": 1.0, "shift": 0.5}), ("slice", {"axis": 2, "start": 1, "stop": 6}), ("activation", RELU)],
)
def test_what_does_something_stays(isa: str, op: str, attributes: dict[str, Any]) -> None:
    net = Net((2, 3, 6, 7))
    assert op in net.ops(net.add(op, [0], **attributes), isa=isa)


# ---- remove_unused


def test_what_nobody_reads_goes() -> None:
    net = Net((1, 3, 6, 7))
    net.conv(0, 5)
    assert "conv2d" not in net.ops(net.add("activation", [0], **RELU))


def test_parameters_that_nobody_reads_take_no_memory() -> None:
    net = Net((2, 3))
    net.parameter(1000)
    net.ops(net.add("add", [0, net.parameter(2, 3)]))
    assert _core.Program(net.graph).memory["parameters"] == 2 * 3 * 4


def test_what_parameters_alone_make_is_made_once() -> None:
    """A chain of ops on a parameter runs before the runs, and again when the parameter is written."""
    net = Net((1, 3, 6, 7))
    weight = net.add("activation", [net.add("scale_shift", [net.parameter(5, 3, 3, 3)], scale=2.0, shift=0.5)], **RELU)
    y = net.add("conv2d", [0, weight, None], **SAME_3X3)
    assert [op for op in net.ops(y) if op != "reorder"] == ["conv2d"]


# ---- concat_views


def branches(net: Net, x: int, *filters: int) -> int:
    return net.add("concat", [net.conv(x, channels) for channels in filters], axis=1)


@pytest.mark.parametrize("batch", [1, 3])
def test_parts_are_written_where_the_whole_lies(isa: str, batch: int) -> None:
    net = Net((batch, 3, 6, 7))
    assert "concat" not in net.ops(net.conv(branches(net, 0, 32, 16, 48), 5), isa=isa)


@pytest.mark.parametrize("batch", [1, 2])
def test_a_whole_can_be_a_part(isa: str, batch: int) -> None:
    net = Net((batch, 3, 6, 7))
    inner = branches(net, 0, 16, 32)
    y = net.add("concat", [net.conv(0, 16, kernel=1, **POINTWISE), inner, net.conv(inner, 16)], axis=1)
    assert "concat" not in net.ops(net.conv(y, 5), isa=isa)


def test_parts_that_end_within_a_block_are_copied(isa: str) -> None:
    net = Net((2, 3, 6, 7))
    assert "concat" in net.ops(net.conv(branches(net, 0, 16, 5, 16), 5), isa=isa)


def test_a_last_part_may_end_within_a_block(isa: str) -> None:
    net = Net((2, 3, 6, 7))
    assert net.ops(net.conv(branches(net, 0, 16, 5), 5), isa=isa)


def test_a_part_serves_one_whole_and_others_copy_it(isa: str) -> None:
    """As in a dense block, where each layer reads all features before it."""
    net = Net((2, 16, 6, 7))
    features = [net.conv(0, 16)]
    for _ in range(3):
        together = net.add("concat", features, axis=1) if len(features) > 1 else features[0]
        features.append(net.conv(net.add("activation", [net.norm(together)], **RELU), 16))
    ops = net.ops(net.conv(net.add("concat", features, axis=1), 5), isa=isa)
    assert count(ops, "concat") == 2  # of the three, the last has all its parts in place


def test_a_value_that_comes_twice_is_copied_once(isa: str) -> None:
    net = Net((2, 3, 6, 7))
    a = net.conv(0, 16)
    assert count(net.ops(net.conv(net.add("concat", [a, a, net.conv(a, 16)], axis=1), 5), isa=isa), "concat") == 1


def test_inputs_and_outputs_are_images_only_inside(isa: str) -> None:
    """The image made of the input, and the one that an output is made from, can be parts."""
    net = Net((2, 16, 6, 7))
    a = net.conv(0, 16)
    assert "concat" not in net.ops(net.conv(net.add("concat", [0, a], axis=1), 5), a, isa=isa)


def test_what_follows_a_whole_may_take_its_place(isa: str) -> None:
    """Pooling, element-wise work in place and a part's second reader: rings and batch strides of parts are theirs, too."""
    net = Net((2, 3, 9, 8))
    a, b = net.conv(0, 16), net.conv(0, 32)
    pooled = net.add("max_pool", [a], kernel=[3, 3], stride=[1, 1], padding=[1] * 4, dilation=[1, 1], ceil_mode=False)
    whole = net.add("concat", [a, b, pooled], axis=1)
    y = net.add("activation", [net.norm(net.conv(net.add("activation", [whole], **RELU), 7))], **RELU)
    assert "concat" not in net.ops(y, net.conv(b, 3), isa=isa)


def test_parts_save_their_copy() -> None:
    net = Net((1, 3, 16, 16))
    whole = net.conv(branches(net, 0, 64, 64), 16)
    net.graph.outputs([whole])
    image = 18 * 18 * 128 * 4  # with its ring
    assert _core.Program(net.graph).memory["lower_bound"] <= image + 18 * 18 * 16 * 4 + 16 * 16 * 16 * 4


# ---- fuse_prologues


@pytest.mark.parametrize("kind", ["relu", "silu", "identity"])
@pytest.mark.parametrize("shape", [(1, 3, 6, 7), (2, 17, 1, 1), (1, 40, 13, 5), (3, 16, 9, 30)])
def test_norm_goes_into_the_pointwise_convolution_behind_it(isa: str, shape: tuple[int, ...], kind: str) -> None:
    net = Net(shape)
    n = net.add("activation", [net.norm(0)], kind=kind, a=0.0, b=0.0)
    ops = net.ops(net.conv(net.conv(n, 34, kernel=1, **POINTWISE), 5), isa=isa)  # a 3x3 behind it: the output has a ring
    assert [op for op in ops if op != "reorder"] == ["conv2d", "conv2d"]


def test_a_convolution_of_one_channel_has_its_prologue(isa: str) -> None:
    """It counts as depthwise, and the depthwise algorithm takes no prologue."""
    net = Net((2, 1, 5, 5))
    n = net.add("activation", [net.norm(0)], **RELU)
    assert count(net.ops(net.conv(n, 1, kernel=1, **POINTWISE), isa=isa), "conv2d") == 1


def test_prologue_and_epilogue_meet(isa: str) -> None:
    net = Net((2, 33, 8, 7))
    n = net.add("activation", [net.norm(0)], **RELU)
    y = net.add("activation", [net.add("add", [net.norm(net.conv(n, 33, kernel=1, **POINTWISE)), 0])], **RELU)
    assert [op for op in net.ops(y, isa=isa) if op != "reorder"] == ["conv2d"]


def squeezed(net: Net, x: int) -> int:
    """Factors (N, C, 1, 1) that x decides itself."""
    C = net.truth[x].shape[1]
    mean = net.add("reduce", [x], kind="mean", axes=[2, 3], keepdims=True)
    return net.add("activation", [net.conv(mean, C, kernel=1, **POINTWISE)], kind="sigmoid", a=0.0, b=0.0)


@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize("shape", [(1, 3, 6, 7), (3, 17, 2, 1), (1, 40, 13, 5), (2, 16, 30, 30), (1, 96, 7, 7)])
def test_factors_go_into_the_pointwise_convolution_behind_them(isa: str, shape: tuple[int, ...], swapped: bool) -> None:
    net = Net(shape)
    product = net.add("multiply", [squeezed(net, 0), 0] if swapped else [0, squeezed(net, 0)])
    y = net.add("add", [net.conv(product, shape[1], kernel=1, **POINTWISE), 0])
    ops = net.ops(net.conv(y, 5), isa=isa)  # a 3x3 behind it: the output has a ring
    assert [op for op in ops if op != "reorder"] == ["reduce", "conv2d", "conv2d", "conv2d"]


def test_a_product_that_no_prologue_computes_stays(isa: str) -> None:
    """One that is read twice, that has a factor for each pixel, or for all samples; one before a 3x3 convolution; of a single pixel."""
    net = Net((2, 18, 6, 7))
    product = net.add("multiply", [0, squeezed(net, 0)])
    assert "multiply" in net.ops(product, net.conv(product, 5, kernel=1, **POINTWISE), isa=isa)
    for factors in ((2, 18, 6, 7), (18, 1, 1), (1, 18, 1, 1), (2, 1, 1, 1), (1, 1, 6, 7)):
        net = Net((2, 18, 6, 7))
        y = net.conv(net.add("multiply", [0, net.parameter(*factors)]), 5, kernel=1, **POINTWISE)
        assert "multiply" in net.ops(y, isa=isa)
    net = Net((2, 18, 6, 7))
    assert "multiply" in net.ops(net.conv(net.add("multiply", [0, squeezed(net, 0)]), 5), isa=isa)


def test_a_prologue_that_scales_has_rules() -> None:
    graph = _core.Graph()
    x, weight = graph.input("x", (2, 18, 6, 7)), graph.parameter(_core.Parameter(np.zeros((5, 18, 1, 1), np.float32)), "weight")
    wrong = graph.input("factors", (1, 18, 1, 1))
    for more, rule in (
        ([], r"a prologue that scales needs the factors\."),
        ([None] * 6 + [wrong], r"the factors of a prologue must be \(N, channels, 1, 1\)\. Got \(1, 18, 1, 1\) for \(2, 18, 6, 7\)\."),
    ):
        with pytest.raises(ValueError, match=rf"^\[conv2d\] {rule}$"):
            graph.add("conv2d", [x, weight, *more], POINTWISE | {"scaled": True})
    with pytest.raises(ValueError, match=r"^\[conv2d\] factors need the attribute scaled\.$"):
        graph.add("conv2d", [x, weight, *[None] * 6, wrong], POINTWISE)
    graph.add("conv2d", [x, weight], POINTWISE | {"scaled": False})


def test_norm_before_other_convolutions_stays_in_front(isa: str) -> None:
    for options in ({"kernel": 3}, {"kernel": 1, **POINTWISE, "stride": [2, 2]}, {"kernel": 1}):
        net = Net((1, 18, 8, 7))
        y = net.conv(net.add("activation", [net.norm(0)], **RELU), 5, **options)
        assert "batch_norm" in net.ops(y, isa=isa)


# ---- separate_outputs


@pytest.mark.parametrize("threads", [1, 2])
def test_outputs_that_share_memory_are_copied(isa: str, threads: int) -> None:
    """Inputs, parameters, other shapes of a value and values named twice, floats and integers; each in memory of its own."""
    graph, x = _core.Graph(), np.arange(2 * 3 * 2000, dtype=np.float32).reshape(2, 3, 2000)
    value, numbers = graph.input("x", x.shape), graph.input("numbers", (5,), "int32")
    flat = graph.add("reshape", [value], {"shape": [x.size]})[0]
    where = graph.add("arg_max", [value], {"axis": 2, "keepdims": True, "last": False})[0]
    places = graph.add("reshape", [where], {"shape": [6]})[0]
    graph.outputs([value, flat, numbers, where, where, places])
    program, given = _core.Program(graph, isa=isa), np.arange(5, dtype=np.int32)
    results = program.run([x, given], threads=threads)
    most = np.full((2, 3, 1), 1999, np.int32)
    assert same_bits(results, [x, x.ravel(), given, most, most, most.ravel()])
    assert {step["op"] for step in program.steps} == {"arg_max", "copy"}
    for i, result in enumerate(results):
        assert not any(np.shares_memory(result, other) for other in [x, given, *results[:i]])
