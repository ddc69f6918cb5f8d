"""The graph of an ONNX file while it is made: nodes and initializers by name, and how they are written as messages of onnx.proto."""

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
    """A node of the core's graph, to be expressed in ONNX. Batches have the size of the trace; in attributes, -1 stands for the batch."""

    op: str
    inputs: list[str]  # names; "" for those left out
    shapes: list[Shape]  # of the inputs
    attributes: dict[str, Any]
    outputs: list[Shape]
    dtype: str  # of the first output


class OnnxNode(NamedTuple):
    kind: str
    name: str
    inputs: list[str]
    outputs: list[str]
    attributes: dict[str, Any]


class OnnxGraph:
    """Names are all different: those of parameters, which are taken from the start, and those that are made here."""

    def __init__(self, taken: Iterable[str], batch: int) -> None:
        self.batch = batch  # its size in the trace
        self.first_input = ""
        self.layer = ""  # what nodes are named after
        self._taken = set(taken)
        self._nodes: list[OnnxNode] = []
        self._initializers: dict[str, Message] = {}
        self._parameters: dict[int, str] = {}
        self._constants: dict[tuple[Any, ...], str] = {}
        self._renamed: dict[str, str] = {}
        self._scaled: dict[str, tuple[str, list[int]]] = {}  # what upscaled() made: of what, by which factors

    def fresh(self, hint: str) -> str:
        name, count = hint, 1
        while name in self._taken:
            name, count = f"{hint}_{count}", count + 1
        self._taken.add(name)
        return name

    def parameter(self, name: str | None, parameter: Parameter) -> str:
        """An initializer, under this name, which is its own, or None."""
        if id(parameter) not in self._parameters:
            known = self._parameters[id(parameter)] = self.fresh("constant") if name is None else name
            self._initializers[known] = _tensor(known, parameter.shape, FLOAT, 4 * parameter.size, parameter.numpy)
        return self._parameters[id(parameter)]

    def floats(self, values: Any) -> str:
        """An initializer of float32."""
        return self._constant(np.asarray(values, np.float32))

    def number(self, value: float, dtype: str) -> str:
        """An initializer of no axes, float32 or int32."""
        return self._constant(np.array(value, dtype))

    def integers(self, *values: int) -> str:
        """A list of integers as an initializer."""
        return self._constant(np.array(values, np.int64))

    def bools(self, values: AnyArray) -> str:
        return self._constant(np.asarray(values, np.bool_))

    def _constant(self, array: AnyArray) -> str:
        key = (array.dtype, array.shape, array.tobytes())
        if key not in self._constants:
            name = self._constants[key] = self.fresh("constant")
            self._initializers[name] = _tensor(name, array.shape, _TYPES[array.dtype], array.nbytes, lambda: array)
        return self._constants[key]

    def node(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """Appends a node with one output, whose name is returned."""
        return self.nodes(kind, 1, *inputs, **attributes)[0]

    def nodes(self, kind: str, outputs: int, *inputs: str, **attributes: Any) -> list[str]:
        """Appends a node with several outputs."""
        name = self.fresh(f"/{self.layer}/{kind}" if self.layer else f"/{kind}")
        made = [name] if outputs == 1 else [self.fresh(f"{name}:{i}") for i in range(outputs)]
        self._nodes.append(OnnxNode(kind, name, _trimmed(inputs), made, attributes))
        return made

    def upscaled(self, x: str, factors: Sequence[int]) -> str:
        """Each entry repeated so many times along each axis. One axis after another becomes one node, as runtimes know it."""
        source, before = self._scaled.get(x, (x, [1] * len(factors)))
        total = [a * b for a, b in zip(before, factors, strict=True)]
        modes = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
        made = self.node("Resize", source, "", self.floats(total), **modes)
        self._scaled[made] = source, total
        return made

    def output(self, value: str, name: str) -> None:
        """Gives a value the name of an output."""
        made = {output for node in self._nodes for output in node.outputs}
        if value not in made or value in self._renamed:  # an input, an initializer, or an output already
            self._nodes.append(OnnxNode("Identity", self.fresh("/Identity"), [self._renamed.get(value, value)], [name], {}))
        else:
            self._renamed[value] = name

    def message(self, name: str, inputs: Sequence[Message], outputs: Sequence[Message]) -> Message:
        """A GraphProto. A Resize that became a part of the next is left out, unless others read it."""
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
    """Without the inputs left out at the end."""
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
