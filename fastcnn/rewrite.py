"""Rewriting of networks: small_filters() replaces large kernels by stacks of 3x3. The result is a new network, to be trained.

>>> net = fc.Sequential(fc.Conv2d(16, 32, 7, padding=3), fc.ReLU())
>>> small = fc.rewrite.small_filters(net, verbose=False)
>>> [part.kernel_size for part in small.modules() if isinstance(part, fc.Conv2d)]
[(3, 3), (3, 3), (3, 3)]
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from typing import Any, NamedTuple

from fastcnn.network.initial import seeded
from fastcnn.nn.containers import Sequential
from fastcnn.nn.layers import Conv2d, ReLU
from fastcnn.nn.module import Module
from fastcnn.support.arguments import flag, seed_or_none
from fastcnn.support.tables import count_text, size_text, table

__all__ = ["small_filters"]

_STACKS = {(5, 5): 2, (7, 7): 3}  # the number of 3x3 kernels with the same receptive field


class _Change(NamedTuple):
    layer: str
    old: Conv2d
    new: Sequential | None  # None: the layer is kept, because the stack would have more weights


def small_filters(
    net: Module,
    shape: Sequence[int] | None = None,
    *,
    activation: Callable[[], Module] = ReLU,
    seed: int | None = 0,
    verbose: bool = True,
) -> Module:
    """Returns a copy of `net` in which stacks of two (three) 3x3 convolutions replace each 5x5 (7x7) convolution of stride 1.

    A stack has the same receptive field and output size, more nonlinearities (`activation`, between its convolutions) and fewer weights:
    for C channels 27 C^2 instead of 49 C^2, 18 C^2 instead of 25 C^2 (Simonyan and Zisserman, 2015). Dilated convolutions are kept, and
    those whose stack would have more weights (a first layer with few channels). New weights are drawn from `seed` (None: fresh entropy):
    the network must be trained. verbose: prints the changes; with shape (C, H, W) also multiply-adds and memory for the backward pass of
    one image. TypeError if `net` is not a Module or `activation` makes no layer; ValueError if there is nothing to replace.
    """
    if not isinstance(net, Module):
        raise TypeError(f"[small_filters] the network must be a Module. Got {type(net).__name__}.")
    _check_activation(activation)
    made = deepcopy(net)
    with seeded(seed_or_none("small_filters", seed)):
        changes = [_change(path, layer, activation) for path, layer in _large(made)]
    if all(change.new is None for change in changes):
        rule = "the network must have a Conv2d of 5x5 or 7x7, stride 1 and dilation 1 that has more weights than its stack of 3x3"
        raise ValueError(f"[small_filters] {rule}. Got {type(net).__name__}{' with none' if not changes else ', where stacks have more'}.")
    made = _exchanged(made, {id(change.old): change.new for change in changes if change.new is not None})
    if flag("small_filters", "verbose", verbose):
        print(_report(net, made, changes, shape))
    return made


def _large(net: Module) -> Iterator[tuple[str, Conv2d]]:
    for path, layer in net.named_modules():
        if isinstance(layer, Conv2d) and layer.kernel_size in _STACKS and layer.stride == layer.dilation == (1, 1):
            yield path, layer


def _change(path: str, layer: Conv2d, activation: Callable[[], Module]) -> _Change:
    stack = _stack(layer, activation)
    return _Change(path, layer, stack if _weights(stack) < _weights(layer) else None)


def _weights(part: Module) -> int:
    return sum(parameter.size for parameter in part.parameters())


def _stack(layer: Conv2d, activation: Callable[[], Module]) -> Sequential:
    """Returns the stack for a layer. Its convolutions share the padding of the layer, so that the output has the same size."""
    count = _STACKS[layer.kernel_size]
    inputs = layer.in_channels
    stack = Sequential()
    for i in range(count):
        padding: Any = layer.padding
        if not isinstance(padding, str):
            padding = tuple(rows * (i + 1) // count - rows * i // count for rows in padding)
        bias = layer.bias is not None or i + 1 < count
        stack.append(Conv2d(inputs, layer.out_channels, 3, 1, padding, groups=layer.groups, bias=bias, padding_mode=layer.padding_mode))
        if i + 1 < count:
            stack.append(activation())
        inputs = layer.out_channels
    return stack


def _check_activation(activation: Any) -> None:
    rule = "[small_filters] activation must make a layer when it is called, as fastcnn.ReLU does"
    if isinstance(activation, Module) or not callable(activation):
        raise TypeError(f"{rule}. Got {activation!r}.")
    try:
        made = activation()
    except TypeError:  # a function such as fastcnn.relu, which needs arguments
        made = None
    if not isinstance(made, Module):
        raise TypeError(f"{rule}. Got {activation!r}.")


def _exchanged(net: Module, stacks: dict[int, Sequential]) -> Module:
    """Replaces each layer whose id is a key of `stacks`, at all its places. Returns the network."""
    if id(net) in stacks:
        return stacks[id(net)]
    for _, part in list(net.named_modules()):
        for name, child in list(part.named_children()):
            if id(child) in stacks:
                setattr(part, name, stacks[id(child)])
    return net


def _report(net: Module, made: Module, changes: list[_Change], shape: Sequence[int] | None) -> str:
    rows = []
    for layer, old, new in changes:
        kernel = "x".join(map(str, old.kernel_size))
        after = f"{_STACKS[old.kernel_size]} of 3x3" if new else "kept"
        rows.append([layer or "network", kernel, after, f"{_weights(old):,}", f"{_weights(new or old):,}"])
    rows.append(["all parameters", "", "", f"{_weights(net):,}", f"{_weights(made):,}"])
    more = True
    if shape is not None:
        costs = net.cost(shape), made.cost(shape)
        rows.append(["multiply-adds", "", "", *(count_text(cost.macs) for cost in costs)])
        kept = ["-" if cost.backward_bytes is None else size_text(cost.backward_bytes) for cost in costs]
        rows.append(["memory for backward", "", "", *kept])
        more = (costs[1].backward_bytes or 0) > (costs[0].backward_bytes or 0)
    notes = ["The weights of the stacks are new: train the network before you use it."]
    if more:
        notes.append("Backward keeps more activations; recomputing them there takes that back.")
    return "\n".join([table(["layer", "kernel", "new", "before", "after"], rows, left=3), *notes])
