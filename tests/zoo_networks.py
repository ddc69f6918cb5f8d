"""The networks of the zoo for tests, at small images."""

from __future__ import annotations

import numpy as np

import fastcnn as fc

# The smallest images, or nearly, that a network takes; where nothing is said, 32x32.
IMAGES = {"alexnet": (3, 63, 64), "lenet5": (1, 32, 32), "squeezenet1_0": (3, 47, 49), "zfnet": (3, 224, 224)}
LARGE = tuple(name for name in fc.zoo.__all__ if name.startswith(("vgg", "alexnet", "zfnet")))  # from 61 to 144 million parameters
SMALL = tuple(name for name in fc.zoo.__all__ if name not in LARGE)


def make(name: str, **arguments: object) -> fc.Module:
    return getattr(fc.zoo, name)(**arguments)


def images(name: str, count: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, *IMAGES.get(name, (3, 32, 32))), dtype=np.float32)
