"""OnnxModel: a graph of ONNX as a module. Its weights are parameters under their names in the file, so that it is run, trained and saved as
any other network; its forward() goes through the nodes once for each input shape.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from typing import Any

import numpy as np

from fastcnn._core import Parameter
from fastcnn.arrays import AnyArray, ArrayLike
from fastcnn.compiled import Fixed
from fastcnn.module import Module
from fastcnn.onnx.call import Call, Operand, Scope
from fastcnn.onnx.model import GraphProto, ModelProto, NodeProto, ValueInfo
from fastcnn.onnx.registry import folder_of, handler_of
from fastcnn.onnx.structure import check_supported, opset_of, ordered, roles, title
from fastcnn.onnx.symbolic import bounded
from fastcnn.onnx.tensors import DTYPES, Tensors, is_float
from fastcnn.onnx.wire import fail
from fastcnn.trace import current_trace
from fastcnn.value import Value

__all__ = ["OnnxModel"]

_BOOL = 9


class OnnxModel(Module):
    """A network from an ONNX file: `net(x)`, or `net(x, y)` for a graph with several inputs, in the order of `net.inputs`.

    Floating-point initializers are its parameters, statistics of batch norms its buffers, all as float32; scalars and inputs that say how a
    node works (bounds of Clip, scales of Resize) are constants. A graph with several outputs returns a tuple in the order of `net.outputs`.
    In training steps batch norms and dropouts train.
    """

    def __init__(
        self, model: ModelProto, tensors: Tensors, outputs: Sequence[str] | None = None, constants: Mapping[str, ArrayLike] | None = None
    ) -> None:
        graph, self._opset = model.graph, opset_of(model)
        if graph.sparse:
            raise NotImplementedError(f"[load] initializers must not be sparse. Got {graph.sparse} that are.")
        self.outputs = _wanted(graph, outputs)
        self._nodes = ordered(graph, self.outputs)
        check_supported(self._nodes, self._opset)
        bound = {name: np.asarray(array) for name, array in (constants or {}).items()}
        self._inputs = _free_inputs(graph, self._nodes, self.outputs, bound)
        self.inputs = tuple(info.name for info in self._inputs)
        self._parameters: dict[str, Parameter] = {}
        self._statistics: dict[str, Parameter] = {}
        self._lifted: dict[str, Parameter] = {}
        self._static: dict[str, Operand] = dict(bound)
        self._read_initializers(graph, tensors)
        _read_attributes(self._nodes, tensors)
        self._nodes = self._fold()

    def _read_initializers(self, graph: GraphProto, tensors: Tensors) -> None:
        statistics, constants = roles(self._nodes)
        used = {name for node in self._nodes for name in node.inputs} | set(self.outputs)
        for tensor in graph.initializers:
            if tensor.name not in used or tensor.name in self._static:
                continue
            array = tensors.read(tensor)
            if is_float(tensor.dtype) and tensor.name in statistics:
                self._static[tensor.name] = self._statistics[tensor.name] = Parameter(array)
            elif is_float(tensor.dtype) and array.ndim and tensor.name not in constants:
                self._static[tensor.name] = self._parameters[tensor.name] = Parameter(array)
            else:
                self._static[tensor.name] = array

    def _fold(self) -> list[NodeProto]:
        """Computes what depends on nothing but constants. Returns the nodes that are left."""
        left = []
        scope = Scope(None, self._lifted, self._static)
        for node in self._nodes:
            known = all(name in self._static for name in node.inputs if name)
            if not (known and _folds(node, [self._static.get(name) for name in node.inputs])):
                left.append(node)
                continue
            _perform(scope, node, self._opset, self._static)
        return left

    # ---- what belongs to it, for Registry

    def _own_parameters(self) -> Iterator[tuple[str, Parameter]]:
        yield from self._parameters.items()

    def _own_buffers(self) -> Iterator[tuple[str, Parameter | AnyArray]]:
        yield from self._statistics.items()

    # ---- run

    @property
    def input_shapes(self) -> dict[str, tuple[int | str | None, ...] | None]:
        """As the file declares them: sizes, names of sizes, None for what is not said."""
        return {info.name: info.shape for info in self._inputs}

    def input_names(self, count: int) -> tuple[str, ...]:
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
            _perform(scope, node, self._opset, known)
        results = tuple(_result(scope, known[name]) for name in self.outputs)
        return results[0] if len(results) == 1 else results

    def extra_repr(self) -> str:
        return f"inputs={', '.join(self.inputs)}, outputs={', '.join(self.outputs)}, nodes={len(self._nodes)}"


def _wanted(graph: GraphProto, outputs: Sequence[str] | None) -> tuple[str, ...]:
    if isinstance(outputs, str):
        raise TypeError(f"[load] outputs must be a list of names. Got {outputs!r}.")
    wanted = tuple(info.name for info in graph.outputs) if outputs is None else tuple(outputs)
    if not wanted or not all(wanted):
        raise fail("a model must have an output with a name", wanted)
    return wanted


def _free_inputs(graph: GraphProto, nodes: list[NodeProto], outputs: tuple[str, ...], bound: Mapping[str, AnyArray]) -> list[ValueInfo]:
    """The inputs that come with a call: neither bound nor initializers, as files of old have them among their inputs."""
    unknown = set(bound) - {info.name for info in graph.inputs}
    if unknown:
        raise fail("a constant must be an input of the model", ", ".join(sorted(unknown)))
    taken = {tensor.name for tensor in graph.initializers} | set(bound)
    free = [info for info in graph.inputs if info.name not in taken]
    for info in free:
        readers = [node for node in nodes if info.name in node.inputs]
        casts = readers and info.name not in outputs and all(_casts_to_float(node) for node in readers)
        if not (is_float(info.dtype) or info.dtype == _BOOL or casts or not (readers or info.name in outputs)):
            name = DTYPES[info.dtype].name if info.dtype in DTYPES else f"of type {info.dtype}"
            rule = f"an input must be floating point, or bound: constants={{'{info.name}': array}}"
            raise NotImplementedError(f"[load] {rule}. Got '{info.name}', {name}.")
    return free


def _read_attributes(nodes: list[NodeProto], tensors: Tensors) -> None:
    """Tensors among the attributes, as arrays: the file is open for the last time."""
    for node in nodes:
        for attribute in node.attributes.values():
            if attribute.kind == "tensor" and attribute.value is not None:
                attribute.value = tensors.read(attribute.value)


def _casts_to_float(node: NodeProto) -> bool:
    to = node.attributes.get("to")
    return node.op_type == "Cast" and to is not None and isinstance(to.value, int) and is_float(to.value)


def _check_shapes(infos: list[ValueInfo], values: Sequence[Value]) -> None:
    """A size with a name may be any, but the same wherever the name stands."""
    sizes: dict[str, int] = {}
    for info, value in zip(infos, values, strict=True):
        declared = info.shape
        if declared is None:
            continue
        fits = len(declared) == len(value.shape) and all(
            (sizes.setdefault(dim, size) if isinstance(dim, str) else size if dim is None else dim) == size
            for dim, size in zip(declared, value.shape, strict=True)
        )
        if not fits:
            text = ", ".join("?" if dim is None else str(dim) for dim in declared)
            raise ValueError(f"[load] input '{info.name}' must have the shape ({text}). Got {value.shape}.")


def _folds(node: NodeProto, inputs: list[Operand | None]) -> bool:
    """Whether NumPy computes the node: all is known, nothing is a weight. Of Shape and Size, only the shape has to be known."""
    if folder_of(node.op_type) is None:
        return False
    return node.op_type in ("Shape", "Size") or not any(isinstance(operand, (Value, Parameter)) for operand in inputs)


def _perform(scope: Scope, node: NodeProto, opset: int, known: dict[str, Operand]) -> None:
    """Adds the outputs of a node to what is known. Errors say which node."""
    inputs = [known[name] if name else None for name in node.inputs]
    folds = _folds(node, inputs)
    handler = folder_of(node.op_type) if folds else handler_of(node.op_type, opset)
    call = Call(scope, node, opset, inputs, folds)
    try:
        if handler is None:
            call.unsupported("inputs must be constants or depend on shapes alone", "a value of the run")
        with scope.trace.at(title(node)) if scope.trace else nullcontext(), np.errstate(all="ignore"):
            results = handler(call)
        outputs = results if isinstance(results, tuple) else (results,)
        for i, name in enumerate(node.outputs):
            if name:
                known[name] = _counted(call, outputs[i] if i < len(outputs) else None, i)
    except (ArithmeticError, LookupError, NotImplementedError, TypeError, ValueError) as error:
        kind = type(error) if isinstance(error, (NotImplementedError, TypeError)) else ValueError
        text = str(error).partition(" In layer '")[0].rstrip(".")
        text = text if ". Got " in text else f"inputs must be ones that it is defined for. Got {text}"  # in NumPy's words
        text = text if text.startswith("[") else f"[{node.op_type}] {text}"
        raise kind(f"{text}. In node '{title(node)}'.") from error


def _counted(call: Call, output: Operand | None, index: int) -> Operand:
    if output is None:
        call.unsupported(f"output {index} must not be asked for", f"'{call.node.outputs[index]}'")
    return call.scope.made(np.asarray(output), call.inputs) if isinstance(output, (np.ndarray, np.generic)) else output


def _result(scope: Scope, operand: Operand) -> Value | Fixed:
    if isinstance(operand, Value):
        return operand
    if isinstance(operand, Parameter):
        assert scope.trace is not None
        return scope.trace.value(operand)
    bounded(operand.shape)
    return Fixed(operand)
