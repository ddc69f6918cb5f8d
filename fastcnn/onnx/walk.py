"""Goes through nodes: each is folded by NumPy where all is known, else handed to its operator, and what goes wrong bears its name."""

from __future__ import annotations

import math

import numpy as np

from fastcnn._core import Parameter
from fastcnn.onnx.call import Call, Operand, Results, Scope
from fastcnn.onnx.handlers import Handler, folder_of, handler_of
from fastcnn.onnx.messages import NodeProto
from fastcnn.onnx.structure import title
from fastcnn.support.errors import text_of
from fastcnn.tracing.batch_size import concrete
from fastcnn.tracing.value import Value

__all__ = ["folds", "perform"]

_MOST_ELEMENTS = 1 << 31  # of a value: 8 GB, far more than networks have and less than what a machine must refuse


def folds(node: NodeProto, inputs: list[Operand | None]) -> bool:
    """Whether NumPy computes the node: all is known, nothing is a weight. Of Shape and Size, only the shape has to be known."""
    if folder_of(node.op_type) is None:
        return False
    return node.op_type in ("Shape", "Size") or not any(isinstance(operand, (Value, Parameter)) for operand in inputs)


def perform(scope: Scope, node: NodeProto, opset: int, known: dict[str, Operand]) -> None:
    """Adds the outputs of a node to what is known."""
    inputs = [known[name] if name else None for name in node.inputs]
    by_numpy = folds(node, inputs)
    handler = folder_of(node.op_type) if by_numpy else handler_of(node.op_type, opset)
    call = Call(scope, node, opset, inputs, by_numpy)
    try:
        if handler is None:
            call.unsupported("inputs must be constants or depend on shapes alone", "a value of the run")
        results = _handled(call, handler)
        outputs = results if isinstance(results, tuple) else (results,)
        for i, name in enumerate(node.outputs):
            if name:
                known[name] = _counted(call, outputs[i] if i < len(outputs) else None, i)
    except (ArithmeticError, LookupError, NotImplementedError, TypeError, ValueError) as error:
        raise _named(node, error) from error


def _handled(call: Call, handler: Handler) -> Results:
    trace = call.scope.trace
    if call.folds or trace is None:
        with np.errstate(all="ignore"):
            return handler(call)
    with trace.at(title(call.node)):
        return handler(call)


def _counted(call: Call, output: Operand | None, index: int) -> Operand:
    if output is None:
        call.unsupported(f"output {index} must not be asked for", f"'{call.node.outputs[index]}'")
    if isinstance(output, (np.ndarray, np.generic)):
        return call.scope.made(np.asarray(output), call.inputs)
    shape = concrete(output.shape)
    if math.prod(shape) > _MOST_ELEMENTS:
        call.fail("a value must have at most 2^31 elements", shape)
    return output


def _named(node: NodeProto, error: Exception) -> Exception:
    """The error with the name of the node; what NumPy says in its words is put into ours."""
    kind = type(error) if isinstance(error, (NotImplementedError, TypeError)) else ValueError
    text = text_of(error).rstrip(".")
    text = text if ". Got " in text else f"inputs must be ones that it is defined for. Got {text}"
    text = text if text.startswith("[") else f"[{node.op_type}] {text}"
    return kind(f"{text}. In node '{title(node)}'.")
