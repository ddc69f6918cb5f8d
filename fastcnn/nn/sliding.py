"""to_convolutional: a classifier as a network that slides over larger images in one pass.

The graph of the classifier for images of `shape` is traced again for each larger image. Ops that depend on the image's size take another
form: the first linear layer becomes a convolution whose kernel is as large as the volume it reads, those behind it become 1x1 convolutions,
flattening is left out (Sermanet et al., "OverFeat", 2014; Long, Shelhamer and Darrell, 2015), and pooling over the whole image becomes
pooling over a window of the size that the image had, which moves by one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, NoReturn

from fastcnn._core import Parameter
from fastcnn.functional import pad
from fastcnn.network.network import Network
from fastcnn.network.traced import traced
from fastcnn.support.arrays import Shape
from fastcnn.support.records import Node
from fastcnn.tracing.batch_size import concrete
from fastcnn.tracing.operators import Refused, row_of
from fastcnn.tracing.trace import Trace, current_trace
from fastcnn.tracing.value import Value, add_node

__all__ = ["RULES", "Sliding"]


class _Spot(NamedTuple):
    """A value of the classifier as it is in the sliding network, and the volume that the classifier has of it."""

    value: Value  # (N, C, H, W)
    volume: Shape  # (C, h, w); (C, 1, 1) behind the first linear layer
    flat: bool  # the classifier has it as a row of numbers, (N, C * h * w)


class Sliding:
    """The graph of a classifier for images of one shape, to be traced again for larger ones.

    weights: copies of the classifier's, by value; those of linear layers are reshaped to kernels in the first trace.
    """

    def __init__(self, net: Network, image: Shape) -> None:
        """image: (C, H, W) of the classifier. ValueError for a network of several outputs."""
        trace, output = traced(net, [(1, *image)])
        if not isinstance(output, Value):
            got = len(output) if isinstance(output, tuple) else "an array"
            raise ValueError(f"[to_convolutional] the network must return one value. Got {got}.")
        self.image = image
        self.nodes = trace.graph.nodes()
        values = [value for node in self.nodes for value in (*node["inputs"], *node["outputs"]) if value is not None]
        self._shapes = {0: (1, *image)} | {value: trace.graph.shape(value) for value in values}
        self._output = output.id
        self._gates = _gates(self.nodes, self._shapes)
        self._take_weights(trace, {id(parameter) for parameter in net.parameters()})

    def _take_weights(self, trace: Trace, trained: set[int]) -> None:
        self.weights: dict[int, Parameter] = {}
        self.names: dict[int, str] = {}
        self.buffers = {value for value, parameter in trace.parameters.items() if id(parameter) not in trained}
        for value, parameter in trace.parameters.items():
            self.weights[value] = Parameter(parameter.numpy())
            self.names[value] = trace.name_of(parameter) or f"constant{value}"

    def slide(self, x: Value) -> Value:
        """The scores at each place of an image x: (N, C, H, W) -> (N, classes, h, w). Runs inside a trace."""
        sizes = concrete(x.shape)
        channels, height, width = self.image
        if len(sizes) != 4 or sizes[1] != channels or sizes[2] < height or sizes[3] < width:
            raise ValueError(f"[to_convolutional] an image must be (N, {channels}, H, W) of at least {height}x{width}. Got {sizes}.")
        trace = current_trace()
        assert trace is not None
        spots = {0: _Spot(x, self.image, False)}
        for node in self.nodes:
            with trace.at(node["name"]):
                self._slide(node, spots)
        spot = spots[self._output]
        if self.nodes and spot.flat and spot.volume[1:] != (1, 1):
            _unsupported(self.nodes[-1], "the output must be scores, (N, classes) or (N, classes, h, w)")
        return spot.value

    def _slide(self, node: Node, spots: dict[int, _Spot]) -> None:
        if not any(value in spots for value in node["inputs"]):
            _unsupported(node, "an operation must be of the image, not of constants alone")
        word = row_of(node["op"]).slide
        if isinstance(word, Refused):
            _unsupported(node, word.rule)
        spots[node["outputs"][0]] = RULES[word](self, node, spots)

    def _made(self, node: Node, inputs: Sequence[Any], flat: bool = False, op: str = "", **attributes: Any) -> _Spot:
        """The spot of a new node: of `op` with `attributes`, or of the node's own op, some of its attributes replaced by `attributes`."""
        shape = self._shapes[node["outputs"][0]]
        value = add_node(op or node["op"], inputs, {**node["attributes"], **attributes} if not op else attributes)
        return _Spot(value, (shape[1], 1, 1) if flat or len(shape) != 4 else shape[1:], flat)

    # ---- rules: (node of the classifier, spots by value) -> the spot of its output

    def _same(self, node: Node, spots: dict[int, _Spot]) -> _Spot:
        """The node is the same for an image of any size."""
        spot = spots[node["inputs"][0]]
        if spot.flat:
            _unsupported(node, "a layer of images must not stand behind the flattening")
        return self._made(node, [spot.value, *(None if value is None else self.weights[value] for value in node["inputs"][1:])])

    def _pointwise(self, node: Node, spots: dict[int, _Spot]) -> _Spot:
        spot = spots[node["inputs"][0]]
        return spot._replace(value=add_node(node["op"], [spot.value], node["attributes"]))

    def _binary(self, node: Node, spots: dict[int, _Spot]) -> _Spot:
        """Two values of the same kind, or one and a number for each channel."""
        found = [spots.get(value) for value in node["inputs"]]
        flat = any(spot is not None and spot.flat for spot in found)
        volume = max((spot.volume for spot in found if spot is not None), key=lambda volume: volume[1] * volume[2])
        inputs: list[Any] = []
        for value, spot in zip(node["inputs"], found, strict=True):
            if spot is None:
                inputs.append(self._per_channel_weight(node, value, flat and volume[1:] == (1, 1)))
            elif spot.flat != flat:
                _unsupported(node, "rows and images must not be combined")
            else:
                inputs.append(spot.value)
        return _Spot(add_node(node["op"], inputs, node["attributes"]), volume, flat)

    def _per_channel_weight(self, node: Node, value: int, flat: bool) -> Any:
        shape = self._shapes[value]
        weight = self.weights[value]
        if flat and len(shape) in (1, 2) and shape[-1] > 1:
            return Parameter(weight.numpy().reshape(1, -1, 1, 1))
        if (len(shape) >= 2 and shape[-2:] != (1, 1)) or (len(shape) == 1 and shape != (1,)):
            _unsupported(node, "an operand must be a number for each channel")
        return weight

    def _per_channel(self, node: Node, spots: dict[int, _Spot]) -> _Spot:
        """The same node, which must go along axis 1."""
        found = [spots[value] for value in node["inputs"] if value in spots]
        flat = found[0].flat
        if node["attributes"]["axis"] != 1 or len(found) < len(node["inputs"]):
            _unsupported(node, "it must go along the channels of values")
        if any(spot.flat != flat or (flat and spot.volume[1:] != (1, 1)) for spot in found):
            _unsupported(node, "it must not stand between the flattening and the first linear layer")
        return self._made(node, [spot.value for spot in found], flat)

    def _reshape(self, node: Node, spots: dict[int, _Spot]) -> _Spot:
        spot = spots[node["inputs"][0]]
        shape = self._shapes[node["outputs"][0]]
        channels, height, width = spot.volume
        if shape == (1, channels * height * width):
            return spot._replace(flat=True)
        if shape == (1, *spot.volume):
            return spot._replace(flat=False)
        _unsupported(node, "a reshape must flatten an image")

    def _linear(self, node: Node, spots: dict[int, _Spot]) -> _Spot:
        spot = spots[node["inputs"][0]]
        weight = node["inputs"][1]
        if not spot.flat:
            _unsupported(node, "a linear layer must stand behind a flattening")
        kernel = self.weights[weight]
        if len(kernel.shape) == 2:
            kernel = self.weights[weight] = Parameter(kernel.numpy().reshape(-1, *spot.volume))
        if kernel.shape[1:] != spot.volume:
            _unsupported(node, "a linear layer that stands at several places must read volumes of one size")
        bias = None if node["inputs"][2] is None else self.weights[node["inputs"][2]]
        windows = {"stride": (1, 1), "padding": [0, 0, 0, 0], "dilation": (1, 1), "groups": 1}
        return self._made(node, [spot.value, kernel, bias], True, "conv2d", **windows)

    # ---- pooling

    def _pooling(self, node: Node, spots: dict[int, _Spot]) -> _Spot:
        adaptive = node["attributes"].get("adaptive")
        if adaptive is None or node["outputs"][0] in self._gates:
            return self._same(node, spots)
        spot = spots[node["inputs"][0]]
        if any(size % count for size, count in zip(spot.volume[1:], adaptive, strict=True)):
            _unsupported(node, "adaptive pooling must have windows of one size: choose a shape for which its input divides by its output")
        return self._pooled(node, spot, [size // count for size, count in zip(spot.volume[1:], adaptive, strict=True)], adaptive)

    def _pooled(self, node: Node, spot: _Spot, kernel: list[int], outputs: Sequence[int], op: str = "") -> _Spot:
        if spot.flat:
            _unsupported(node, "pooling must not stand behind the flattening")
        stride = [1 if count == 1 else size for size, count in zip(kernel, outputs, strict=True)]
        if kernel == [1, 1]:
            return spot
        op = op or node["op"]
        kinds: dict[str, dict[str, Any]] = {"avg_pool": {"count_include_pad": True, "divisor": 0}, "max_pool": {"dilation": (1, 1)}}
        windows = {"kernel": kernel, "stride": stride, "padding": [0, 0, 0, 0], "ceil_mode": False, **kinds[op]}
        value = add_node(op, [spot.value], windows)
        return _Spot(value, (spot.volume[0], *outputs), False)

    def _reduction(self, node: Node, spots: dict[int, _Spot]) -> _Spot:
        spot = spots[node["inputs"][0]]
        attributes = node["attributes"]
        op = {"mean": "avg_pool", "max": "max_pool"}.get(attributes["kind"])
        if sorted(attributes["axes"]) != [2, 3] or op is None or node["outputs"][0] in self._gates:
            _unsupported(node, "a reduction must be the mean or the maximum of the image")
        return self._pooled(node, spot, list(spot.volume[1:]), (1, 1), op)._replace(flat=not attributes["keepdims"])

    # ---- padding and enlarging

    def _take(self, node: Node, spots: dict[int, _Spot]) -> _Spot:
        spot = spots[node["inputs"][0]]
        axis = node["attributes"]["axis"]
        indices = list(node["attributes"]["indices"])
        if axis == 1 and not spot.flat:
            return self._made(node, [spot.value])
        size = spot.volume[axis - 1] if axis in (2, 3) and not spot.flat else 0
        if size and len(indices) % size == 0 and indices == [i // (len(indices) // size) for i in range(len(indices))]:
            times = len(indices) // size
            now = concrete(spot.value.shape)[axis]
            return self._made(node, [spot.value], indices=[i // times for i in range(times * now)])
        before = next((i for i, index in enumerate(indices) if index >= 0), 0)
        behind = len(indices) - before - size
        if not size or behind < 0 or indices != [-1] * before + list(range(size)) + [-1] * behind:
            _unsupported(node, "rows and columns must be repeated evenly, or padded with a number")
        borders = (0, 0, before, behind) if axis == 2 else (before, behind, 0, 0)
        return _Spot(pad(spot.value, borders, "constant", node["attributes"]["value"]), self._shapes[node["outputs"][0]][1:], False)


def _unsupported(node: Node, rule: str) -> NoReturn:
    where = f" in layer {node['name']!r}" if node["name"] else ""
    raise NotImplementedError(f"[to_convolutional] {rule}. Got {node['op']}{where}.")


def _gates(nodes: list[Node], shapes: dict[int, Shape]) -> set[int]:
    """Results of global pooling that meet an image again, as in squeeze and excitation. They stay means over the whole image."""
    sources: dict[int, set[int]] = {}
    gates: set[int] = set()
    for node in nodes:
        if not node["outputs"]:
            continue
        output = node["outputs"][0]
        small = shapes[output][2:] in ((), (1, 1))
        found = set[int]().union(*(sources.get(value, set()) for value in node["inputs"]))
        if small and row_of(node["op"]).slide in ("pooling", "reduction") and shapes[node["inputs"][0]][2:] not in ((), (1, 1)):
            found = {output}
        if small:
            sources[output] = found
        else:
            gates |= found
    return gates


RULES: dict[str, Callable[[Sliding, Node, dict[int, _Spot]], _Spot]] = {
    "binary": Sliding._binary,
    "linear": Sliding._linear,
    "per_channel": Sliding._per_channel,
    "pointwise": Sliding._pointwise,
    "pooling": Sliding._pooling,
    "reduction": Sliding._reduction,
    "reshape": Sliding._reshape,
    "same": Sliding._same,
    "take": Sliding._take,
}
