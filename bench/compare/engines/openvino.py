"""OpenVINO's CPU plugin, in float32: its default is bfloat16 where the CPU has it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import openvino


def load(path: Path, x: np.ndarray, threads: int) -> Callable[[], np.ndarray]:
    core = openvino.Core()
    model = core.read_model(path)
    model.reshape(x.shape)  # fastcnn's export leaves the batch open
    settings = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": 1}
    request = core.compile_model(model, "CPU", settings).create_infer_request()
    return lambda: request.infer([x], share_inputs=True)[0]
