"""PyTorch without its compiler, channels last."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from compare.torch_zoo import network


def channels_last(path: Path, threads: int) -> torch.nn.Module:
    """The network whose state_dict is in this file. The file's folder has the name of the network."""
    torch.set_num_threads(threads)
    with torch.device("meta"):  # makes no random weights, which the file would replace
        net = network(path.parent.name)
    torch.nn.Module.load_state_dict(net, torch.load(path, mmap=True), assign=True)  # DenseNet's own is for other keys
    return net.to(memory_format=torch.channels_last)


def caller(net: Any, x: np.ndarray) -> Callable[[], np.ndarray]:
    image = torch.from_numpy(x)

    def call() -> np.ndarray:
        with torch.inference_mode():
            return net(image.to(memory_format=torch.channels_last)).numpy()

    return call


def load(path: Path, x: np.ndarray, threads: int) -> Callable[[], np.ndarray]:
    return caller(channels_last(path, threads), x)
