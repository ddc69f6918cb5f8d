"""PyTorch through its compiler, channels last."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from compare.engines.torch import caller, channels_last


def load(path: Path, x: np.ndarray, threads: int) -> Callable[[], np.ndarray]:
    return caller(torch.compile(channels_last(path, threads)), x)
