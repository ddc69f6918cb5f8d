"""Small ONNX models for tests, made with the onnx package, and the answers of ONNX Runtime."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

Array = np.ndarray
Node = onnx.NodeProto
FLOAT = TensorProto.FLOAT


def random(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng([seed, *shape]).standard_normal(shape).astype(np.float32)


def model(
    nodes: Sequence[Node],
    inputs: Mapping[str, Any],
    outputs: Sequence[str],
    initializers: Mapping[str, Array] | None = None,
    opset: int = 17,
    **options: Any,
) -> onnx.ModelProto:
    """inputs: name -> shape of a float input, or (type, shape)."""
    ports = []
    for name, shape in inputs.items():
        dtype, sizes = shape if isinstance(shape, tuple) and len(shape) == 2 and isinstance(shape[1], (list, tuple)) else (FLOAT, shape)
        ports.append(helper.make_tensor_value_info(name, dtype, sizes))
    results = [helper.make_tensor_value_info(name, FLOAT, None) for name in outputs]
    tensors = [numpy_helper.from_array(np.asarray(array), name) for name, array in (initializers or {}).items()]
    graph = helper.make_graph(list(nodes), "graph", ports, results, tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8, **options)


def _small_cnn_tensors() -> dict[str, Array]:
    return {
        "conv.weight": random(4, 3, 3, 3),
        "conv.bias": random(4),
        "bn.weight": 1 + 0.1 * random(4, seed=1),
        "bn.bias": random(4, seed=2),
        "bn.mean": random(4, seed=3),
        "bn.var": 1 + abs(random(4, seed=4)),
        "fc.weight": random(5, 4),
        "fc.bias": random(5),
        "zero": np.array(0, np.int64),
        "first": np.array([0], np.int64),
        "rest": np.array([-1], np.int64),
    }


def small_cnn() -> onnx.ModelProto:
    """(N, 3, H, W) -> (N, 5): convolution, batch norm, pooling, a residual, shape arithmetic, a classifier."""
    nodes = [
        helper.make_node("Conv", ["x", "conv.weight", "conv.bias"], ["c"], name="/conv/Conv", pads=[1, 1, 1, 1]),
        helper.make_node("BatchNormalization", ["c", "bn.weight", "bn.bias", "bn.mean", "bn.var"], ["b"], name="/bn"),
        helper.make_node("Relu", ["b"], ["r"], name="/relu"),
        helper.make_node("Add", ["r", "c"], ["s"], name="/residual"),
        helper.make_node("MaxPool", ["s"], ["p"], name="/pool", kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("GlobalAveragePool", ["p"], ["g"], name="/mean"),
        helper.make_node("Shape", ["g"], ["shape"], name="/shape"),
        helper.make_node("Gather", ["shape", "zero"], ["batch"], name="/gather", axis=0),
        helper.make_node("Unsqueeze", ["batch", "first"], ["rows"], name="/unsqueeze"),
        helper.make_node("Concat", ["rows", "rest"], ["wanted"], name="/concat", axis=0),
        helper.make_node("Reshape", ["g", "wanted"], ["flat"], name="/reshape"),
        helper.make_node("Gemm", ["flat", "fc.weight", "fc.bias"], ["y"], name="/fc", transB=1),
    ]
    return model(nodes, {"x": ["N", 3, "H", "W"]}, ["y"], _small_cnn_tensors())


def two_inputs() -> onnx.ModelProto:
    """(x, y) of one shape -> (tanh(x) y, sum of both): two inputs, two outputs."""
    nodes = [
        helper.make_node("Tanh", ["x"], ["t"], name="tanh"),
        helper.make_node("Mul", ["t", "y"], ["product"], name="mul"),
        helper.make_node("Add", ["x", "y"], ["total"], name="add"),
    ]
    return model(nodes, {"x": ["N", 4], "y": ["N", 4]}, ["product", "total"])


def runtime(proto: onnx.ModelProto, arrays: Mapping[str, Array]) -> list[Array]:
    """What ONNX Runtime answers."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    session = onnxruntime.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return list(session.run(None, dict(arrays)))


def _unet_tensors() -> dict[str, Array]:
    return {
        "w1": random(4, 3, 3, 3),
        "ones": np.ones(4, np.float32),
        "zeros": np.zeros(4, np.float32),
        "w2": random(6, 2, 3, 3),
        "w3": random(6, 4, 3, 3),
        "w4": random(2, 14, 3, 3),
        "b4": random(2),
        "scales": np.array([1, 1, 2, 2], np.float32),
        "pads": np.array([0, 0, 1, 1, 0, 0, 1, 1]),
    }


def unet() -> onnx.ModelProto:
    """(N, 3, H, W) -> (N, 2, H, W) with H, W even: down, up by a transposed convolution and by resizing, concatenation, normalization."""
    make = helper.make_node
    nodes = [
        make("Conv", ["x", "w1"], ["a"], pads=[1, 1, 1, 1]),
        make("InstanceNormalization", ["a", "ones", "zeros"], ["an"]),
        make("LeakyRelu", ["an"], ["ar"], alpha=0.1),
        make("MaxPool", ["ar"], ["p"], kernel_shape=[2, 2], strides=[2, 2]),
        make("Conv", ["p", "w2"], ["d"], pads=[2, 2, 2, 2], dilations=[2, 2], group=2),
        make("HardSwish", ["d"], ["h"]),
        make("ConvTranspose", ["h", "w3"], ["u"], strides=[2, 2], pads=[1, 1, 1, 1], output_padding=[1, 1]),
        make("Resize", ["h", "", "scales"], ["v"], mode="linear"),
        make("Concat", ["u", "v", "ar"], ["c"], axis=1),
        make("Pad", ["c", "pads"], ["cp"], mode="reflect"),
        make("Conv", ["cp", "w4", "b4"], ["y"]),
    ]
    return model(nodes, {"x": ["N", 3, "H", "W"]}, ["y"], _unet_tensors())


def _detector_tensors() -> dict[str, Array]:
    return {
        "w1": random(4, 4, 1, 1),
        "w2": random(32, 6),
        "five": np.array([0, 2, 2, 8, 8]),
        "four": np.array([0, 4, 8, 8]),
        "from": np.array([0, 7]),
        "to": np.array([8, -9]),
        "axes": np.array([2, 3]),
        "steps": np.array([2, -2]),
        "condition": np.array([[True, False, True, True]]),
        "k": np.array([3]),
    }


def detector() -> onnx.ModelProto:
    """(N, 4, 8, 8) -> scores and places: attention over channels, a channel shuffle, slices, softmax, the largest."""
    make = helper.make_node
    nodes = [
        make("ReduceMean", ["x"], ["m"], axes=[2, 3]),
        make("Conv", ["m", "w1"], ["e"]),
        make("Sigmoid", ["e"], ["g"]),
        make("Mul", ["x", "g"], ["s"]),
        make("Reshape", ["s", "five"], ["r5"]),
        make("Transpose", ["r5"], ["t5"], perm=[0, 2, 1, 3, 4]),
        make("Reshape", ["t5", "four"], ["shuffled"]),
        make("Slice", ["shuffled", "from", "to", "axes", "steps"], ["cut"]),
        make("Split", ["cut"], ["left", "right"], axis=1),
        make("Sub", ["left", "right"], ["difference"]),
        make("Where", ["condition", "difference", "left"], ["chosen"]),
        make("Flatten", ["chosen"], ["flat"]),
        make("MatMul", ["flat", "w2"], ["logits"]),
        make("Softmax", ["logits"], ["p"], axis=-1),
        make("TopK", ["p", "k"], ["scores", "places"], axis=-1),
    ]
    return model(nodes, {"x": ["N", 4, 8, 8]}, ["scores", "places"], _detector_tensors())
