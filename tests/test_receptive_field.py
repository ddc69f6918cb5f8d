"""Receptive fields of the summary against what really changes: a pixel of the input is inside, and nothing outside is seen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fastcnn as fc
import fastcnn.functional as F

WHOLE = "whole image"


class Net(fc.Module):
    def __init__(self, function: Callable[..., Any], **layers: fc.Module) -> None:
        self.function = function
        for name, layer in layers.items():
            setattr(self, name, layer)

    def forward(self, x: Any) -> Any:
        return self.function(self, x)


def conv(kernel: int = 3, stride: int = 1, channels: int = 1) -> fc.Module:
    return fc.Conv2d(channels, channels, kernel, stride, padding=kernel // 2)


def measured(net: fc.Module, size: int) -> tuple[int, int]:
    """The largest rows and columns over which an input that changes is seen at one place of the output (1, 1, H, W)."""
    net.load_state_dict({name: np.ones_like(value) for name, value in net.state_dict().items()})
    y = net(np.zeros((1, 1, size, size), np.float32))
    points = np.eye(size * size, dtype=np.float32).reshape(-1, 1, size, size)
    seen = net(points)[:, 0] != y[0, 0]  # (places of the input, rows, columns)
    extents = []
    for axis in range(2):
        places = np.arange(size * size) // size if axis == 0 else np.arange(size * size) % size
        spans = [np.ptp(places[seen[:, i, j]]) + 1 for i in range(seen.shape[1]) for j in range(seen.shape[2]) if seen[:, i, j].any()]
        extents.append(max(spans))
    return extents[0], extents[1]


def up(x: Any, **options: Any) -> Any:
    return F.interpolate(x, scale_factor=2, **options)


NETS: dict[str, Callable[[], fc.Module]] = {
    "nearest": lambda: Net(lambda n, x: n.b(up(n.a(x))), a=conv(3, 2), b=conv()),
    "bilinear": lambda: Net(lambda n, x: n.b(up(n.a(x), mode="bilinear")), a=conv(3, 2), b=conv()),
    "resized twice": lambda: Net(lambda n, x: n.a(up(n.b(up(n.a(x))))), a=conv(3, 2), b=conv(3, 2)),
    "smaller": lambda: Net(lambda n, x: n.a(F.interpolate(x, scale_factor=0.5)), a=conv()),
    "transposed": lambda: fc.Sequential(conv(3, 2), fc.ConvTranspose2d(1, 1, 4, 2, 1), conv()),
    "transposed, wide steps": lambda: fc.Sequential(conv(3, 2), fc.ConvTranspose2d(1, 1, 2, 2), conv(5)),
    "sliced": lambda: Net(lambda n, x: n.a(x[:, :, ::2, ::3]), a=conv()),
    "reflected": lambda: Net(lambda n, x: n.a(F.pad(x, (1, 1, 1, 1), mode="reflect")), a=fc.Conv2d(1, 1, 3)),
    "adaptive": lambda: Net(lambda n, x: n.a(F.adaptive_avg_pool2d(x, 6)), a=conv()),
    "shuffled": lambda: Net(lambda n, x: n.b(F.pixel_shuffle(n.a(x), 2)), a=fc.Conv2d(1, 4, 3, 2, 1), b=conv()),
    "unshuffled": lambda: Net(lambda n, x: n.a(F.pixel_unshuffle(x, 2)), a=fc.Conv2d(4, 1, 3, 1, 1)),
    "in rows and back": lambda: Net(lambda n, x: n.a(n.a(x).flatten(2).transpose(1, 2).transpose(1, 2).reshape(-1, 1, 12, 12)), a=conv()),
    "a branch": lambda: Net(lambda n, x: F.cat([x, n.a(x)], 1).sum(1, True) + n.b(n.a(x)), a=conv(), b=conv()),
}


@pytest.mark.parametrize("name", NETS)
def test_field_is_what_is_seen(name: str) -> None:
    net = NETS[name]()
    assert net.summary((1, 12, 12))[-1].receptive_field == measured(net, 12)


WHOLES: dict[str, tuple[Callable[[Any, Any], Any], Any]] = {
    "instance norm": (lambda n, x: F.instance_norm(x), WHOLE),
    "global pooling": (lambda n, x: F.adaptive_avg_pool2d(x, 1), WHOLE),
    "the mean": (lambda n, x: x.mean((2, 3)), WHOLE),
    "linear after flatten": (lambda n, x: n.linear(x.flatten(1)), WHOLE),
    "softmax over space": (lambda n, x: x.flatten(2).softmax(2), WHOLE),
    "attention": (lambda n, x: x.flatten(2) @ x.flatten(2).transpose(1, 2), WHOLE),
    "squeeze and excitation": (lambda n, x: x * x.mean((2, 3), keepdim=True).sigmoid(), WHOLE),
    "a row": (lambda n, x: x.softmax(3), (1, 8)),
    "the mean of columns": (lambda n, x: x.mean(2), (6, 1)),
    "softmax over channels": (lambda n, x: x.softmax(1), (1, 1)),
    "layer norm of channels": (lambda n, x: F.layer_norm(x.permute(0, 2, 3, 1), [2]), (1, 1)),
    "flatten": (lambda n, x: x.flatten(1), (1, 1)),
    "linear of channels": (lambda n, x: n.channels(x.permute(0, 2, 3, 1)), (1, 1)),
    "group norm": (lambda n, x: F.group_norm(x, 2), WHOLE),
    "the largest": (lambda n, x: x.flatten(2).argmax(2), WHOLE),
}


@pytest.mark.parametrize("name", WHOLES)
def test_all_of_an_image(name: str) -> None:
    function, expected = WHOLES[name]
    net = Net(function, linear=fc.Linear(96, 3), channels=fc.Linear(2, 3))
    summary = net.summary((2, 6, 8))
    assert summary[-1].receptive_field == expected
    assert ("all" in str(summary).splitlines()[-2].split()) == (expected == WHOLE)


def test_of_no_image() -> None:
    assert fc.Sequential(fc.Linear(4, 2)).summary((4,))[0].receptive_field is None


def test_unet() -> None:
    """140 pixels at the lowest level, as is known; on the way up 1 + 2 + 2 steps at each level, of 8, 4, 2 and 1 pixels."""
    fields = [row.receptive_field for row in fc.zoo.unet().summary((1, 64, 64))]
    assert (140, 140) in fields
    assert fields[-1] == (215, 215)
