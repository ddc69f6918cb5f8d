"""The benchmark's networks as plain lists of layers with the weights of one seed, so that every engine builds the very same one."""

from __future__ import annotations

from typing import Any

import numpy as np

# (kind, ...): conv = filters, kernel, padding, followed by ReLU; pool = size; linear = outputs, followed by ReLU except the last.
NETWORKS: dict[str, tuple[tuple[int, int, int], list[tuple[Any, ...]]]] = {
    "LeNet 28x28": (
        (1, 28, 28),
        [("conv", 6, 5, 2), ("pool", 2), ("conv", 16, 5, 0), ("pool", 2), ("linear", 120), ("linear", 84), ("linear", 10)],
    ),
    "VGG for CIFAR": (
        (3, 32, 32),
        [
            *[("conv", 32, 3, 1), ("conv", 32, 3, 1), ("pool", 2)],
            *[("conv", 64, 3, 1), ("conv", 64, 3, 1), ("pool", 2)],
            *[("conv", 128, 3, 1), ("conv", 128, 3, 1), ("pool", 2)],
            *[("linear", 128), ("linear", 10)],
        ],
    ),
}


def layers(name: str) -> list[dict[str, Any]]:
    """The layers of a network with their weights: weight (O, I, K, K) or (O, I), bias (O,), relu."""
    (channels, height, width), rows = NETWORKS[name]
    random, found = np.random.default_rng(0), []
    for index, (kind, size, *rest) in enumerate(rows):
        layer = {"kind": kind, "size": size, "relu": index + 1 < len(rows)}
        if kind == "pool":
            height, width = height // size, width // size
        else:
            kernel, padding = rest if kind == "conv" else (1, 0)
            inputs = channels if kind == "conv" else channels * height * width
            shape = (size, inputs, kernel, kernel) if kind == "conv" else (size, inputs)
            scale = np.sqrt(2 / (inputs * kernel * kernel))
            layer["padding"] = padding
            layer["weight"] = (random.standard_normal(shape) * scale).astype(np.float32)
            layer["bias"] = (random.standard_normal(size) * 0.1).astype(np.float32)
            channels, height, width = size, height + 2 * padding - kernel + 1, width + 2 * padding - kernel + 1
            if kind == "linear":
                height = width = 1
        found.append(layer)
    return found


def image(name: str) -> np.ndarray:
    """One input, (1, C, H, W)."""
    return np.random.default_rng(1).standard_normal((1, *NETWORKS[name][0]), dtype=np.float32)
