"""The structure of a graph, checked before any node is handled: each name is defined once, none is missing, there is no cycle, and all
operators are supported.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from fastcnn.formats.protobuf_reader import fail
from fastcnn.onnx.handlers import NEWEST_OPSET, OLDEST_OPSET, folder_of, handler_of
from fastcnn.onnx.messages import GraphProto, ModelProto, NodeProto

__all__ = ["check_supported", "opset_of", "ordered", "roles", "title"]

# Inputs that configure a node: constants, not weights, even if they are floating point.
_CONFIGURING = {
    "Clip": (1, 2),
    "Dropout": (1, 2),
    "Pad": (2,),
    "Pow": (1,),
    "Range": (0, 1, 2),
    "Resize": (1, 2),
    "Upsample": (1,),
}


def title(node: NodeProto) -> str:
    """The name of a node for errors, or the name of its first output if it has none."""
    return node.name or next((output for output in node.outputs if output), "")


def opset_of(model: ModelProto) -> int:
    """The opset of a model; NotImplementedError if it is not supported."""
    version = model.opsets.get("", 0)
    if not OLDEST_OPSET <= version <= NEWEST_OPSET:
        raise NotImplementedError(f"[load] the opset must be between {OLDEST_OPSET} and {NEWEST_OPSET}. Got {version}.")
    return version


def _definitions(graph: GraphProto) -> tuple[set[str], dict[str, NodeProto]]:
    """The names of inputs and initializers, and the node that computes each other name."""
    names = [tensor.name for tensor in graph.initializers]
    start = set(names)
    if len(start) != len(names):
        raise fail("an initializer must have a name of its own", _repeated(names))
    inputs = [info.name for info in graph.inputs]
    if len(set(inputs)) != len(inputs):
        raise fail("an input must have a name of its own", _repeated(inputs))
    start.update(inputs)
    producers: dict[str, NodeProto] = {}
    for node in graph.nodes:
        for name in filter(None, node.outputs):
            if name in producers or name in start:
                raise fail("a value must be defined once", f"'{name}' again by {node.op_type} '{title(node)}'")
            producers[name] = node
    return start, producers


def _repeated(names: list[str]) -> str:
    return ", ".join([f"'{name}'" for name, count in Counter(names).items() if count > 1][:5])


def ordered(graph: GraphProto, wanted: Sequence[str]) -> list[NodeProto]:
    """The nodes that the wanted values need, each after those that it needs: a depth-first walk without recursion."""
    start, producers = _definitions(graph)
    order: list[NodeProto] = []
    state: dict[int, int] = {}  # by id of the node: 1 while its inputs are visited, 2 when it is in `order`
    stack: list[tuple[NodeProto | None, str]] = [(None, name) for name in reversed(wanted)]
    while stack:
        user, name = stack[-1]
        node = producers.get(name)
        if node is None:
            if name not in start:
                raise fail(
                    "every value that is used must be defined", f"'{name}'" + (f" in {user.op_type} '{title(user)}'" if user else "")
                )
            stack.pop()
        elif state.get(id(node)) is None:
            state[id(node)] = 1
            stack += [(node, inner) for inner in reversed(node.inputs) if inner]
        else:
            if state[id(node)] == 1 and all(_placed(inner, producers, state) for inner in node.inputs):
                state[id(node)] = 2
                order.append(node)
            elif state[id(node)] == 1:
                raise fail("the nodes must form no cycle", f"{node.op_type} '{title(node)}'")
            stack.pop()
    return _asked_for(order, set(wanted))


def _asked_for(nodes: list[NodeProto], wanted: set[str]) -> list[NodeProto]:
    """Removes the names of outputs that are not read: nodes need not compute them. The first output keeps its name, for title()."""
    read = wanted.union(*(node.inputs for node in nodes))
    for node in nodes:
        node.outputs[1:] = [name if name in read else "" for name in node.outputs[1:]]
    return nodes


def _placed(name: str, producers: dict[str, NodeProto], state: dict[int, int]) -> bool:
    """Whether a value needs no node, or one that is in the order already."""
    node = producers.get(name)
    return node is None or state.get(id(node)) == 2


def check_supported(nodes: list[NodeProto], opset: int) -> None:
    """NotImplementedError with all nodes whose operators are not supported."""
    wrong = [
        f"{f'{node.domain}.' if node.domain else ''}{node.op_type} '{title(node)}'"
        for node in nodes
        if node.domain or (handler_of(node.op_type, opset) is None and folder_of(node.op_type) is None)
    ]
    if wrong:
        raise NotImplementedError(f"[load] every operator must be supported, in opset {opset}. Got {', '.join(wrong)}.")


def roles(nodes: list[NodeProto]) -> tuple[set[str], set[str]]:
    """Names of initializers that are not trained: statistics of batch norms, and inputs that configure a node."""
    statistics, used, weights = set[str](), set[str](), set[str]()
    for node in nodes:
        fixed = _CONFIGURING.get(node.op_type, ())
        for index, name in enumerate(node.inputs):
            if node.op_type == "BatchNormalization" and index in (3, 4):
                statistics.add(name)
            else:
                (used if index in fixed else weights).add(name)
    return statistics - weights, used - weights - statistics
