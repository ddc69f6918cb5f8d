"""Writes the errors of the convolution algorithms into a page: ``python bench/errors.py cpp/README.md``.

Each algorithm computes layers of the sizes of networks on every ISA of this machine; the error is max |difference| / max |y|, where the
difference is that from sums in double.
"""

from __future__ import annotations

import sys

import numpy as np
from table import replace, rows_to_markdown

from fastcnn import _core

LAYERS = [(64, 56, 64), (128, 28, 128), (256, 14, 256), (512, 7, 512), (24, 14, 64)]  # channels, height and width, filters
POINTWISE = [(128, 28, 128), (256, 14, 1024), (512, 14, 512), (1024, 14, 256), (1024, 7, 1024), (2048, 7, 512)]
FIRST = [(3, 224, 64, 7, 2), (3, 224, 64, 11, 4), (3, 224, 64, 3, 1), (1, 256, 32, 3, 1)]  # kernel and stride, too
KERNELS = {"direct": 3, "winograd_f2": 3, "winograd_f4": 3, "winograd_f5": 3, "winograd_f6": 3, "winograd_f2_5x5": 5, "strassen": 1}


def exact(x: np.ndarray, weight: np.ndarray, stride: int) -> np.ndarray:
    """The convolution, padded by half the kernel, in double."""
    kernel = weight.shape[2]
    size = x.shape[2]
    padded = np.pad(x.astype(np.float64), [(0, 0), (0, 0), *[(kernel // 2, kernel // 2)] * 2])
    taps = [(i, j) for i in range(kernel) for j in range(kernel)]
    seen = {(i, j): padded[:, :, i : i + size : stride, j : j + size : stride] for i, j in taps}
    return sum(np.einsum("oc,nchw->nohw", weight[:, :, i, j].astype(np.float64), seen[i, j]) for i, j in taps)


def program_of(algorithm: str, isa: str, shape: tuple[int, ...], weight: np.ndarray, stride: int) -> _core.Program:
    graph = _core.Graph()
    padding = [weight.shape[2] // 2] * 4
    attributes = {"stride": [stride] * 2, "padding": padding, "dilation": [1, 1], "groups": 1, "algorithm": algorithm}
    inputs = [graph.input("x", shape), graph.parameter(_core.Parameter(weight), "weight"), None]
    graph.outputs(graph.add("conv2d", inputs, attributes))
    return _core.Program(graph, isa=isa)


def errors(algorithm: str, layer: tuple[int, ...]) -> dict[str, float]:
    """The error of one layer, by ISA. Inputs are not negative, like the outputs of a ReLU."""
    channels, size, filters, kernel, stride = layer if len(layer) == 5 else (*layer, KERNELS[algorithm], 1)
    random = np.random.default_rng(0)
    x = np.maximum(random.standard_normal((1, channels, size, size)), 0).astype(np.float32)
    weight = (random.standard_normal((filters, channels, kernel, kernel)) / (kernel * channels**0.5)).astype(np.float32)
    wanted = exact(x, weight, stride)
    answers = {isa: program_of(algorithm, isa, x.shape, weight, stride).run([x])[0] for isa in _core.available_isas()}
    return {isa: float(np.abs(answer - wanted).max() / np.abs(wanted).max()) for isa, answer in answers.items()}


def main(page: str) -> None:
    isas = _core.available_isas()
    rows = []
    layers = {name: POINTWISE if kernel == 1 else LAYERS for name, kernel in KERNELS.items()} | {"first": FIRST, "first_winograd": FIRST}
    for algorithm in layers:
        found = [errors(algorithm, layer) for layer in layers[algorithm]]
        rows.append([f"`{algorithm}`", *(f"{max(each[isa] for each in found):.1e}" for isa in isas)])
    replace(page, "errors", rows_to_markdown(["Algorithm", *isas], rows) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
