"""The writer of ONNX: a network as a ModelProto. fastcnn/onnx/onnx_model.py makes a network from such a file.

forward() is traced in evaluation mode with two sizes of the batch: sizes that differ between the traces follow the batch.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from os import PathLike, fspath
from typing import Any

from fastcnn._core import Parameter
from fastcnn.formats.protobuf_writer import Message
from fastcnn.formats.whole_files import written_whole
from fastcnn.network.network import Network
from fastcnn.network.traced import traced
from fastcnn.saving.onnx.graph import CoreNode, Dim, OnnxGraph, tensor_info
from fastcnn.saving.onnx.operators import add_operator
from fastcnn.support.arguments import shape_of
from fastcnn.support.arrays import Shape
from fastcnn.support.records import Node
from fastcnn.support.tables import size_text
from fastcnn.tracing.operators import Refused, row_of
from fastcnn.tracing.trace import Trace
from fastcnn.tracing.value import Value

__all__ = ["write"]

IR_VERSION = 8  # of 2022, like the opset: all runtimes in use read both
OPSET = 17
LARGEST = 2**31 - 1  # bytes of a protocol buffer
_BATCHES = 2, 3  # sizes of the batch in the two traces


def write(net: Network, path: str | PathLike[str], input_shape: Sequence[Any]) -> None:
    """See Module.save."""
    several = isinstance(input_shape, (tuple, list)) and any(isinstance(entry, (tuple, list)) for entry in input_shape)
    shapes = [shape_of("save", shape) for shape in (input_shape if several else [input_shape])]
    if not all(shapes):
        raise ValueError(f"[save] an input's shape must begin with the batch, (N, ...). Got input_shape={input_shape}.")
    model = _Export(net, shapes).model()
    if model.size > LARGEST:
        rule = "an ONNX file must stay below 2 GB; .safetensors has no limit"
        raise ValueError(f"[save] {rule}. Got {size_text(model.size)} for {fspath(path)}.")
    with written_whole(path) as file:
        model.write(file)


class _Export:
    """One network with its two traces, and the ONNX graph made of them."""

    def __init__(self, net: Network, shapes: list[Shape]) -> None:
        self._name = type(net).__name__
        self._keys = {id(tensor): key for key, tensor in net.saved_tensors() if isinstance(tensor, Parameter)}
        self._shapes = shapes
        self._open = [shape[0] == max(first for first, *_ in shapes) for shape in shapes]  # whether each input follows the batch
        (self._trace, self._results), (self._other, self._other_results) = self._traces(net)
        self._nodes = self._trace.graph.nodes()
        self._check_operators()
        self._graph = OnnxGraph(self._keys.values(), _BATCHES[0])
        self._names: dict[int, str] = {}  # in the file, by value of the trace

    def _traces(self, net: Network) -> list[tuple[Trace, list[Value]]]:
        """The traces at two sizes of the batch; twice that at input_shape for a network that takes no other size."""
        followed = [[(batch if follows else first, *rest) for follows, (first, *rest) in self._inputs()] for batch in _BATCHES]
        try:
            return [self._traced(net, shapes) for shapes in followed]
        except ValueError as error:
            try:
                fixed = self._traced(net, self._shapes)
            except ValueError:
                raise error from None
            self._open = [False] * len(self._shapes)
            return [fixed, fixed]

    def _inputs(self) -> Iterator[tuple[bool, Shape]]:
        """For each input: whether it follows the batch, and its shape."""
        return zip(self._open, self._shapes, strict=True)

    def _traced(self, net: Network, shapes: list[Shape]) -> tuple[Trace, list[Value]]:
        trace, result = traced(net, shapes)
        results = list(result) if isinstance(result, tuple) else [result]
        if not all(isinstance(value, Value) for value in results):
            raise NotImplementedError(f"[save] every output must depend on the inputs' values. Got another of {self._name}.")
        return trace, results

    def _check_operators(self) -> None:
        forms = [row_of(node["op"]).export for node in self._nodes]
        refused = [(form.rule, node) for form, node in zip(forms, self._nodes, strict=True) if isinstance(form, Refused)]
        if refused:
            rules = "; ".join(dict.fromkeys(rule for rule, _ in refused))
            got = ", ".join(f"{node['op']} in layer '{node['name']}'" for _, node in refused)
            raise NotImplementedError(f"[save] {rules}. Got {got}.")
        ours, others = ([node["op"] for node in trace.graph.nodes()] for trace in (self._trace, self._other))
        if ours != others:
            raise ValueError(f"[save] a network must have the same layers for every batch. Got {len(ours)} and {len(others)} nodes.")

    def model(self) -> Message:
        """A ModelProto."""
        inputs = []
        for i, (follows, shape) in enumerate(self._inputs()):
            self._names[i] = self._graph.fresh("x" if len(self._shapes) == 1 else f"x{i}")  # a trace numbers its inputs first
            inputs.append(tensor_info(self._names[i], "float32", ["N" if follows else shape[0], *shape[1:]]))
        self._graph.first_input = self._names[0]
        for ours, other in zip(self._nodes, self._other.graph.nodes(), strict=True):
            self._add(ours, other)
        outputs = []
        for i, (value, other_value) in enumerate(zip(self._results, self._other_results, strict=True)):
            self._operand(value.id, other_value.id)
            name = self._graph.fresh("y" if len(self._results) == 1 else f"y{i}")
            self._graph.output(self._names[value.id], name)
            outputs.append(tensor_info(name, self._trace.graph.dtype(value.id), self._dims(value.id)))
        graph = self._graph.message(re.sub(r"\W", "_", self._name), inputs, outputs)
        model = Message().integer(1, IR_VERSION).text(2, "fastcnn").message(7, graph)
        return model.message(8, Message().text(1, "").integer(2, OPSET))

    def _add(self, ours: Node, other: Node) -> None:
        """Appends the ONNX nodes of a node; `other` is the same node in the other trace."""
        shape = self._trace.graph.shape
        self._graph.layer = ours["name"]
        attributes = {name: _followed(ours, name, value, other["attributes"][name]) for name, value in ours["attributes"].items()}
        node = CoreNode(
            ours["op"],
            [self._operand(*pair) for pair in zip(ours["inputs"], other["inputs"], strict=True)],
            [() if value is None else shape(value) for value in ours["inputs"]],
            attributes,
            [shape(value) for value in ours["outputs"]],
            self._trace.graph.dtype(ours["outputs"][0]),
        )
        made = add_operator(self._graph, node)
        names = [made] if isinstance(made, str) else made
        self._names |= zip(ours["outputs"], names, strict=False)  # outputs for the backward pass have no name

    def _operand(self, value: int | None, other: int | None) -> str:
        """The name of a value, which a parameter gets here; "" for an input that is left out."""
        if value is None or other is None:
            return ""
        if value not in self._names:
            parameter = self._trace.parameters[value]
            if not _equal(parameter, self._other.parameters[other]):
                rule = "constants must not depend on the batch"
                raise ValueError(f"[save] {rule}. Got one of {parameter.shape} that does, in layer '{self._graph.layer}'.")
            self._names[value] = self._graph.parameter(self._keys.get(id(parameter)), parameter)
        return self._names[value]

    def _dims(self, value: int) -> list[Dim]:
        """The shape of an output: sizes that follow the batch as text."""
        sizes = zip(self._trace.graph.shape(value), self._other.graph.shape(value), strict=True)
        return [size if size == other else "N" if (size, other) == _BATCHES else f"{size}/{other} of N" for size, other in sizes]


def _equal(parameter: Parameter, other: Parameter) -> bool:
    return parameter is other or (parameter.shape == other.shape and parameter.numpy().tobytes() == other.numpy().tobytes())


def _followed(node: Node, name: str, ours: Any, other: Any) -> Any:
    """An attribute, with -1 for each size that follows the batch. ours, other: its values in the two traces."""
    if ours == other:
        return ours
    if name != row_of(node["op"]).batch_attribute:
        raise ValueError(f"[save] {name} of {node['op']} must not depend on the batch. Got that in layer '{node['name']}'.")
    if isinstance(ours, (tuple, list)):
        return [_followed(node, name, size, changed) for size, changed in zip(ours, other, strict=True)]
    if ours * _BATCHES[1] != other * _BATCHES[0]:
        rule = f"{name} of {node['op']} must be a multiple of the batch, or not depend on it"
        raise ValueError(f"[save] {rule}. Got {ours} for 2, {other} for 3.")
    return -1
