"""The common parts of the zoo: seeds, the origin of a network, and a block that several networks use."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from fastcnn.network.initial import seeded
from fastcnn.network.origin import remember_origin
from fastcnn.nn.containers import Sequential
from fastcnn.nn.layers import BatchNorm2d, Conv2d, ReLU
from fastcnn.nn.module import Module
from fastcnn.support.arguments import seed_or_none

__all__ = ["conv_norm", "network"]

Arguments = ParamSpec("Arguments")
Net = TypeVar("Net", bound=Module)


def network(build: Callable[Arguments, Net]) -> Callable[Arguments, Net]:
    """Decorates a function that builds a network, and so makes it a function of the zoo.

    The function must have an argument `seed` (None: fresh entropy), from which layers draw their initial values; see initial.seeded. The
    network remembers its origin, so that save() can write the name of the function instead of an architecture.
    """
    signature = inspect.signature(build)

    @functools.wraps(build)
    def make(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Net:
        call = signature.bind(*args, **kwargs)
        call.apply_defaults()
        arguments = dict(call.arguments)
        with seeded(seed_or_none(build.__name__, arguments.pop("seed"))):
            net = build(*args, **kwargs)
        remember_origin(net, make, arguments)
        return net

    return make


def conv_norm(
    inputs: int,
    outputs: int,
    kernel: int = 3,
    stride: int = 1,
    groups: int = 1,
    activation: Callable[[], Module] | None = ReLU,
) -> Sequential:
    """Convolution, batch norm and activation: torchvision's Conv2dNormActivation. Padding keeps the size of images for stride 1."""
    convolution = Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
    return Sequential(convolution, BatchNorm2d(outputs), *([] if activation is None else [activation()]))
