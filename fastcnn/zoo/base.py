"""What the functions of the zoo share: seeds, the memory of how a network was made, and a block that several of them use."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, NamedTuple, ParamSpec, TypeVar

from fastcnn.arguments import seed_or_none
from fastcnn.containers import Sequential
from fastcnn.initial import seeded
from fastcnn.layers import BatchNorm2d, Conv2d, Layer, ReLU
from fastcnn.module import Module

__all__ = ["Origin", "conv_norm", "network", "origin_of"]

Arguments = ParamSpec("Arguments")
Net = TypeVar("Net", bound=Module)
Structure = list[tuple[str, type, dict[str, Any]]]


class Origin(NamedTuple):
    """The call that a network was made by."""

    name: str
    arguments: dict[str, Any]  # but for the seed
    structure: Structure  # when it was made


def network(build: Callable[Arguments, Net]) -> Callable[Arguments, Net]:
    """A function of the zoo, from one that builds its network.

    All of them take `seed` (None: fresh entropy): layers draw their first values from it, see initial.seeded. What they return remembers
    its origin, so that save() can write the name of the function in place of an architecture.
    """
    signature = inspect.signature(build)

    @functools.wraps(build)
    def make(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Net:
        call = signature.bind(*args, **kwargs)
        call.apply_defaults()
        arguments = dict(call.arguments)
        with seeded(seed_or_none(build.__name__, arguments.pop("seed"))):
            net = build(*args, **kwargs)
        net._origin = Origin(build.__name__, arguments, _structure(net))
        return net

    return make


def origin_of(module: Module) -> Origin | None:
    """The call that makes such a module again; None if there is none, or if a layer was exchanged or changed since."""
    origin = module.__dict__.get("_origin")
    return origin if isinstance(origin, Origin) and origin.structure == _structure(module) else None


def _structure(net: Module) -> Structure:
    return [(path, type(part), part.config() if isinstance(part, Layer) else {}) for path, part in net.named_modules()]


def conv_norm(
    inputs: int,
    outputs: int,
    kernel: int = 3,
    stride: int = 1,
    groups: int = 1,
    activation: Callable[[], Module] | None = ReLU,
) -> Sequential:
    """torchvision's Conv2dNormActivation. The convolution keeps the image's size, but for the stride."""
    convolution = Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
    return Sequential(convolution, BatchNorm2d(outputs), *([] if activation is None else [activation()]))
