"""Writes the errors of the convolution algorithms into a page: ``python bench/errors.py cpp/README.md``.

Each computes layers of a network's size on every ISA of this machine; the error is max |difference| / max |y| from sums in double.
"""

from __future__ import annotations

import sys

import numpy as np
from table import replace, rows_to_markdown

from fastcnn import _core

LAYERS = [(64, 56, 64), (128, 28, 128), (256, 14, 256), (512, 7, 512), (24, 14, 64)]  # channels, height and width, filters
POINTWISE = [(128, 28, 128), (256, 14, 1024), (512, 14, 512), (1024, 14, 256), (1024, 7, 1024), (2048, 7, 512)]
KERNELS = {"direct": 3, "winograd_f2": 3, "winograd_f4": 3, "winograd_f5": 3, "winograd_f6": 3, "winograd_f2_5x5": 5, "strassen": 1}


def exact(x: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """The convolution, stride 1 and padded to the same size, in double."""
    kernel, size = weight.shape[2], x.shape[2]
    padded = np.pad(x.astype(np.float64), [(0, 0), (0, 0), *[(kernel // 2, kernel // 2)] * 2])
    taps = [(i, j) for i in range(kernel) for j in range(kernel)]
    return sum(np.einsum("oc,nchw->nohw", weight[:, :, i, j].astype(np.float64), padded[:, :, i : i + size, j : j + size]) for i, j in taps)


def program_of(algorithm: str, isa: str, shape: tuple[int, ...], weight: np.ndarray) -> _core.Program:
    graph = _core.Graph()
    padding = [weight.shape[2] // 2] * 4
    attributes = {"stride": [1, 1], "padding": padding, "dilation": [1, 1], "groups": 1, "algorithm": algorithm}
    inputs = [graph.input("x", shape), graph.parameter(_core.Parameter(weight), "weight"), None]
    graph.outputs(graph.add("conv2d", inputs, attributes))
    return _core.Program(graph, isa=isa)


def errors(algorithm: str, layer: tuple[int, int, int]) -> dict[str, float]:
    """Of one layer, by ISA. Inputs are rectified, as behind a ReLU."""
    channels, size, filters = layer
    kernel, random = KERNELS[algorithm], np.random.default_rng(0)
    x = np.maximum(random.standard_normal((1, channels, size, size)), 0).astype(np.float32)
    weight = (random.standard_normal((filters, channels, kernel, kernel)) / (kernel * channels**0.5)).astype(np.float32)
    wanted = exact(x, weight)
    answers = {isa: program_of(algorithm, isa, x.shape, weight).run([x])[0] for isa in _core.available_isas()}
    return {isa: float(np.abs(answer - wanted).max() / np.abs(wanted).max()) for isa, answer in answers.items()}


def main(page: str) -> None:
    isas, rows = _core.available_isas(), []
    for algorithm in KERNELS:
        found = [errors(algorithm, layer) for layer in (POINTWISE if KERNELS[algorithm] == 1 else LAYERS)]
        rows.append([f"`{algorithm}`", *(f"{max(each[isa] for each in found):.1e}" for isa in isas)])
    replace(page, "errors", rows_to_markdown(["Algorithm", *isas], rows) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
