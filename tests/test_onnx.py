"""ONNX models as modules: their numbers are ONNX Runtime's, they train, they have names, and what they need and is not there is said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from subprocesses import python

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402
from onnx_models import model, random, runtime, small_cnn, two_inputs  # noqa: E402
from small_nets import stripes  # noqa: E402

import fastcnn as fc  # noqa: E402
from fastcnn.formats.protobuf_reader import Source  # noqa: E402
from fastcnn.onnx import loads  # noqa: E402
from fastcnn.onnx.messages import read_model  # noqa: E402
from fastcnn.onnx.tensors import Tensors  # noqa: E402

Array = np.ndarray


def loaded(proto: Any, **options: Any) -> Any:
    return loads(proto.SerializeToString(), **options)


def assert_close(got: Array, want: Array) -> None:
    assert got.shape == want.shape
    assert abs(got - want).max(initial=0) <= 1e-5 * max(1e-30, abs(want).max(initial=0))


# ---- numbers ---------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(1, 3, 8, 8), (5, 3, 7, 9), (2, 3, 2, 2)])
def test_a_symbolic_size_is_bound_at_compile(shape: tuple[int, ...], tmp_path: Path) -> None:
    proto, x = small_cnn(), random(*shape)
    (tmp_path / "net.onnx").write_bytes(proto.SerializeToString())
    net = fc.load(tmp_path / "net.onnx")
    assert_close(net(x), runtime(proto, {"x": x})[0])
    assert_close(net.compile(shape)(x), net(x))


def test_several_inputs_and_outputs() -> None:
    net, x, y = loaded(two_inputs()), random(3, 4), random(3, 4, seed=1)
    assert (net.inputs, net.outputs) == (("x", "y"), ("product", "total"))
    assert net.input_shapes == {"x": ("N", 4), "y": ("N", 4)}
    product, total = net(x, y)
    assert_close(product, np.tanh(x) * y)
    assert_close(total, x + y)
    run, out = net.compile(((3, 4), (3, 4))), (np.empty((3, 4), np.float32), np.empty((3, 4), np.float32))
    assert run.shape == ((3, 4), (3, 4))
    assert run(x, y, out=out)[1] is out[1]
    assert [step.op for step in run.profile(x, y)]
    with pytest.raises(TypeError, match=r"^\[load\] the network takes 2 arrays: x, y\. Got 1\.$"):
        net(x)
    with pytest.raises(ValueError, match=r"^\[load\] input 'y' must have the shape \(N, 4\)\. Got \(2, 4\)\.$"):
        net(x, y[:2])
    with pytest.raises(ValueError, match=r"^\[load\] input 'x' must have the shape \(N, 4\)\. Got \(3, 5\)\.$"):
        net(random(3, 5), y)


def test_outputs_of_ones_own_choice() -> None:
    x = random(2, 3, 8, 8)
    net = loaded(small_cnn(), outputs=["p", "y", "x"])
    pooled, y, same = net(x)
    assert_close(y, runtime(small_cnn(), {"x": x})[0])
    assert pooled.shape == (2, 4, 4, 4)
    assert np.array_equal(same, x)
    assert "fc.weight" not in loaded(small_cnn(), outputs=["p"]).state_dict()  # what is not needed is not read
    with pytest.raises(ValueError, match=r"^\[load\] every value that is used must be defined\. Got 'q'\.$"):
        loaded(small_cnn(), outputs=["q"])
    with pytest.raises(TypeError, match=r"^\[load\] outputs must be a list of names\. Got 'p'\.$"):
        loaded(small_cnn(), outputs="p")


def test_an_output_that_depends_on_shapes_alone() -> None:
    net = loaded(small_cnn(), outputs=["shape", "p", "wanted"])
    shape, pooled, wanted = net(random(2, 3, 8, 8))
    assert shape.tolist() == [2, 4, 1, 1]
    assert wanted.tolist() == [2, -1]
    assert pooled.shape == (2, 4, 4, 4)
    assert loaded(small_cnn(), outputs=["shape"])(random(3, 3, 8, 8)).tolist() == [3, 4, 1, 1]


def test_initializers_that_are_inputs_too() -> None:
    """As files of IR version 3 have them."""
    proto = small_cnn()
    for tensor in proto.graph.initializer:
        proto.graph.input.append(helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims))
    net, x = loaded(proto), random(1, 3, 8, 8)
    assert net.inputs == ("x",)
    assert_close(net(x), runtime(small_cnn(), {"x": x})[0])


def test_inputs_without_a_shape_and_nodes_without_order() -> None:
    proto, x = small_cnn(), random(1, 3, 8, 8)
    want = runtime(proto, {"x": x})[0]
    proto.graph.input[0].type.tensor_type.ClearField("shape")
    nodes = list(proto.graph.node)[::-1]
    del proto.graph.node[:]
    proto.graph.node.extend(nodes)
    net = loaded(proto)
    assert net.input_shapes == {"x": None}
    assert_close(net(x), want)


def with_functions(body: list[Any], opset: int = 17) -> Any:
    """y = outer(x, alpha=0.25), where outer calls inner twice."""
    domain, opsets = "com.example", [helper.make_opsetid("", opset), helper.make_opsetid("com.example", 1)]
    leaky = helper.make_node("LeakyRelu", ["a"], ["t"])
    leaky.attribute.add(name="alpha", ref_attr_name="slope", type=onnx.AttributeProto.FLOAT)
    inner = helper.make_function(domain, "inner", ["a", "b"], ["c"], [leaky, *body], opsets, ["slope"])
    first, second = (helper.make_node("inner", i, [o], domain=domain) for i, o in ((["x", "x"], "m"), (["m", "x"], "z")))
    for node in (first, second):
        node.attribute.add(name="slope", ref_attr_name="alpha", type=onnx.AttributeProto.FLOAT)
    outer = helper.make_function(domain, "outer", ["x"], ["z"], [first, second], opsets, ["alpha"])
    proto = model([helper.make_node("outer", ["x"], ["y"], domain=domain, alpha=0.25)], {"x": [4]}, ["y"])
    proto.opset_import.append(opsets[1])
    proto.functions.extend([inner, outer])
    return proto


def test_functions_are_replaced_by_what_they_do() -> None:
    proto, x = with_functions([helper.make_node("Mul", ["t", "b"], ["c"])]), random(4)
    assert_close(loaded(proto)(x), runtime(proto, {"x": x})[0])


def test_functions_that_are_not_supported() -> None:
    with pytest.raises(ValueError, match=r"^\[load\] functions must call one another to a depth of at most 16\. Got more\.$"):
        loaded(with_functions([helper.make_node("outer", ["t"], ["c"], domain="com.example")]))
    many = [helper.make_node("Relu", ["t"], ["c"])] * 40_000
    with pytest.raises(ValueError, match=r"^\[load\] a model must have at most 65536 nodes when its functions are replaced"):
        loaded(with_functions(many))
    with pytest.raises(NotImplementedError, match=r"^\[load\] a function must be of the opset of its model\. Got 16 in 'outer', 17 in"):
        loaded(with_functions([helper.make_node("Mul", ["t", "b"], ["c"])], opset=16))
    with pytest.raises(NotImplementedError, match=r"Got Scan 'y/0/1', Scan 'y/1/1'\.$"):
        loaded(with_functions([helper.make_node("Scan", ["t", "b"], ["c"])]))


# ---- a module like any other -----------------------------------------------------------------------------------------------------------


def test_state_is_under_the_names_of_the_file() -> None:
    net = loaded(small_cnn())
    weights = ["conv.weight", "conv.bias", "bn.weight", "bn.bias", "fc.weight", "fc.bias"]
    assert sorted(name for name, _ in net.named_parameters()) == sorted(weights)
    assert sorted(name for name, _ in net.named_buffers()) == ["bn.mean", "bn.var"]
    assert np.array_equal(net.state_dict()["conv.weight"], random(4, 3, 3, 3))
    x, before = random(1, 3, 8, 8), net(random(1, 3, 8, 8))
    net.load_state_dict({key: 0 * value for key, value in net.state_dict().items()})
    assert not net(x).any()
    assert before.any()
    assert "inputs=x, outputs=y, nodes=" in repr(net)


def test_an_onnx_model_trains() -> None:
    """Its batch norms with the statistics of the batch, which the running ones follow at 1 - momentum."""
    proto = small_cnn()
    net = loaded(proto)
    x, kinds = stripes(32)
    images = np.repeat(x, 3, axis=1)
    old = net.state_dict()
    history = net.fit(images, kinds, epochs=30, batch_size=32, optimizer=fc.optim.Adam(2e-2), progress=False)
    assert history["loss"][-1] < 0.5 * history["loss"][0]
    new = net.state_dict()
    assert all(not np.array_equal(old[key], new[key]) for key in old if key != "conv.bias")
    for tensor in proto.graph.initializer:
        if tensor.name in new:
            tensor.CopyFrom(numpy_helper.from_array(new[tensor.name], tensor.name))
    assert_close(net(images), runtime(proto, {"x": images})[0])


def test_running_statistics_follow_the_batch() -> None:
    node = helper.make_node("BatchNormalization", ["x", "w", "b", "mean", "var"], ["y"], momentum=0.75)
    tensors = {"w": np.ones(3, np.float32), "b": np.zeros(3, np.float32), "mean": random(3), "var": abs(random(3, seed=1))}
    net, x = loaded(model([node], {"x": ["N", 3, 4, 4]}, ["y"], tensors)), random(8, 3, 4, 4)
    trainer = fc.Trainer(net, "mse", "sgd", x.shape)
    trainer.step(x, x)
    assert np.allclose(net.state_dict()["mean"], 0.75 * tensors["mean"] + 0.25 * x.mean((0, 2, 3)), atol=1e-6)


@pytest.mark.parametrize("opset", [11, 13])
def test_dropout_drops_while_training(opset: int) -> None:
    ratio = {"ratio": 0.5} if opset < 12 else {}
    nodes = [
        helper.make_node("Mul", ["x", "w"], ["z"]),
        helper.make_node("Dropout", ["z"] if opset < 12 else ["z", "ratio"], ["y"], **ratio),
    ]
    tensors = {"w": np.ones(64, np.float32), "ratio": np.array(0.5, np.float32)}
    net, x = loaded(model(nodes, {"x": ["N", 64]}, ["y"], tensors, opset)), np.ones((4, 64), np.float32)
    assert np.array_equal(net(x), x)
    trainer = fc.Trainer(net, "mse", fc.optim.SGD(0.0), x.shape)
    trainer.step(x, x)
    assert set(np.unique(trainer.output)) == {0.0, 2.0}


def test_a_model_can_be_a_part_of_a_network() -> None:
    inner, x = loaded(small_cnn()), random(2, 3, 8, 8)
    net = fc.Sequential(inner, fc.Softmax(1))
    assert "0.conv.weight" in net.state_dict()
    assert_close(net(x).sum(1), np.ones(2, np.float32))


def test_nothing_is_imported_that_is_not_needed() -> None:
    code = """
import sys, fastcnn as fc
assert not any(name.startswith("fastcnn.onnx") for name in sys.modules)
import fastcnn.onnx
assert "onnx" not in sys.modules and "google.protobuf" not in sys.modules
"""
    python(code)


# ---- tensors ---------------------------------------------------------------------------------------------------------------------------

DTYPES = ["FLOAT", "DOUBLE", "FLOAT16", "BFLOAT16", "INT8", "UINT8", "INT16", "UINT16", "INT32", "UINT32", "INT64", "UINT64", "BOOL"]


@pytest.mark.parametrize("raw", [True, False], ids=["raw", "listed"])
@pytest.mark.parametrize("name", DTYPES)
def test_tensors_of_every_type(name: str, raw: bool) -> None:
    dtype = getattr(TensorProto, name)
    values = np.array([[0, 1, 2], [7, 100, 127]] if name != "BOOL" else [[0, 1, 1], [1, 0, 0]])
    if name in ("FLOAT", "DOUBLE", "FLOAT16", "BFLOAT16"):
        values = values / 4 - 8
    elif name.startswith("INT"):
        values = -values
    kind = helper.tensor_dtype_to_np_dtype(dtype)
    tensor = helper.make_tensor("t", dtype, values.shape, values.astype(kind).tobytes() if raw else values.ravel().tolist(), raw=raw)
    proto = model([helper.make_node("Identity", ["t"], ["y"])], {}, ["y"])
    proto.graph.initializer.append(tensor)
    read = read_model(Source.of_bytes(proto.SerializeToString()))
    got = Tensors(read.source, None).read(read.graph.initializers[0])
    assert np.array_equal(got, numpy_helper.to_array(tensor).astype(got.dtype))
    assert got.dtype == (np.float32 if values.dtype.kind == "f" else np.dtype(kind))


def external(tmp_path: Path, location: str = "weights.bin", offset: int = 64, length: int = 432) -> Path:
    """A model whose convolution's weight lies in a file beside it."""
    proto = small_cnn()
    weight = proto.graph.initializer[0]
    (tmp_path / "weights.bin").write_bytes(bytes(64) + weight.raw_data + b"more")
    weight.ClearField("raw_data")
    weight.data_location = TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", str(offset)), ("length", str(length))):
        weight.external_data.add(key=key, value=value)
    (tmp_path / "net.onnx").write_bytes(proto.SerializeToString())
    return tmp_path / "net.onnx"


def test_external_data(tmp_path: Path) -> None:
    net, x = fc.load(external(tmp_path)), random(1, 3, 8, 8)
    assert_close(net(x), runtime(small_cnn(), {"x": x})[0])


@pytest.mark.parametrize("location", ["../weights.bin", "a/../../weights.bin", "/etc/passwd", "", "\0", ".", "link", "C:\\weights.bin"])
def test_external_data_stay_in_the_folder(location: str, tmp_path: Path) -> None:
    folder = tmp_path / "inner"
    folder.mkdir()
    (tmp_path / "weights.bin").write_bytes(bytes(1000))
    (folder / "link").symlink_to(tmp_path / "weights.bin")
    with pytest.raises(ValueError, match=r"^\[load\] external data must lie in the folder of the model\. Got 'conv.weight' in '"):
        fc.load(external(folder, location))


def test_external_data_that_are_not_what_they_should_be(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"^\[load\] external data must be there\. Got 'conv.weight' in 'gone.bin', which"):
        fc.load(external(tmp_path, "gone.bin"))
    with pytest.raises(ValueError, match=r"^\[load\] a file of external data must be as long as its tensors say\. Got 500 bytes, '"):
        fc.load(external(tmp_path, offset=100))
    with pytest.raises(ValueError, match=r"^\[load\] 'conv.weight' must have the bytes of its shape \(4, 3, 3, 3\), 432\. Got 400\.$"):
        fc.load(external(tmp_path, length=400))
    (tmp_path / "folder.bin").mkdir()
    with pytest.raises(ValueError, match=r"^\[load\] external data must be in a plain file\. Got "):
        fc.load(external(tmp_path, "folder.bin"))
    with pytest.raises(ValueError, match=r"^\[load\] a model that was not read from a file must have no external data\. Got "):
        loads(external(tmp_path).read_bytes())


# ---- what is not supported -------------------------------------------------------------------------------------------------------------


def test_unsupported_operators_are_listed_at_once() -> None:
    nodes = [
        helper.make_node("Relu", ["x"], ["a"], name="fine"),
        helper.make_node("STFT", ["a", "a"], ["b"], name="spectrum"),
        helper.make_node("Relu", ["b"], ["c"], name="private", domain="com.example"),
        helper.make_node("NonMaxSuppression", ["c", "c"], ["y"]),
        helper.make_node("GRU", ["x", "x", "x"], ["unused"], name="not needed"),
    ]
    with pytest.raises(NotImplementedError) as info:
        loaded(model(nodes, {"x": [1, 2]}, ["y"]))
    listed = "STFT 'spectrum', com.example.Relu 'private', NonMaxSuppression 'y'"
    assert str(info.value) == f"[load] every operator must be supported, in opset 17. Got {listed}."


def test_opsets_and_inputs_that_are_not_supported() -> None:
    relu = [helper.make_node("Relu", ["x"], ["y"])]
    for opset in (6, 1000):
        with pytest.raises(NotImplementedError, match=rf"^\[load\] the opset must be between 7 and 28\. Got {opset}\.$"):
            loaded(model(relu, {"x": [2]}, ["y"], opset=opset))
    rule = r"an input must be floating point, or bound: constants=\{'x': array\}\. Got 'x', int64\."
    with pytest.raises(NotImplementedError, match=rf"^\[load\] {rule}$"):
        loaded(model(relu, {"x": (TensorProto.INT64, [2])}, ["y"]))
    with pytest.raises(ValueError, match=r"^\[load\] a constant must be an input of the model\. Got z\.$"):
        loaded(model(relu, {"x": [2]}, ["y"]), constants={"z": [1]})
    with pytest.raises(TypeError, match=r"^\[load\] a constant must hold numbers\. Got 'x' of <U1\.$"):
        loaded(model(relu, {"x": [2]}, ["y"]), constants={"x": ["a"]})


@pytest.mark.parametrize(("rank", "weight"), [(3, (4, 2, 3)), (5, (4, 2, 3, 3, 3))])
def test_convolutions_of_one_and_three_dimensions(rank: int, weight: tuple[int, ...]) -> None:
    proto = model([helper.make_node("Conv", ["x", "w"], ["y"], name="c")], {"x": None}, ["y"], {"w": random(*weight)})
    rule = r"the input must be \(N, C, H, W\): one and three dimensions are not supported"
    with pytest.raises(NotImplementedError, match=rf"^\[Conv\] {rule}\. Got {rank} axes\. In node 'c'\.$"):
        loaded(proto)(random(1, 2, *[5] * (rank - 2)))


def test_outputs_that_nobody_reads() -> None:
    """The places of maxima are not given out: named, they do no harm until somebody asks for them."""
    pool = helper.make_node("MaxPool", ["x"], ["y", "places"], kernel_shape=[2, 2], name="p")
    x = random(2, 3, 4, 4)
    proto = model([pool], {"x": [2, 3, 4, 4]}, ["y"])
    assert np.array_equal(loaded(proto)(x), runtime(proto, {"x": x})[0])
    with pytest.raises(NotImplementedError, match=r"^\[MaxPool\] the output Indices must not be asked for\. Got 'places'\. In node 'p'\.$"):
        loaded(model([pool], {"x": [2, 3, 4, 4]}, ["y", "places"]))(x)


def test_non_max_suppression_is_refused() -> None:
    node = helper.make_node("NonMaxSuppression", ["boxes", "scores"], ["y"], name="boxes of most worth")
    rule = r"every operator must be supported, in opset 17\. Got NonMaxSuppression 'boxes of most worth'\."
    with pytest.raises(NotImplementedError, match=rf"^\[load\] {rule}$"):
        loaded(model([node], {"boxes": [1, 6, 4], "scores": [1, 1, 6]}, ["y"]))


def test_a_bound_shape() -> None:
    nodes = [helper.make_node("Reshape", ["x", "shape"], ["y"])]
    proto = model(nodes, {"x": [2, 6], "shape": (TensorProto.INT64, [3])}, ["y"])
    net = loaded(proto, constants={"shape": np.array([2, 2, 3])})
    assert net.inputs == ("x",)
    assert net(random(2, 6)).shape == (2, 2, 3)
    image = model([helper.make_node("Cast", ["x"], ["y"], to=1)], {"x": (TensorProto.UINT8, [2])}, ["y"])
    assert loaded(image)(np.array([3, 250], np.uint8)).tolist() == [3.0, 250.0]  # integers that become floating point at once


def test_reports_know_the_nodes() -> None:
    net = loaded(small_cnn())
    table = net.summary((3, 8, 8))
    assert [row.layer for row in table if row.op == "conv2d"] == ["/conv/Conv"]
    assert sum(row.parameters for row in table) == sum(parameter.size for parameter in net.parameters())
    assert net.memory((2, 3, 8, 8)).parameters > 0
