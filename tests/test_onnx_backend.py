"""The ONNX project's own backend tests (onnx_backend.py says which). What is not supported is skipped, never passed, and stands in
onnx_skips.txt with its reason: a skip that is not there fails, and so does a line that is not needed.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx")

import onnx_backend

TESTS = onnx_backend.float_tests()
LINES = (Path(__file__).parent / "helpers" / "onnx_skips.txt").read_text().splitlines()
SKIPS = dict(line.split(": ", 1) for line in LINES if line and not line.startswith("#"))


@pytest.mark.parametrize("name", TESTS)
def test_backend(name: str) -> None:
    try:
        onnx_backend.check(TESTS[name])
    except NotImplementedError as error:
        assert name in SKIPS, error
        pytest.skip(f"{SKIPS[name]}: {error}")
    assert name not in SKIPS, "this line of onnx_skips.txt is not needed"


def test_skips_are_few_and_have_reasons() -> None:
    assert set(SKIPS) <= set(TESTS)
    assert len(SKIPS) <= 40
    assert all(len(reason) > 10 for reason in SKIPS.values())


def test_the_tests_are_there() -> None:
    """Each operator of the list has some, and they are many."""
    tested = {node.op_type for case in TESTS.values() for node in onnx_backend.model_of(case).graph.node}
    assert tested >= onnx_backend.OPERATORS
    assert len(TESTS) > 500


LIGHT = ["bvlc_alexnet", "densenet121", "inception_v1", "inception_v2", "resnet50", "shufflenet", "squeezenet", "vgg19", "zfnet512"]


@pytest.mark.parametrize("name", LIGHT)
def test_light_networks(name: str) -> None:
    model, want = onnx_backend.light_model(name)
    known = {tensor.name for tensor in model.graph.initializer}
    port = next(port for port in model.graph.input if port.name not in known)
    shape = tuple(dim.dim_value for dim in port.type.tensor_type.shape.dim)
    image = (np.arange(np.prod(shape)).reshape(shape) / np.prod(shape)).astype(np.float32)  # the dummy data of the ONNX project
    # All filters of squeezenet's last layer are the same, and its sums so large that one rounding in one of them decides the softmax.
    (got,) = onnx_backend.run(model, [image], accuracy="strict" if name == "squeezenet" else "fast")
    np.testing.assert_allclose(got, want, rtol=1e-3, atol=1e-7)
