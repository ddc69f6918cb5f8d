"""Three training steps of one network in a process of its own: `python memory_training.py ENGINE NETWORK BATCH`.

Prints, as JSON, the growth of the process's resident memory and of its peak from before the steps, when it had the network and the data.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # for `compare`, where Python was started with -I

import numpy as np
from compare.networks import NETWORKS, SEQUENTIAL
from compare.worker import forget_peak, memory_of

STEPS = 3


def fastcnn_step(name: str, x: np.ndarray, y: np.ndarray) -> Callable[[], float]:
    import fastcnn as fc

    entry = NETWORKS[name]
    net = getattr(fc.zoo, entry.zoo)(**entry.arguments) if entry.zoo else SEQUENTIAL[name](fc)
    state: list[fc.Trainer] = []

    def step() -> float:
        if not state:
            state.append(fc.Trainer(net, "cross_entropy", fc.optim.SGD(0.01, momentum=0.9), x.shape))
        return state[0].step(x, y)

    return step


def torch_step(name: str, x: np.ndarray, y: np.ndarray) -> Callable[[], float]:
    import torch
    from compare.torch_zoo import network

    net = network(name).train()
    images, classes = torch.from_numpy(x), torch.from_numpy(y)
    optimizer = torch.optim.SGD(net.parameters(), 0.01, momentum=0.9)

    def step() -> float:
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(net(images), classes)
        loss.backward()
        optimizer.step()
        return float(loss)

    return step


def main(engine: str, name: str, batch: str) -> None:
    shape = int(batch), *NETWORKS[name].shape[1:]
    x = np.random.default_rng(0).standard_normal(shape, np.float32)
    y = np.zeros(shape[0], np.int64)
    make = {"fastcnn": fastcnn_step, "torch": torch_step}[engine]
    make("lenet", np.zeros((2, 1, 28, 28), np.float32), y[:2])()  # loads the code and starts the threads
    step = make(name, x, y)
    forget_peak()
    before = memory_of("VmRSS")
    losses = [step() for _ in range(STEPS)]
    assert np.isfinite(losses).all()
    print(json.dumps({"resident": memory_of("VmRSS") - before, "peak": memory_of("VmHWM") - before}))


if __name__ == "__main__":
    main(*sys.argv[1:])
