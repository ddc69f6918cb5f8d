"""MNN's CPU backend; precision "high" is float32."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import MNN
import numpy as np


def load(path: Path, x: np.ndarray, threads: int) -> Callable[[], np.ndarray]:
    manager = MNN.nn.create_runtime_manager(({"backend": "CPU", "numThread": threads, "precision": "high"},))
    net = MNN.nn.load_module_from_file(str(path), ["x"], ["y"], runtime_manager=manager)
    image = MNN.expr.placeholder(x.shape, MNN.expr.NCHW, MNN.expr.float)

    def call() -> np.ndarray:
        image.write(x)
        return np.array(net.forward(image).read())

    return call
