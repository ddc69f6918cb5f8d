"""fastcnn, from its own file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

import fastcnn as fc


def load(path: Path, x: np.ndarray, threads: int) -> Callable[[], np.ndarray]:
    run = fc.load(path).compile(x.shape, threads=threads)
    return lambda: run(x)
