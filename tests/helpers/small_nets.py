"""Small networks and data for the tests of the Python side."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import fastcnn as fc

Array = np.ndarray


def lenet(seed: int = 0) -> fc.Sequential:
    """(N, 1, 8, 8) -> (N, 4), with every kind of layer whose training has a state: batch norm, dropout."""
    return fc.Sequential(
        fc.Conv2d(1, 6, 3, padding=1, bias=False, seed=seed),
        fc.BatchNorm2d(6),
        fc.ReLU(),
        fc.MaxPool2d(2),
        fc.Dropout(0.25),
        fc.Conv2d(6, 8, 3, padding=1, seed=seed + 1),
        fc.ReLU(),
        fc.Flatten(),
        fc.Linear(128, 4, seed=seed + 2),
    )


class Block(fc.Module):
    """Torch's way of writing, without super().__init__()."""

    def __init__(self, channels: int) -> None:
        self.conv = fc.Conv2d(channels, channels, 3, padding="same", bias=False, seed=3)
        self.norm = fc.BatchNorm2d(channels)
        self.gain = fc.Parameter(np.full((channels, 1, 1), 0.5))

    def forward(self, x: fc.Value) -> fc.Value:
        return fc.relu(self.norm(self.conv(x)) * self.gain + x)


class Lambda(fc.Module):
    """A function as a network."""

    def __init__(self, function: Callable[..., Any], **tensors: fc.Parameter) -> None:
        self.function = function
        for name, tensor in tensors.items():
            setattr(self, name, tensor)

    def forward(self, x: fc.Value) -> Any:
        return self.function(x, **dict(self.named_parameters()))


def stripes(count: int = 60, seed: int = 0) -> tuple[Array, Array]:
    """Images (N, 1, 8, 8) of four kinds of stripes, with noise, and their kinds (N,)."""
    random = np.random.default_rng(seed)
    kinds = np.arange(count) % 4
    h, w = np.mgrid[:8, :8]
    patterns = np.array([h % 2, w % 2, (h + w) % 2, (h // 2) % 2], np.float32)
    return patterns[kinds][:, None] + 0.3 * random.standard_normal((count, 1, 8, 8), dtype=np.float32), kinds


def same_state(a: fc.Module, b: fc.Module) -> bool:
    first, second = a.state_dict(), b.state_dict()
    return list(first) == list(second) and all(first[key].tobytes() == second[key].tobytes() for key in first)
