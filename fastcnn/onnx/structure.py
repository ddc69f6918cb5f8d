"""What a graph must be before anything is made of it: one definition for each name, none missing, no cycle, operators that are supported.

ordered() returns the nodes that the wanted outputs need, each after those that it needs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from fastcnn.formats.protobuf_reader import fail
from fastcnn.onnx.handlers import NEWEST_OPSET, OLDEST_OPSET, folder_of, handler_of
from fastcnn.onnx.messages import GraphProto, ModelProto, NodeProto

__all__ = ["check_supported", "opset_of", "ordered", "roles", "title"]

# Inputs that say how a node works rather than what it computes with: no weights, even if they are floating point.
_TRAINED_ELSEWHERE = {
    "Clip": (1, 2),
    "Dropout": (1, 2),
    "Pad": (2,),
    "Pow": (1,),
    "Range": (0, 1, 2),
    "Resize": (1, 2),
    "Upsample": (1,),
}


def title(node: NodeProto) -> str:
    """What the errors call a node; many have no name."""
    return node.name or next((output for output in node.outputs if output), "")


def opset_of(model: ModelProto) -> int:
    version = model.opsets.get("", 0)
    if not OLDEST_OPSET <= version <= NEWEST_OPSET:
        raise NotImplementedError(f"[load] the opset must be between {OLDEST_OPSET} and {NEWEST_OPSET}. Got {version}.")
    return version


def _definitions(graph: GraphProto) -> tuple[set[str], dict[str, NodeProto]]:
    """Names that are there from the start, and the node of each other name."""
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
    start, producers = _definitions(graph)
    order: list[NodeProto] = []
    state: dict[int, int] = {}  # by id of the node: 1 while its inputs are looked for, 2 when it is placed
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
    """Outputs that nobody reads have no name: a node need not compute what it can leave out. The first one is what the node is known by."""
    read = wanted.union(*(node.inputs for node in nodes))
    for node in nodes:
        node.outputs[1:] = [name if name in read else "" for name in node.outputs[1:]]
    return nodes


def _placed(name: str, producers: dict[str, NodeProto], state: dict[int, int]) -> bool:
    node = producers.get(name)
    return node is None or state.get(id(node)) == 2


def check_supported(nodes: list[NodeProto], opset: int) -> None:
    """NotImplementedError that lists every node that cannot be run."""
    wrong = [
        f"{f'{node.domain}.' if node.domain else ''}{node.op_type} '{title(node)}'"
        for node in nodes
        if node.domain or (handler_of(node.op_type, opset) is None and folder_of(node.op_type) is None)
    ]
    if wrong:
        raise NotImplementedError(f"[load] every operator must be supported, in opset {opset}. Got {', '.join(wrong)}.")


def roles(nodes: list[NodeProto]) -> tuple[set[str], set[str]]:
    """Names of initializers that are trained by nobody: statistics of batch norms, and constants that say how a node works."""
    statistics, used, weights = set[str](), set[str](), set[str]()
    for node in nodes:
        fixed = _TRAINED_ELSEWHERE.get(node.op_type, ())
        for index, name in enumerate(node.inputs):
            if node.op_type == "BatchNormalization" and index in (3, 4):
                statistics.add(name)
            else:
                (used if index in fixed else weights).add(name)
    return statistics - weights, used - weights - statistics
