"""OnnxModel: a graph of ONNX as a module. Its weights are parameters under their names in the file, so it runs, trains and is saved like
any other network. forward() goes through the nodes once for each input shape.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from fastcnn._core import Parameter
from fastcnn.formats.protobuf_reader import fail
from fastcnn.network.traced import Fixed
from fastcnn.nn.module import Module
from fastcnn.onnx.call import Operand, Scope
from fastcnn.onnx.functions import inlined
from fastcnn.onnx.messages import GraphProto, ModelProto, NodeProto, ValueInfo
from fastcnn.onnx.structure import check_supported, opset_of, ordered, roles
from fastcnn.onnx.symbolic import bounded
from fastcnn.onnx.tensors import DTYPES, Tensors, is_float
from fastcnn.onnx.walk import folds, perform
from fastcnn.support.arrays import AnyArray, ArrayLike, array_of
from fastcnn.tracing.batch_size import concrete
from fastcnn.tracing.trace import current_trace
from fastcnn.tracing.value import Value

__all__ = ["OnnxModel"]

_BOOL = 9


class OnnxModel(Module):
    """A network from an ONNX file: `net(x)`, or `net(x, y)` for a graph with several inputs, in the order of `net.inputs`.

    Floating-point initializers are its parameters, statistics of batch norms its buffers, all as float32. Scalars and inputs that configure
    a node (bounds of Clip, scales of Resize) are constants. A graph with several outputs returns a tuple in the order of `net.outputs`. In
    training steps batch norms and dropouts train. fastcnn.load says what raises an error.
    """

    def __init__(
        self, model: ModelProto, tensors: Tensors, outputs: Sequence[str] | None = None, constants: Mapping[str, ArrayLike] | None = None
    ) -> None:
        graph = model.graph
        self._opset = opset_of(model)
        graph.nodes = inlined(model)
        if graph.sparse:
            raise NotImplementedError(f"[load] initializers must not be sparse. Got {graph.sparse} that are.")
        self.outputs = _wanted(graph, outputs)
        self._nodes = ordered(graph, self.outputs)
        check_supported(self._nodes, self._opset)
        if not (constants is None or isinstance(constants, Mapping)):
            raise TypeError(f"[load] constants must be a mapping of names to arrays. Got {type(constants).__name__}.")
        bound = {name: _bound(name, array) for name, array in (constants or {}).items()}
        self._inputs = _free_inputs(graph, bound)
        _check_types(self._inputs, self._nodes, self.outputs)
        self.inputs = tuple(info.name for info in self._inputs)
        self._parameters: dict[str, Parameter] = {}
        self._statistics: dict[str, Parameter] = {}
        self._lifted: dict[str, Parameter] = {}
        self._static: dict[str, Operand] = dict(bound)
        self._read_initializers(graph, tensors)
        _read_attributes(self._nodes, tensors)
        self._nodes = self._fold()

    def _read_initializers(self, graph: GraphProto, tensors: Tensors) -> None:
        """Sorts the initializers that are used into statistics, parameters and constants."""
        statistics, constants = roles(self._nodes)
        used = {name for node in self._nodes for name in node.inputs} | set(self.outputs)
        for tensor in graph.initializers:
            if tensor.name not in used or tensor.name in self._static:
                continue
            if is_float(tensor.dtype) and tensor.name in statistics:
                self._static[tensor.name] = self._statistics[tensor.name] = tensors.parameter(tensor)
            elif is_float(tensor.dtype) and tensor.shape and tensor.name not in constants:
                self._static[tensor.name] = self._parameters[tensor.name] = tensors.parameter(tensor)
            else:
                self._static[tensor.name] = tensors.read(tensor)

    def _fold(self) -> list[NodeProto]:
        """Folds the nodes that depend on constants alone. Returns the other nodes."""
        left = []
        scope = Scope(None, self._lifted, self._static)
        for node in self._nodes:
            known = all(name in self._static for name in node.inputs if name)
            if not (known and folds(node, [self._static.get(name) for name in node.inputs])):
                left.append(node)
                continue
            perform(scope, node, self._opset, self._static)
        return left

    # ---- parameters and buffers, for Network

    def own_parameters(self) -> Iterator[tuple[str, Parameter]]:
        yield from self._parameters.items()

    def own_buffers(self) -> Iterator[tuple[str, Parameter | AnyArray]]:
        yield from self._statistics.items()

    # ---- run

    @property
    def input_shapes(self) -> dict[str, tuple[int | str | None, ...] | None]:
        """The shapes of inputs as the file declares them: sizes, names of sizes, None for an unknown size or shape."""
        return {info.name: info.shape for info in self._inputs}

    def input_names(self, count: int) -> tuple[str, ...]:
        """The names of the inputs of a call with `count` arrays."""
        if count != len(self.inputs):
            raise TypeError(f"[load] the network takes {len(self.inputs)} arrays: {', '.join(self.inputs)}. Got {count}.")
        return self.inputs

    def forward(self, *inputs: Value) -> Any:
        names = self.input_names(len(inputs))
        _check_shapes(self._inputs, inputs)
        scope = Scope(current_trace(), self._lifted, self._static)
        scope.booleans.update(value.id for info, value in zip(self._inputs, inputs, strict=True) if info.dtype == _BOOL)
        known: dict[str, Operand] = {**self._static, **dict(zip(names, inputs, strict=True))}
        for node in self._nodes:
            perform(scope, node, self._opset, known)
        results = tuple(_result(scope, known[name]) for name in self.outputs)
        return results[0] if len(results) == 1 else results

    def extra_repr(self) -> str:
        return f"inputs={', '.join(self.inputs)}, outputs={', '.join(self.outputs)}, nodes={len(self._nodes)}"


def _wanted(graph: GraphProto, outputs: Sequence[str] | None) -> tuple[str, ...]:
    """The names of the values to return: `outputs`, or those of the graph."""
    if isinstance(outputs, str):
        raise TypeError(f"[load] outputs must be a list of names. Got {outputs!r}.")
    wanted = tuple(info.name for info in graph.outputs) if outputs is None else tuple(outputs)
    if not wanted or not all(wanted):
        raise fail("a model must have an output with a name", wanted)
    return wanted


def _bound(name: str, value: ArrayLike) -> AnyArray:
    """The array that an input is bound to, floating point as float32."""
    array = array_of("load", f"constant '{name}'", value)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"[load] a constant must hold numbers. Got '{name}' of {array.dtype}.")
    return array.astype(np.float32) if array.dtype.kind == "f" else array


def _free_inputs(graph: GraphProto, bound: Mapping[str, AnyArray]) -> list[ValueInfo]:
    """The inputs of a call: those that are not bound and no initializers, which older files list as inputs, too."""
    unknown = set(bound) - {info.name for info in graph.inputs}
    if unknown:
        raise fail("a constant must be an input of the model", ", ".join(sorted(unknown)))
    taken = {tensor.name for tensor in graph.initializers} | set(bound)
    return [info for info in graph.inputs if info.name not in taken]


def _check_types(inputs: list[ValueInfo], nodes: list[NodeProto], outputs: tuple[str, ...]) -> None:
    """NotImplementedError for an input of integers, unless every reader casts it to floating point or nothing reads it."""
    readers: dict[str, list[NodeProto]] = {info.name: [] for info in inputs}
    for node in nodes:
        for name in set(node.inputs) & readers.keys():
            readers[name].append(node)
    for info in inputs:
        is_used = readers[info.name] or info.name in outputs
        is_cast = info.name not in outputs and all(_casts_to_float(node) for node in readers[info.name])
        if is_used and not (is_float(info.dtype) or info.dtype == _BOOL or is_cast):
            name = DTYPES[info.dtype].name if info.dtype in DTYPES else f"of type {info.dtype}"
            rule = f"an input must be floating point, or bound: constants={{'{info.name}': array}}"
            raise NotImplementedError(f"[load] {rule}. Got '{info.name}', {name}.")


def _read_attributes(nodes: list[NodeProto], tensors: Tensors) -> None:
    """Replaces tensors among the attributes by arrays. After this the file is closed."""
    for node in nodes:
        for attribute in node.attributes.values():
            if attribute.kind == "tensor" and attribute.value is not None:
                attribute.value = tensors.read(attribute.value)


def _casts_to_float(node: NodeProto) -> bool:
    to = node.attributes.get("to")
    return node.op_type == "Cast" and to is not None and isinstance(to.value, int) and is_float(to.value)


def _check_shapes(infos: list[ValueInfo], values: Sequence[Value]) -> None:
    """ValueError for inputs whose shapes are not as declared. Sizes of the same name must be equal."""
    sizes: dict[str, int] = {}
    for info, value in zip(infos, values, strict=True):
        declared = info.shape
        if declared is None:
            continue
        shape = concrete(value.shape)
        fits = len(declared) == len(shape) and all(
            (sizes.setdefault(dim, size) if isinstance(dim, str) else size if dim is None else dim) == size
            for dim, size in zip(declared, shape, strict=True)
        )
        if not fits:
            text = ", ".join("?" if dim is None else str(dim) for dim in declared)
            raise ValueError(f"[load] input '{info.name}' must have the shape ({text}). Got {shape}.")


def _result(scope: Scope, operand: Operand) -> Value | Fixed:
    """An output for the trace."""
    if isinstance(operand, Value):
        return operand
    if isinstance(operand, Parameter):
        assert scope.trace is not None
        return scope.trace.value(operand)
    bounded(operand.shape)
    return Fixed(operand)
