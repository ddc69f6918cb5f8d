"""The networks of the zoo for tests, at small images."""

from __future__ import annotations

import numpy as np

import fastcnn as fc

# The smallest images, or nearly, that a network takes; others take any from 32x32 on.
IMAGES = {"alexnet": (3, 63, 64), "lenet5": (1, 32, 32), "squeezenet1_0": (3, 47, 49), "unet": (1, 32, 32), "zfnet": (3, 224, 224)}
LARGE = tuple(name for name in fc.zoo.__all__ if name.startswith(("vgg", "alexnet", "zfnet")))  # from 61 to 144 million parameters
SMALL = tuple(name for name in fc.zoo.__all__ if name not in LARGE)


def make(name: str, **arguments: object) -> fc.Module:
    return getattr(fc.zoo, name)(**arguments)


def images(name: str, count: int, side: int = 32, seed: int = 1) -> np.ndarray:
    """Noise around colours, so that the images of a batch differ in more than what pooling takes the mean of."""
    random = np.random.default_rng(seed)
    shape = IMAGES.get(name, (3, side, side))
    colours = 2 * random.standard_normal((count, shape[0], 1, 1))
    return (random.standard_normal((count, *shape)) + colours).astype(np.float32)


LAST_OF_A_BRANCH = {"BasicBlock": "bn2", "Bottleneck": "bn3"}  # norms before a residual sum


def with_statistics(net: fc.Module, x: np.ndarray, seed: int = 2) -> None:
    """Gives batch norms what training on x could leave: statistics of x, each disturbed by up to a third, biases above zero, and small
    branches beside shortcuts.

    Without the last two a deep network is chaotic: ResNet-101 then makes 7e-5 of the roundings of any engine, by a float64 run of it. One
    training step at the rate 0 measures the statistics. All but the last parameter is frozen, so that it costs no more than a run.
    """
    norms = [part for part in net.modules() if isinstance(part, fc.BatchNorm2d)]
    if not norms:
        return
    random = np.random.default_rng(seed)
    for part in net.modules():
        if type(part).__name__ in LAST_OF_A_BRANCH:
            last = getattr(part, LAST_OF_A_BRANCH[type(part).__name__])
            last.weight.assign(np.full(last.num_features, 0.25))
    for norm in norms:
        norm.momentum = 1.0
        norm.bias.assign(random.uniform(0, 3 if norm is norms[-1] else 1, norm.num_features))
    net.requires_grad_(False)
    list(net.parameters())[-1].requires_grad = True
    fc.Trainer(net, "cross_entropy", fc.optim.SGD(0.0), x.shape).step(x, np.zeros(len(x), np.int32))
    net.requires_grad_(True)
    for norm in norms:
        norm.momentum = 0.1
        deviation = np.sqrt(norm.running_var.numpy())
        norm.running_mean.assign(norm.running_mean.numpy() + deviation * random.uniform(-0.33, 0.33, deviation.shape))
        norm.running_var.assign(norm.running_var.numpy() * random.uniform(0.67, 1.5, deviation.shape))
