"""fastcnn's files of a network: `python -m compare.export NAME FOLDER` writes input.npy, state.npz, fastcnn.safetensors, fastcnn.onnx."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

import fastcnn as fc
from compare.networks import NETWORKS, SEQUENTIAL
from fastcnn.network.initial import seeded


def network(name: str) -> fc.Module:
    """The network of this name, always with the same weights."""
    entry = NETWORKS[name]
    if not entry.zoo:
        with seeded(0):
            return SEQUENTIAL[name](fc.nn)
    net = getattr(fc.zoo, entry.zoo)(**entry.arguments)
    measure_statistics(net, (4, *entry.shape[1:]))
    return net


def measure_statistics(net: fc.Module, shape: tuple[int, ...]) -> None:
    """Gives batch norms the statistics of noise, by one training step with a learning rate of 0.

    Without them the numbers of a deep network vanish or explode: then the answer is the last bias, or denormal numbers slow it down.
    """
    norms = [part for part in net.modules() if isinstance(part, fc.BatchNorm2d)]
    if not norms:
        return
    random = np.random.default_rng(2)
    for norm in norms:
        norm.momentum = 1.0
        norm.bias.assign(random.uniform(-0.2, 0.5, norm.num_features).astype(np.float32))
    net.requires_grad_(False)
    list(net.parameters())[-1].requires_grad = True  # a training step needs a parameter
    x = random.standard_normal(shape, dtype=np.float32)
    fc.Trainer(net, "cross_entropy", fc.optim.SGD(0.0), shape).step(x, np.zeros(shape[0], np.int32))
    net.requires_grad_(True)
    for norm in norms:
        norm.momentum = 0.1


def main(name: str, folder: str) -> None:
    target = Path(folder)
    shape = NETWORKS[name].shape
    net = network(name)
    net.save(target / "fastcnn.safetensors")
    net.save(target / "fastcnn.onnx", input_shape=shape)
    np.savez(target / "state.npz", **net.state_dict())
    np.save(target / "input.npy", np.random.default_rng(1).standard_normal(shape, dtype=np.float32))


if __name__ == "__main__":
    main(*sys.argv[1:])
