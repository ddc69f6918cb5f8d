"""ncnn, from pnnx's files: x.ncnn.param, x.ncnn.bin."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import ncnn
import numpy as np


def load(path: Path, x: np.ndarray, threads: int) -> Callable[[], np.ndarray]:
    net = ncnn.Net()
    net.opt.num_threads = threads
    net.opt.use_fp16_storage = net.opt.use_fp16_arithmetic = net.opt.use_fp16_packed = net.opt.use_bf16_storage = False
    if net.load_param(str(path)) or net.load_model(str(path.with_suffix(".bin"))):
        raise RuntimeError(f"ncnn does not read {path.name}")
    image = ncnn.Mat(x[0]).clone()  # without clone it would refer to the memory of x

    def call() -> np.ndarray:
        extractor = net.create_extractor()
        extractor.input("in0", image)
        status, answer = extractor.extract("out0")
        if status:
            raise RuntimeError(f"ncnn's extract() returned {status}")
        return np.array(answer)

    return call
