"""Networks written as ONNX, and ONNX Runtime's answers beside their own. A test that imports this is skipped where either is missing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastcnn as fc

onnx = pytest.importorskip("onnx")
runtime = pytest.importorskip("onnxruntime")

Array = np.ndarray


def exported(net: fc.Module, path: Path, shape: Any) -> Any:
    """A session of ONNX Runtime with the file, after the checker."""
    net.save(path, input_shape=shape)
    onnx.checker.check_model(str(path), full_check=True)
    options = runtime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def outputs(result: Any) -> tuple[Array, ...]:
    return result if isinstance(result, tuple) else (result,)


def agrees(net: fc.Module, session: Any, *inputs: Array) -> None:
    names = [entry.name for entry in session.get_inputs()]
    theirs = session.run(None, dict(zip(names, inputs, strict=True)))
    for got, want in zip(theirs, outputs(net(*inputs)), strict=True):
        assert got.dtype == want.dtype
        assert got.shape == want.shape
        assert np.abs(want).max() > 0
        assert np.abs(got - want).max() <= 1e-5 * np.abs(want).max()
