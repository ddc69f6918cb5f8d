"""A structure-aware fuzzer of ONNX models: `python fuzz_onnx.py 10000 [first seed]`, with sanitizers as in the Makefile.

Models are changed where it matters (nodes, attributes, sizes, tensors, names; a few by flipping bytes), loaded, compiled, and run where
that is cheap. What is wrong with one must be said by ValueError, TypeError or NotImplementedError as `[op] rule. Got value.`; anything else
is a failure, printed with the seed that makes it again.
"""

from __future__ import annotations

import random
import re
import sys
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper
from onnx_models import detector, small_cnn, two_inputs, unet

from fastcnn.formats.protobuf_reader import Source
from fastcnn.onnx import OnnxModel, handlers
from fastcnn.onnx.messages import read_model
from fastcnn.onnx.tensors import Tensors

Random = random.Random
Mutation = Callable[[Random, Any], None]

_NUMBERS = (-(2**63), -(2**31), -7, -2, -1, 0, 1, 2, 3, 4, 5, 7, 8, 16, 255, 2**16, 2**31 - 1, 2**31, 2**40, 2**62, 2**63 - 1)
_REALS = (float("nan"), float("inf"), -float("inf"), -1.0, 0.0, 1e-45, 0.5, 1.0, 2.0, 3e38)
_MOST_BYTES, _MOST_FLOPS = 1 << 28, 1e9
_LIGHT = ("squeezenet", "shufflenet", "inception_v1", "densenet121")
ALLOWED = (ValueError, TypeError, NotImplementedError)


def number(r: Random, near: int) -> int:
    return r.choice([near - 1, near + 1, near * 2, near // 2, r.choice(_NUMBERS), r.choice(_NUMBERS)])


# ---- mutations: each changes a ModelProto -----------------------------------------------------------------------------------------------


def node_type(r: Random, model: Any) -> None:
    r.choice(model.graph.node).op_type = r.choice(sorted(handlers._handlers))


def node_input(r: Random, model: Any) -> None:
    node, names = r.choice(model.graph.node), [name for other in model.graph.node for name in (*other.input, *other.output)]
    action = r.choice(["change", "drop", "add", "empty"])
    if action == "add" or not node.input:
        node.input.append(r.choice(names))
    elif action == "drop":
        del node.input[r.randrange(len(node.input))]
    else:
        node.input[r.randrange(len(node.input))] = "" if action == "empty" else r.choice(names)


def node_output(r: Random, model: Any) -> None:
    node = r.choice(model.graph.node)
    if r.random() < 0.5:
        node.output.append(f"extra{r.randrange(3)}")
    else:
        node.output[0] = r.choice([name for other in model.graph.node for name in other.output])


def node_order(r: Random, model: Any) -> None:
    nodes = list(model.graph.node)
    action, at = r.choice(["drop", "twice", "swap"]), r.randrange(len(nodes))
    if action == "drop":
        del nodes[at]
    else:
        nodes.insert(r.randrange(len(nodes)), nodes.pop(at) if action == "swap" else nodes[at])
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def attribute(r: Random, model: Any) -> None:
    nodes = [node for node in model.graph.node if node.attribute]
    if not nodes:
        return
    found = r.choice(r.choice(nodes).attribute)
    if found.ints and r.random() < 0.8:
        at = r.randrange(len(found.ints))
        found.ints[at] = number(r, found.ints[at])
        return
    if found.type == onnx.AttributeProto.INT and r.random() < 0.8:
        found.i = number(r, found.i)
    elif found.type == onnx.AttributeProto.FLOAT and r.random() < 0.8:
        found.f = r.choice(_REALS)
    elif found.type == onnx.AttributeProto.STRING and r.random() < 0.8:
        found.s = r.choice([b"", b"SAME_UPPER", b"linear", b"cubic", b"reflect", b"\xff", b"align_corners"])
    else:
        found.type = r.randrange(12)


def new_attribute(r: Random, model: Any) -> None:
    names = ["axis", "axes", "pads", "strides", "dilations", "group", "ceil_mode", "perm", "keepdims", "auto_pad", "alpha", "training_mode"]
    value = r.choice([r.choice(_NUMBERS), [r.choice(_NUMBERS) for _ in range(r.randrange(5))], r.choice(_REALS), "SAME_LOWER", [0.5]])
    node = r.choice(model.graph.node)
    kept = [found for found in node.attribute if found.name != (name := r.choice(names))]
    del node.attribute[:]
    node.attribute.extend([*kept, helper.make_attribute(name if kept else "axis", value or 0)])


def tensor_sizes(r: Random, model: Any) -> None:
    tensor = some_tensor(r, model)
    if tensor is None:
        return
    if tensor.dims and r.random() < 0.7:
        at = r.randrange(len(tensor.dims))
        tensor.dims[at] = number(r, tensor.dims[at])
    elif len(tensor.dims) > 1 and r.random() < 0.5:
        tensor.dims[0], tensor.dims[1] = tensor.dims[1], tensor.dims[0]
    else:
        tensor.dims.append(r.choice([1, 1, 2, -1]))


def tensor_values(r: Random, model: Any) -> None:
    """Numbers of another kind; those of shapes and axes above all."""
    tensor = some_tensor(r, model, integers=r.random() < 0.7)
    if tensor is None:
        return
    array = numpy_helper.to_array(tensor).copy()
    if array.size and array.dtype.kind == "i":
        at = r.randrange(array.size)
        array.reshape(-1)[at] = number(r, int(array.reshape(-1)[at])) if r.random() < 0.9 else 0
    elif array.size:
        array.reshape(-1)[r.randrange(array.size)] = r.choice(_REALS)
    tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))


def tensor_bytes(r: Random, model: Any) -> None:
    tensor = some_tensor(r, model)
    if tensor is None:
        return
    action = r.choice(["type", "short", "long", "name", "outside"])
    if action == "type":
        tensor.data_type = r.randrange(25)
    elif action == "name":
        tensor.name = r.choice([other.name for other in model.graph.initializer])
    elif action == "outside":
        tensor.data_location = onnx.TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value=r.choice(["../x", "x", "/dev/zero", ""]))
    else:
        tensor.raw_data = tensor.raw_data[: r.randrange(len(tensor.raw_data) + 1)] if action == "short" else tensor.raw_data + b"more"


def port_sizes(r: Random, model: Any) -> None:
    shape = r.choice(model.graph.input).type.tensor_type.shape
    if shape.dim:
        r.choice(shape.dim).dim_value = r.choice([*_NUMBERS[5:16], 9, 10])


def model_fields(r: Random, model: Any) -> None:
    action = r.choice(["opset", "no output", "other output", "initializer", "type"])
    if action == "opset":
        model.opset_import[0].version = r.choice([1, 7, 9, 10, 11, 12, 13, 15, 18, 20, 21, 23, 99])
    elif action == "no output":
        del model.graph.output[:]
    elif action == "other output":
        model.graph.output[0].name = r.choice(model.graph.node).output[0]
    elif action == "initializer" and model.graph.initializer:
        del model.graph.initializer[r.randrange(len(model.graph.initializer))]
    else:
        r.choice(model.graph.input).type.tensor_type.elem_type = r.randrange(20)


def some_tensor(r: Random, model: Any, integers: bool = False) -> Any:
    tensors = [*model.graph.initializer, *(a.t for node in model.graph.node for a in node.attribute if a.HasField("t"))]
    tensors = [tensor for tensor in tensors if not integers or tensor.data_type == onnx.TensorProto.INT64] or tensors
    return r.choice(tensors) if tensors else None


_MUTATIONS: tuple[Mutation, ...] = (
    node_type, node_input, node_output, node_order, attribute, attribute, attribute, new_attribute, tensor_sizes, tensor_values,
    tensor_values, tensor_bytes, port_sizes, model_fields,
)  # fmt: skip


def mutated_bytes(r: Random, data: bytes) -> bytes:
    cells = bytearray(data[: r.randrange(len(data))] if r.random() < 0.3 else data)
    for _ in range(r.randrange(1, 5)):
        if cells:
            cells[r.randrange(len(cells))] = r.randrange(256)
    return bytes(cells)


# ---- rounds ----------------------------------------------------------------------------------------------------------------------------


def bases() -> list[bytes]:
    folder = Path(re.sub(r"__init__\.py$", "backend/test/data/light", onnx.__file__))
    small = [make().SerializeToString() for make in (small_cnn, two_inputs, unet, detector)]
    return small * 4 + [(folder / f"light_{name}.onnx").read_bytes() for name in _LIGHT]


def make(r: Random, base: bytes) -> tuple[bytes, list[str] | None]:
    """A changed model, and of a large one an output near its beginning, so that running it is cheap."""
    model = onnx.ModelProto.FromString(base)
    computed = [node.output[0] for node in model.graph.node if node.op_type not in ("Constant", "ConstantOfShape")]
    outputs = [r.choice(computed[:12])] if len(computed) > 40 else None
    for _ in range(r.choice([1, 1, 1, 2, 3])):
        try:
            r.choice(_MUTATIONS)(r, model)
        except Exception:  # what the onnx package itself refuses to make
            continue
    data: bytes = model.SerializeToString()
    return (mutated_bytes(r, data) if r.random() < 0.1 else data), outputs


def attempt(r: Random, data: bytes, outputs: list[str] | None) -> str:
    """How far it came: refused, parsed, loaded, compiled, ran."""
    reached = "refused"
    try:
        model = read_model(Source.of_bytes(data))
        reached = "parsed"
        net = OnnxModel(model, Tensors(model.source, None), outputs)
        reached = "loaded"
        shapes = [input_shape(r, shape) for shape in net.input_shapes.values()]
        run = net.compile(shapes if len(shapes) != 1 else shapes[0])
        reached = "compiled"
        memory, flops = run._program.memory, sum(step["flops"] for step in run._program.steps)
        if memory["arena"] + memory["prepared"] + memory["outputs"] > _MOST_BYTES or flops > _MOST_FLOPS:
            return reached
        run(*(np.random.default_rng(0).standard_normal(shape).astype(np.float32) for shape in shapes))
        reached = "ran"
    except ALLOWED as error:
        if not str(error).startswith("["):
            raise AssertionError(f"a message without its place: {error}") from error
    return reached


def input_shape(r: Random, declared: tuple[Any, ...] | None) -> tuple[int, ...]:
    if declared is None:
        return (1, 3, 16, 16)
    return tuple(dim if isinstance(dim, int) and 0 <= dim <= 1000 else 2 if i == 0 else 16 for i, dim in enumerate(declared))


def fuzz(rounds: int, first: int = 0) -> tuple[Counter[str], list[int]]:
    """How many came how far, and the seeds of those that failed."""
    models, reached, failed = bases(), Counter[str](), []
    for seed in range(first, first + rounds):
        r = Random(seed)
        data, outputs = make(r, r.choice(models))
        try:
            reached[attempt(r, data, outputs)] += 1
        except Exception:
            failed.append(seed)
            print(f"seed {seed}:", traceback.format_exc(limit=-3), sep="\n", file=sys.stderr)
    return reached, failed


if __name__ == "__main__":
    reached, failed = fuzz(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0)
    ran, compiled = reached["ran"], reached["ran"] + reached["compiled"]
    loaded = compiled + reached["loaded"]
    print(f"{sum(reached.values())} models: {loaded + reached['parsed']} parsed, {loaded} loaded, {compiled} compiled, {ran} ran")
    print(f"{len(failed)} failures: {failed}")
    sys.exit(bool(failed))
