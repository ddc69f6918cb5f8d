"""The ONNX project's own backend tests: which of them are float tests of the operators here, and how one is run.

A float test: floating point of 32 bits comes in or goes out, and beside it only integers and truth values; its opset is 7 or later. Inputs
that say how a node works are bound as constants when the model is loaded: integers (shapes, axes, indices, pads), and those in SETTINGS.
Truth values are given as 0 and 1, for the core computes in float32; integers may come back in 32 bits. Nothing else is changed: numbers are
compared with the tests' own tolerances.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper
from onnx.backend.test.loader import load_model_tests

from fastcnn.onnx import loads

_NAMES = (
    "Conv ConvTranspose MaxPool AveragePool GlobalAveragePool GlobalMaxPool BatchNormalization LRN Gemm MatMul Add Sub Mul Div Sum Relu "
    "Clip LeakyRelu PRelu Elu Selu Sigmoid HardSigmoid HardSwish Tanh Softplus Mish Gelu Softmax LogSoftmax Concat Split Slice Pad "
    "Reshape Flatten Transpose Squeeze Unsqueeze Identity Constant ConstantOfShape Shape Gather Cast Dropout ReduceMean ReduceSum "
    "ReduceMax ReduceMin ReduceL2 InstanceNormalization GroupNormalization LayerNormalization Resize Upsample DepthToSpace SpaceToDepth "
    "Pow Sqrt Exp Log Erf Abs Neg Min Max Mean Where Expand Tile ArgMax LpPool TopK NonMaxSuppression "
)
OPERATORS = set(_NAMES.split())
SETTINGS = {"Dropout": (1, 2), "Pad": (2,), "Resize": (1, 2), "Upsample": (1,)}
_FLOAT, _INTEGERS, _BOOL = onnx.TensorProto.FLOAT, (onnx.TensorProto.INT32, onnx.TensorProto.INT64), onnx.TensorProto.BOOL

Array = np.ndarray


def model_of(case: Any) -> onnx.ModelProto:
    if case.model is None:
        case.model = onnx.load(f"{case.model_dir}/model.onnx")
    model: onnx.ModelProto = case.model
    return model


def is_float_test(case: Any) -> bool:
    graph = model_of(case).graph
    ports = [*graph.input, *graph.output]
    types = {port.type.tensor_type.elem_type if port.type.HasField("tensor_type") else 0 for port in ports}
    if any(opset.domain == "" and opset.version < 7 for opset in model_of(case).opset_import):
        return False
    return {node.op_type for node in graph.node} <= OPERATORS and _FLOAT in types and types <= {_FLOAT, *_INTEGERS, _BOOL}


def float_tests() -> dict[str, Any]:
    kinds = ("node", "simple", "pytorch-converted", "pytorch-operator")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the answers of some are infinite, which NumPy warns of when they are made
        return {f"{kind}/{case.name}": case for kind in kinds for case in load_model_tests(kind=kind) if is_float_test(case)}


def data_sets(case: Any) -> list[tuple[list[Array], list[Array]]]:
    if case.data_sets is not None:
        return [([_array(x) for x in inputs], [_array(y) for y in outputs]) for inputs, outputs in case.data_sets]
    graph, sets = model_of(case).graph, []
    for i in range(100):
        folder = f"{case.model_dir}/test_data_set_{i}"
        try:
            sets.append(([_stored(f"{folder}/input_{k}.pb") for k in range(len(graph.input))], [_stored(f"{folder}/output_0.pb")]))
        except FileNotFoundError:
            break
    return sets


def _array(value: Any) -> Array:
    return numpy_helper.to_array(value) if isinstance(value, onnx.TensorProto) else np.asarray(value)


def _stored(path: str) -> Array:
    with open(path, "rb") as file:
        return numpy_helper.to_array(onnx.TensorProto.FromString(file.read()))


def run(model: onnx.ModelProto, arrays: Sequence[Array], accuracy: str = "fast") -> tuple[Array, ...]:
    """NotImplementedError where something is not supported."""
    known = {tensor.name for tensor in model.graph.initializer}
    ports = [port for port in model.graph.input if port.name not in known]
    given = dict(zip((port.name for port in ports), arrays, strict=True))
    names = {node.input[i] for node in model.graph.node for i in SETTINGS.get(node.op_type, ()) if i < len(node.input)}
    bound = {port.name: given[port.name] for port in ports if port.type.tensor_type.elem_type in _INTEGERS or port.name in names}
    net = loads(model.SerializeToString(), constants=bound)
    inputs = [given[name] * np.float32(1) if given[name].dtype == bool else given[name] for name in net.inputs]
    outputs = net(*inputs) if accuracy == "fast" else net.compile(*(array.shape for array in inputs), accuracy=accuracy)(*inputs)
    return outputs if isinstance(outputs, tuple) else (outputs,)


def check(case: Any) -> None:
    for inputs, wanted in data_sets(case):
        for got, want in zip(run(model_of(case), inputs), wanted, strict=True):
            assert got.shape == want.shape
            assert got.dtype == want.dtype or (got.dtype, want.dtype) == (np.int32, np.int64)
            np.testing.assert_allclose(got, want, rtol=case.rtol, atol=case.atol)


def light_model(name: str) -> tuple[onnx.ModelProto, Array]:
    """A `light_*` network and its output for the dummy input of the ONNX project."""
    folder = re.sub(r"__init__\.py$", "test/data/light", onnx.backend.__file__)
    return onnx.load(f"{folder}/light_{name}.onnx"), _stored(f"{folder}/light_{name}_output_0.pb")
