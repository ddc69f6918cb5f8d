"""Functions of a model: operators that the file defines by other nodes. Each call is replaced by the nodes of the body.

z = f(x, y)  with  f(a, b): t = Mul(a, b); c = Relu(t)      ->      z/t = Mul(x, y); z = Relu(z/t)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from fastcnn.formats.protobuf_reader import fail
from fastcnn.onnx.messages import AttributeProto, FunctionProto, ModelProto, NodeProto

__all__ = ["inlined"]

_DEEPEST = 16  # nested calls: a function that calls itself never ends
_MOST_NODES = 1 << 16  # of a model when all calls are replaced

Functions = dict[tuple[str, str], FunctionProto]  # by domain and name


def inlined(model: ModelProto) -> list[NodeProto]:
    """The nodes of the graph, with all calls of functions replaced."""
    functions: Functions = {(function.domain, function.name): function for function in model.functions}
    if not functions:
        return model.graph.nodes
    nodes: list[NodeProto] = []
    for count, node in enumerate(_replaced(model, functions, model.graph.nodes, 0)):
        nodes += [node] if node else []
        if count >= _MOST_NODES:
            raise fail(f"a model must have at most {_MOST_NODES} nodes when its functions are replaced by what they do", "more")
    return nodes


def _replaced(model: ModelProto, functions: Functions, nodes: Iterable[NodeProto], depth: int) -> Iterator[NodeProto | None]:
    """Yields the nodes, and None for each call, so that calls of empty functions count as well."""
    if depth > _DEEPEST:
        raise fail(f"functions must call one another to a depth of at most {_DEEPEST}", "more")
    for node in nodes:
        function = functions.get((node.domain, node.op_type))
        if function is None:
            yield node
            continue
        version = function.opsets.get("", model.opsets.get("", 0))
        if version != model.opsets.get("", 0):
            rule = "a function must be of the opset of its model"
            raise NotImplementedError(f"[load] {rule}. Got {version} in '{function.name}', {model.opsets.get('', 0)} in the model.")
        yield None
        yield from _replaced(model, functions, _body(function, node), depth + 1)


def _body(function: FunctionProto, call: NodeProto) -> Iterator[NodeProto]:
    """Yields the nodes of the body, with the names and attributes of the call."""
    prefix = next((name for name in call.outputs if name), call.name)
    outer = dict(zip(function.inputs, [*call.inputs, *[""] * len(function.inputs)], strict=False))
    outer |= {name: given for name, given in zip(function.outputs, call.outputs, strict=False) if given}

    def renamed(name: str) -> str:
        return outer.get(name, f"{prefix}/{name}" if name else "")

    for place, inner in enumerate(function.nodes):
        attributes = {name: found for name, attribute in inner.attributes.items() if (found := _resolved(attribute, function, call))}
        inputs = [renamed(name) for name in inner.inputs]
        outputs = [renamed(name) for name in inner.outputs]
        title = f"{call.name or prefix}/{inner.name or place}"
        yield NodeProto(title, inner.op_type, inner.domain, inputs, outputs, attributes)


def _resolved(attribute: AttributeProto, function: FunctionProto, call: NodeProto) -> AttributeProto | None:
    """The attribute, or that of the call or of the function that it refers to."""
    if not attribute.refers:
        return attribute
    given = call.attributes.get(attribute.refers) or function.defaults.get(attribute.refers)
    return given and AttributeProto(attribute.name, given.kind, given.value)
