"""What the functions of the zoo share: seeds, the memory of how a network was made, and a block that several of them use."""

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
    """torchvision's Conv2dNormActivation. The convolution keeps the image's size, but for the stride."""
    convolution = Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
    return Sequential(convolution, BatchNorm2d(outputs), *([] if activation is None else [activation()]))
