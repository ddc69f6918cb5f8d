"""The messages of an ONNX file as plain objects, read by the field numbers of onnx.proto. Fields without use here are skipped.

Tensors are read as the spans of their bytes; tensors.py reads the bytes. Graphs in attributes, the bodies of If, Loop and Scan, are
skipped: no node with one is supported. So messages nest only as deep as the schema says. fastcnn/saving/onnx/graph.py writes messages.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from fastcnn.formats.protobuf_reader import BYTES, Field, Source, Span, fail

__all__ = ["AttributeProto", "FunctionProto", "GraphProto", "ModelProto", "NodeProto", "TensorProto", "ValueInfo", "read_model"]

Dim = int | str | None  # a size, the name of one that is known later, or None: unknown


@dataclass
class TensorProto:
    name: str = ""
    shape: tuple[int, ...] = ()
    dtype: int = 0  # TensorProto.DataType
    parts: dict[int, list[Span]] = field(default_factory=dict)  # the spans of its bytes, by the number of the data field
    external: dict[str, str] | None = None  # location, offset, length, if the data are in another file


@dataclass
class AttributeProto:
    name: str = ""
    kind: str = ""  # of KINDS; "" for one that is not read
    value: Any = None
    refers: str = ""  # in the body of a function: the attribute of the calling node that it stands for


@dataclass
class NodeProto:
    name: str = ""
    op_type: str = ""
    domain: str = ""
    inputs: list[str] = field(default_factory=list)  # "" for one that is left out
    outputs: list[str] = field(default_factory=list)
    attributes: dict[str, AttributeProto] = field(default_factory=dict)


@dataclass
class ValueInfo:
    name: str = ""
    dtype: int = 0
    shape: tuple[Dim, ...] | None = None  # None: not even the rank is known


@dataclass
class GraphProto:
    nodes: list[NodeProto] = field(default_factory=list)
    initializers: list[TensorProto] = field(default_factory=list)
    inputs: list[ValueInfo] = field(default_factory=list)
    outputs: list[ValueInfo] = field(default_factory=list)
    sparse: int = 0  # the number of sparse initializers


@dataclass
class FunctionProto:
    """An operator that the file defines by other nodes."""

    name: str = ""
    domain: str = ""
    inputs: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    defaults: dict[str, AttributeProto] = field(default_factory=dict)
    nodes: list[NodeProto] = field(default_factory=list)
    opsets: dict[str, int] = field(default_factory=dict)


@dataclass
class ModelProto:
    source: Source
    opsets: dict[str, int] = field(default_factory=dict)  # by domain
    functions: list[FunctionProto] = field(default_factory=list)
    graph: GraphProto = field(default_factory=GraphProto)


KINDS = ("", "float", "int", "text", "tensor", "graph", "floats", "ints", "texts")  # by AttributeProto.type; later types are not read
_DATA_FIELDS = (4, 5, 7, 9, 10, 11)  # float, int32, int64, raw, double, uint64
_MOST_AXES = 8  # the core's limit

T = TypeVar("T")


def message(source: Source, of: Field, read: Callable[[Source, Span], T]) -> T:
    """The message that a field holds, read by `read`."""
    if of.kind != BYTES:
        raise fail("a message must have a length", f"kind {of.kind} of field {of.number}")
    return read(source, of.span)


def read_model(source: Source) -> ModelProto:
    """The model in a file; ValueError if there is none."""
    model = ModelProto(source)
    graphs = 0
    for part in source.fields(source.whole):
        if part.number == 7:
            model.graph = message(source, part, read_graph)
            graphs += 1
        elif part.number == 8:
            domain, version = message(source, part, read_opset)
            model.opsets[domain] = version
        elif part.number == 25:
            model.functions.append(message(source, part, read_function))
    if graphs != 1:
        raise fail("a model must have one graph", graphs)
    return model


def read_opset(source: Source, span: Span) -> tuple[str, int]:
    """(domain, version); the domain of ONNX itself is ""."""
    domain, version = "", 0
    for part in source.fields(span):
        if part.number == 1:
            domain = source.text(part)
        elif part.number == 2:
            version = source.integer(part)
    return "" if domain == "ai.onnx" else domain, version


def read_function(source: Source, span: Span) -> FunctionProto:
    function = FunctionProto()
    for part in source.fields(span):
        if part.number == 1:
            function.name = source.text(part)
        elif part.number == 4:
            function.inputs.append(source.text(part))
        elif part.number == 5:
            function.outputs.append(source.text(part))
        elif part.number == 7:
            function.nodes.append(message(source, part, read_node))
        elif part.number == 9:
            domain, version = message(source, part, read_opset)
            function.opsets[domain] = version
        elif part.number == 10:
            function.domain = source.text(part)
        elif part.number == 11:
            attribute = message(source, part, read_attribute)
            function.defaults[attribute.name] = attribute
    return function


def read_graph(source: Source, span: Span) -> GraphProto:
    graph = GraphProto()
    for part in source.fields(span):
        if part.number == 1:
            graph.nodes.append(message(source, part, read_node))
        elif part.number == 5:
            graph.initializers.append(message(source, part, read_tensor))
        elif part.number == 11:
            graph.inputs.append(message(source, part, read_value_info))
        elif part.number == 12:
            graph.outputs.append(message(source, part, read_value_info))
        elif part.number == 15:
            graph.sparse += 1
    return graph


def read_node(source: Source, span: Span) -> NodeProto:
    node = NodeProto()
    for part in source.fields(span):
        if part.number == 1:
            node.inputs.append(source.text(part))
        elif part.number == 2:
            node.outputs.append(source.text(part))
        elif part.number == 3:
            node.name = source.text(part)
        elif part.number == 4:
            node.op_type = source.text(part)
        elif part.number == 5:
            attribute = message(source, part, read_attribute)
            if attribute.name in node.attributes:
                raise fail("an attribute must come once", f"'{attribute.name}' of node '{node.name}'")
            node.attributes[attribute.name] = attribute
        elif part.number == 7:
            domain = source.text(part)
            node.domain = "" if domain == "ai.onnx" else domain
    return node


def read_attribute(source: Source, span: Span) -> AttributeProto:
    name = ""
    refers = ""
    kind = 0
    found = dict[str, Any]()
    for part in source.fields(span):
        if part.number == 1:
            name = source.text(part)
        elif part.number == 21:
            refers = source.text(part)
        elif part.number == 20:
            kind = source.integer(part)
        else:
            _read_value(source, part, found)
    if kind == 0 and len(found) == 1:  # the file is older than the field `type`
        kind = KINDS.index(next(iter(found)))
    word = KINDS[kind] if 0 <= kind < len(KINDS) else ""
    empty: dict[str, Any] = {"float": 0.0, "int": 0, "text": b"", "floats": [], "ints": [], "texts": []}
    return AttributeProto(name, word, found.get(word, empty.get(word)), refers)


def _read_value(source: Source, part: Field, found: dict[str, Any]) -> None:
    """Adds a field of an attribute that holds its value, or a part of it, to `found`, by kind."""
    if part.number == 2:
        found["float"] = source.real(part)
    elif part.number == 3:
        found["int"] = source.integer(part)
    elif part.number == 4:
        found["text"] = source.bytes(part)
    elif part.number == 5:
        found["tensor"] = message(source, part, read_tensor)
    elif part.number == 7:
        found.setdefault("floats", []).extend(source.reals(part))
    elif part.number == 8:
        found.setdefault("ints", []).extend(source.integers(part))
    elif part.number == 9:
        found.setdefault("texts", []).append(source.bytes(part))


def read_tensor(source: Source, span: Span) -> TensorProto:
    tensor = TensorProto()
    sizes = list[int]()
    outside = False
    for part in source.fields(span):
        if part.number == 1:
            sizes += source.integers(part)
        elif part.number == 2:
            tensor.dtype = source.integer(part)
        elif part.number == 8:
            tensor.name = source.text(part)
        elif part.number in _DATA_FIELDS:
            source.count(part.kind != BYTES)
            tensor.parts.setdefault(part.number, []).append(part.span)
        elif part.number == 13:
            key, value = message(source, part, read_entry)
            tensor.external = {**(tensor.external or {}), key: value}
        elif part.number == 14:
            outside = source.integer(part) == 1
    if len(sizes) > _MOST_AXES or any(size < 0 for size in sizes):
        raise fail(f"a tensor must have at most {_MOST_AXES} sizes, none negative", f"'{tensor.name}' {tuple(sizes[:9])}")
    tensor.shape = tuple(sizes)
    tensor.external = (tensor.external or {}) if outside else None
    return tensor


def read_entry(source: Source, span: Span) -> tuple[str, str]:
    """(key, value) of a StringStringEntryProto."""
    key = value = ""
    for part in source.fields(span):
        if part.number == 1:
            key = source.text(part)
        elif part.number == 2:
            value = source.text(part)
    return key, value


def read_value_info(source: Source, span: Span) -> ValueInfo:
    info = ValueInfo()
    for part in source.fields(span):
        if part.number == 1:
            info.name = source.text(part)
        elif part.number == 2:
            info.dtype, info.shape = message(source, part, read_type)
    return info


def read_type(source: Source, span: Span) -> tuple[int, tuple[Dim, ...] | None]:
    """(element type, shape) of a tensor; (0, None) for sequences, maps and other types."""
    dtype, shape = 0, None
    for part in source.fields(span):
        if part.number == 1:
            for inner in source.fields(part.span):
                if inner.number == 1:
                    dtype = source.integer(inner)
                elif inner.number == 2:
                    shape = message(source, inner, read_shape)
    return dtype, shape


def read_shape(source: Source, span: Span) -> tuple[Dim, ...]:
    return tuple(message(source, part, read_dim) for part in source.fields(span) if part.number == 1)


def read_dim(source: Source, span: Span) -> Dim:
    dim: Dim = None
    for part in source.fields(span):
        if part.number == 1:
            size = source.integer(part)
            dim = size if size >= 0 else None  # some writers have -1 for an unknown size
        elif part.number == 2:
            dim = source.text(part) or None
    return dim
