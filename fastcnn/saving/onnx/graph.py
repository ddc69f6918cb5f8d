"""The writer of ONNX: a graph of ONNX nodes and initializers, and its messages of onnx.proto.

fastcnn/onnx/messages.py reads these messages.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from fastcnn._core import Parameter
from fastcnn.formats.protobuf_writer import Message
from fastcnn.support.arrays import AnyArray, Shape

__all__ = ["BOOL", "FLOAT", "INT32", "CoreNode", "Dim", "OnnxGraph", "tensor_info"]

Dim = int | str  # a size, or the name of one that is open
FLOAT, INT32, INT64, BOOL = 1, 6, 7, 9  # TensorProto.DataType
_TYPES = {np.dtype(np.float32): FLOAT, np.dtype(np.int32): INT32, np.dtype(np.int64): INT64, np.dtype(np.bool_): BOOL}


class CoreNode(NamedTuple):
    """A node of the core's graph, to be written as nodes of ONNX. In shapes the batch has its size in the trace, in attributes it is -1."""

    op: str
    inputs: list[str]  # names; "" for those left out
    shapes: list[Shape]  # of the inputs
    attributes: dict[str, Any]
    outputs: list[Shape]
    dtype: str  # of the first output


class OnnxNode(NamedTuple):
    """A NodeProto to be; kind: its op_type."""

    kind: str
    name: str
    inputs: list[str]
    outputs: list[str]
    attributes: dict[str, Any]


class OnnxGraph:
    """Collects the nodes and initializers of a file. All names differ: those of parameters are taken from the start.

    taken: the names of parameters. batch: the size of the batch in the trace.
    """

    def __init__(self, taken: Iterable[str], batch: int) -> None:
        self.batch = batch
        self.first_input = ""  # the name of the network's first input
        self.layer = ""  # the layer whose nodes are added: a part of their names
        self._taken = set(taken)
        self._nodes: list[OnnxNode] = []
        self._initializers: dict[str, Message] = {}
        self._parameters: dict[int, str] = {}
        self._constants: dict[tuple[Any, ...], str] = {}
        self._renamed: dict[str, str] = {}
        self._scaled: dict[str, tuple[str, list[int]]] = {}  # for each output of upscaled(): its source and factors

    def fresh(self, hint: str) -> str:
        """A name that is not taken: `hint`, or `hint` with a number."""
        name = hint
        count = 1
        while name in self._taken:
            name = f"{hint}_{count}"
            count += 1
        self._taken.add(name)
        return name

    def parameter(self, name: str | None, parameter: Parameter) -> str:
        """The name of a parameter's initializer: `name`, its key in the network, or a new one if that is None."""
        if id(parameter) not in self._parameters:
            known = self._parameters[id(parameter)] = self.fresh("constant") if name is None else name
            self._initializers[known] = _tensor(known, parameter.shape, FLOAT, 4 * parameter.size, parameter.numpy)
        return self._parameters[id(parameter)]

    def floats(self, values: Any) -> str:
        """An initializer of float32."""
        return self._constant(np.asarray(values, np.float32))

    def number(self, value: float, dtype: str) -> str:
        """An initializer of no axes. dtype: float32 or int32."""
        return self._constant(np.array(value, dtype))

    def integers(self, *values: int) -> str:
        """An initializer of int64, a list."""
        return self._constant(np.array(values, np.int64))

    def bools(self, values: AnyArray) -> str:
        """An initializer of bool."""
        return self._constant(np.asarray(values, np.bool_))

    def _constant(self, array: AnyArray) -> str:
        key = (array.dtype, array.shape, array.tobytes())
        if key not in self._constants:
            name = self._constants[key] = self.fresh("constant")
            self._initializers[name] = _tensor(name, array.shape, _TYPES[array.dtype], array.nbytes, lambda: array)
        return self._constants[key]

    def node(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """Appends a node with one output. Returns the name of the output."""
        return self.nodes(kind, 1, *inputs, **attributes)[0]

    def nodes(self, kind: str, outputs: int, *inputs: str, **attributes: Any) -> list[str]:
        """Appends a node with several outputs. Returns their names."""
        name = self.fresh(f"/{self.layer}/{kind}" if self.layer else f"/{kind}")
        made = [name] if outputs == 1 else [self.fresh(f"{name}:{i}") for i in range(outputs)]
        self._nodes.append(OnnxNode(kind, name, _trimmed(inputs), made, attributes))
        return made

    def upscaled(self, x: str, factors: Sequence[int]) -> str:
        """Repeats each entry so many times along each axis. Calls for one axis after another give a Resize of all axes, which runtimes
        have kernels for; message() leaves out the Resize before it.
        """
        source, before = self._scaled.get(x, (x, [1] * len(factors)))
        total = [a * b for a, b in zip(before, factors, strict=True)]
        modes = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
        made = self.node("Resize", source, "", self.floats(total), **modes)
        self._scaled[made] = source, total
        return made

    def output(self, value: str, name: str) -> None:
        """Gives a value the name of an output."""
        made = {output for node in self._nodes for output in node.outputs}
        if value not in made or value in self._renamed:  # an input, an initializer, or already an output
            self._nodes.append(OnnxNode("Identity", self.fresh("/Identity"), [self._renamed.get(value, value)], [name], {}))
        else:
            self._renamed[value] = name

    def message(self, name: str, inputs: Sequence[Message], outputs: Sequence[Message]) -> Message:
        """A GraphProto. Leaves out each Resize that is contained in the next and has no other reader."""
        read = {value for node in self._nodes for value in node.inputs} | self._renamed.keys()
        nodes = [node for node in self._nodes if node.kind != "Resize" or node.outputs[0] in read]
        used = {value for node in nodes for value in node.inputs}
        graph = Message().message(1, *map(self._node, nodes)).text(2, name)
        graph.message(5, *(tensor for value, tensor in self._initializers.items() if value in used))
        return graph.message(11, *inputs).message(12, *outputs)

    def _node(self, node: OnnxNode) -> Message:
        inputs, outputs = ([self._renamed.get(name, name) for name in names] for names in (node.inputs, node.outputs))
        message = Message().text(1, *inputs).text(2, *outputs).text(3, node.name).text(4, node.kind)
        return message.message(5, *(_attribute(name, value) for name, value in node.attributes.items()))


def _trimmed(names: Sequence[str]) -> list[str]:
    """The names without empty ones at the end: inputs that are left out."""
    kept = list(names)
    while kept and not kept[-1]:
        kept.pop()
    return kept


def _attribute(name: str, value: Any) -> Message:
    """An AttributeProto of an integer, a float, a text or a list of integers; its field 20 says which."""
    message = Message().text(1, name)
    if isinstance(value, float):
        return message.real(2, value).integer(20, 1)
    if isinstance(value, int):
        return message.integer(3, value).integer(20, 2)
    if isinstance(value, str):
        return message.text(4, value).integer(20, 3)
    return message.integer(8, *value).integer(20, 7)


def _tensor(name: str, shape: Shape, dtype: int, size: int, fetch: Callable[[], AnyArray]) -> Message:
    """A TensorProto with raw_data, which is little-endian."""

    def little_endian() -> AnyArray:
        array = fetch()
        return array.astype(array.dtype.newbyteorder("<"), copy=False)

    return Message().integer(1, *shape).integer(2, dtype).text(8, name).data(9, size, little_endian)


def tensor_info(name: str, dtype: str, shape: Sequence[Dim]) -> Message:
    """A ValueInfoProto."""
    dims = [Message().integer(1, dim) if isinstance(dim, int) else Message().text(2, dim) for dim in shape]
    tensor = Message().integer(1, {"float32": FLOAT, "int32": INT32}[dtype]).message(2, Message().message(1, *dims))
    return Message().text(1, name).message(2, Message().message(1, tensor))
