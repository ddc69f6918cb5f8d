"""View: the graph of one call of forward(), with what the size rules ask of it. Nothing is compiled."""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction
from functools import cached_property

from fastcnn.insight.halvings import most_halvings
from fastcnn.network.network import Network
from fastcnn.network.traced import new_trace, run_forward
from fastcnn.support.arrays import Shape
from fastcnn.support.errors import layer_of
from fastcnn.support.records import Node
from fastcnn.support.user_line import raised_here
from fastcnn.tracing.value import Value

__all__ = ["View", "windows_of"]

_POOLS = ("max_pool", "avg_pool")


def _span(kernel: int, dilation: int) -> int:
    """The pixels from the first to the last tap."""
    return (kernel - 1) * dilation + 1


def windows_of(node: Node, view: View) -> list[tuple[int, int, int, int]] | None:
    """(span, stride, padding before, padding behind) along height and width; None for other nodes than convolutions and fixed pooling."""
    attributes = node["attributes"]
    if node["op"] == "conv2d":
        kernel = view.shape(node["inputs"][1])[2:]
    elif node["op"] in _POOLS and "adaptive" not in attributes:
        kernel = tuple(attributes["kernel"])
    else:
        return None
    dilation = attributes.get("dilation", (1, 1))
    padding = attributes["padding"]
    return [(_span(kernel[i], dilation[i]), attributes["stride"][i], padding[i], padding[i + 2]) for i in (0, 1)]


class View:
    """The graph of a network for one input (C, H, W), as far as tracing came: `error` stopped it, in the layer `error_layer`."""

    def __init__(self, net: Network, shape: Shape) -> None:
        self.net = net
        self.image = shape
        self.error: ValueError | None = None
        self.outputs: list[int] = []
        self.trace = new_trace(net)
        try:
            result = run_forward(self.trace, net, [(1, *shape)])
            results = result if isinstance(result, (tuple, list)) else [result]
            self.outputs = [value.id for value in results if isinstance(value, Value)]
        except ValueError as error:
            if not raised_here(error):  # an error of the user's forward()
                raise
            self.error = error
        self.nodes: list[Node] = self.trace.graph.nodes()

    @property
    def error_layer(self) -> str:
        """The path of the layer that raised the error; "" for none."""
        return layer_of(self.error)

    def shape(self, value: int) -> Shape:
        return self.trace.graph.shape(value)

    def image_axes(self, value: int) -> Shape | None:
        """(height, width) of a value (N, C, H, W); None for one of another rank."""
        shape = self.shape(value)
        return shape[2:] if len(shape) == 4 else None

    @cached_property
    def makers(self) -> dict[int, Node]:
        """The node of each value that has one."""
        return {value: node for node in self.nodes for value in node["outputs"]}

    @cached_property
    def readers(self) -> dict[int, list[Node]]:
        """The nodes that read each value."""
        readers: dict[int, list[Node]] = {}
        for node in self.nodes:
            for value in {value for value in node["inputs"] if value is not None}:
                readers.setdefault(value, []).append(node)
        return readers

    @cached_property
    def live(self) -> list[Node]:
        """The nodes that the outputs are computed from; all nodes of a network that does not run."""
        if self.error is not None:
            return self.nodes
        needed = set[int]()
        waiting = list(self.outputs)
        while waiting:
            node = self.makers.get(waiting.pop())
            if node is not None and id(node) not in needed:
                needed.add(id(node))
                waiting += [value for value in node["inputs"] if value is not None]
        return [node for node in self.nodes if id(node) in needed]

    def before_padding(self, value: int) -> int:
        """The value before padding layers (zeros or mirrored pixels) that this one comes from; the value itself without such layers."""
        while (node := self.makers.get(value)) and node["op"] == "take" and node["attributes"]["axis"] in (2, 3):
            inner, outer = self.shape(node["inputs"][0]), self.shape(value)
            if any(i > o for i, o in zip(inner, outer, strict=True)):
                break
            value = node["inputs"][0]
        return value

    def convolutions(self) -> Iterator[Node]:
        return (node for node in self.live if node["op"] == "conv2d")

    def is_first(self, node: Node) -> bool:
        """Whether there is no convolution before this node."""
        waiting = [node["inputs"][0]]
        seen = set[int]()
        while waiting:
            value = waiting.pop()
            maker = self.makers.get(value)
            if maker is None or value in seen:
                continue
            if maker["op"] in ("conv2d", "conv_transpose2d"):
                return False
            seen.add(value)
            waiting += [value for value in maker["inputs"] if value is not None]
        return True

    # ---- other sizes of the image

    def halvings(self) -> tuple[int, int]:
        """How often the network halves the image, (height, width), along the path that halves it most often."""
        return most_halvings(self.live, self.trace, 0), most_halvings(self.live, self.trace, 1)

    def sizes(self, axis: int, start: int, padded: bool) -> dict[int, int]:
        """The size of each value along height (0) or width (1) if the image had `start` pixels there.

        padded: as if convolutions without padding had enough of it that the stride alone decides the size. A value that is not an image has
        the size of the image that it was computed from.
        """
        found = {0: start}
        images = {0: 0}
        for node in self.nodes:
            known = [value for value in node["inputs"] if value in found]
            if not known:
                continue
            value = max(known, key=lambda value: found[value])
            for output in node["outputs"]:
                is_image = self.image_axes(output) is not None
                images[output] = output if is_image else images[value]
                found[output] = self._size(node, axis, found[value], images[value], output, padded) if is_image else found[value]
        return found

    def _size(self, node: Node, axis: int, size: int, value: int, output: int, padded: bool) -> int:
        real_in, real_out = self.shape(value)[2 + axis], self.shape(output)[2 + axis]
        windows = windows_of(node, self)
        if windows is None:
            if "adaptive" in node["attributes"]:
                return real_out
            return max(1, math.floor(size * Fraction(real_out, real_in))) if real_in else size
        span, stride, before, behind = windows[axis]
        if node["op"] == "conv2d" and padded and real_out > 1 and (stride == 1 or (span > stride and not before + behind)):
            return -(-size // stride)
        rest = size + before + behind - span
        up = node["attributes"].get("ceil_mode", False)
        return max(0, (-(-rest // stride) if up else rest // stride) + 1)
