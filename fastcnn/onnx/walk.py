"""Handles a node: NumPy folds it where all inputs are known, else its operator appends nodes of the core. Errors name the node."""

from __future__ import annotations

import math
from traceback import walk_tb

import numpy as np

from fastcnn._core import Parameter
from fastcnn.onnx.call import Call, Operand, Results, Scope
from fastcnn.onnx.handlers import Handler, folder_of, handler_of
from fastcnn.onnx.messages import NodeProto
from fastcnn.onnx.refusals import is_refusal
from fastcnn.onnx.structure import title
from fastcnn.support.errors import text_of, with_fields
from fastcnn.support.user_line import raised_here
from fastcnn.tracing.batch_size import concrete
from fastcnn.tracing.value import Value

__all__ = ["folds", "perform"]

_MOST_ELEMENTS = 1 << 31  # of a value: 8 GB of float32, far more than networks have


def folds(node: NodeProto, inputs: list[Operand | None]) -> bool:
    """Whether NumPy folds the node: its inputs are arrays. Shape and Size fold for all inputs, of which they need the shape alone."""
    if folder_of(node.op_type) is None:
        return False
    return node.op_type in ("Shape", "Size") or not any(isinstance(operand, (Value, Parameter)) for operand in inputs)


def perform(scope: Scope, node: NodeProto, opset: int, known: dict[str, Operand]) -> None:
    """Computes the outputs of a node, which it adds to `known`, the operands by name. Errors get the name of the node."""
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
    """Calls the handler. The nodes that it appends get the title of its node."""
    trace = call.scope.trace
    if call.folds or trace is None:
        with np.errstate(all="ignore"):
            return handler(call)
    with trace.at(title(call.node)):
        return handler(call)


def _counted(call: Call, output: Operand | None, index: int) -> Operand:
    """An output, if it is one and not too large. Folded elements are counted."""
    if output is None:
        call.unsupported(f"output {index} must not be asked for", f"'{call.node.outputs[index]}'")
    if isinstance(output, (np.ndarray, np.generic)):
        return call.scope.made(np.asarray(output), call.inputs)
    shape = concrete(output.shape)
    if math.prod(shape) > _MOST_ELEMENTS:
        call.fail("a value must have at most 2^31 elements", shape)
    return output


def _named(node: NodeProto, error: Exception) -> Exception:
    """The error as `[op] rule. Got value. In node 'title'.` A message of NumPy or of Python is the value."""
    kind = type(error) if isinstance(error, (NotImplementedError, TypeError)) else ValueError
    text = text_of(error).rstrip(".")
    if is_refusal(error):
        error.__dict__["op"] = node.op_type
        text = f"[{node.op_type}] {text}"
    elif not _has_op(error):
        text = f"[{node.op_type}] inputs must be ones that it is defined for. Got {text}"
    return with_fields(kind(f"{text}. In node '{title(node)}'."), error)


def _has_op(error: Exception) -> bool:
    """Whether the text of an error is `[op] rule. Got value.`: of errors of the core, which have a field `op`, and of other rooms.

    An error that is raised in this room and is no refusal comes from NumPy or Python.
    """
    *_, (frame, _) = walk_tb(error.__traceback__)
    return hasattr(error, "op") or (raised_here(error) and not frame.f_globals["__name__"].startswith(f"{__package__}."))
