"""Time from an ONNX file of ResNet-50 to its first answer, beside ONNX Runtime; and of a new image size when the weights are prepared.

Loading is timed in a new process each time, after the import of the engine; the engines take turns.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from statistics import median

import numpy as np
import pytest

import fastcnn as fc

ROUNDS = 7
SHAPE = (1, 3, 224, 224)

FASTCNN = """
import sys, time, numpy, fastcnn, fastcnn.onnx
x = numpy.ones((1, 3, 224, 224), numpy.float32)
start = time.perf_counter()
fastcnn.load(sys.argv[1])(x)
print(time.perf_counter() - start)
"""
ONNXRUNTIME = """
import sys, time, numpy, onnxruntime
x = numpy.ones((1, 3, 224, 224), numpy.float32)
start = time.perf_counter()
session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
session.run(None, {session.get_inputs()[0].name: x})
print(time.perf_counter() - start)
"""


def seconds(program: str, path: Path) -> float:
    return float(subprocess.run([sys.executable, "-I", "-c", program, str(path)], capture_output=True, text=True, check=True).stdout)


def bench_load_to_first_answer(benchmark, report_row, tmp_path: Path) -> None:
    if importlib.util.find_spec("onnxruntime") is None:
        pytest.skip("onnxruntime is not installed")
    path = tmp_path / "resnet50.onnx"
    fc.zoo.resnet50().save(path, input_shape=SHAPE)
    times: dict[str, list[float]] = {"fastcnn": [], "onnxruntime": []}

    def round_() -> None:
        times["fastcnn"].append(seconds(FASTCNN, path))
        times["onnxruntime"].append(seconds(ONNXRUNTIME, path))

    round_()  # brings the file into the system's cache
    for entries in times.values():
        entries.clear()
    benchmark.pedantic(round_, rounds=ROUNDS)
    ours, theirs = (median(times[engine]) for engine in ("fastcnn", "onnxruntime"))
    benchmark.extra_info.update(fastcnn=ours, onnxruntime=theirs)
    report_row("load ResNet-50", f"fastcnn {1e3 * ours:.0f} ms", f"ONNX Runtime {1e3 * theirs:.0f} ms", f"ratio {ours / theirs:.2f}")


@pytest.mark.parametrize("name", ["resnet50", "mobilenet_v2"])
def bench_new_image_size(benchmark, report_row, name: str) -> None:
    """Tracing, passes, memory plan and binding; the weights are already packed."""
    net = getattr(fc.zoo, name)()
    net(np.zeros(SHAPE, np.float32))
    sizes = iter(range(64, 100_000, 32))
    benchmark.pedantic(lambda size: net.compile((1, 3, size, size)), setup=lambda: ((next(sizes),), {}), rounds=30)
    report_row(f"new size of {name}", f"{1e3 * benchmark.stats.stats.median:.2f} ms")
