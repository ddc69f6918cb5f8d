"""Convolution layers of known networks on every ISA of this machine, each as a program with arena, ring and epilogue.

pytest-benchmark measures whole calls, with the change of layout at both ends. The share of the measured peak is that of the convolution
alone, at its fastest in the program's own profile. It counts the multiply-adds of direct sums, so with Winograd it may exceed 100 %;
direct sums are measured beside it. The floor is the longer of two times: that of the multiply-adds at the peak, and that of reading and
writing input, weights and output at the measured bandwidth of the cache that holds them.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from machine import THREADS, bandwidth, peak

from fastcnn import _core

LEAST_PROFILES = 30  # of one layer: on a shared machine a short layer needs many runs until one is undisturbed
LEAST_SECONDS = 0.2


class Layer(NamedTuple):
    name: str
    channels: int
    height: int
    width: int
    filters: int
    kernel: int
    stride: int
    padding: int
    groups: int

    def __str__(self) -> str:
        return self.name

    @property
    def bytes(self) -> int:
        """Bytes of input, weights and output together."""
        height, width = ((size + 2 * self.padding - self.kernel) // self.stride + 1 for size in (self.height, self.width))
        weights = self.filters * self.channels // self.groups * self.kernel**2
        return 4 * (self.channels * self.height * self.width + weights + self.filters * height * width)


def layers() -> list[Layer]:
    found = []
    for path in sorted(Path(__file__).parent.glob("shapes/*.txt")):
        for line in path.read_text().splitlines():
            if fields := line.split("#")[0].split():
                found.append(Layer(f"{path.stem}/{fields[0]}", *map(int, fields[1:])))
    return found


def algorithms(layer: Layer) -> list[str]:
    """The algorithms to measure. "" is the one that the cost model chooses; where it may be Winograd, direct sums are measured, too."""
    return ["", "direct"] if layer.kernel in (3, 5) and layer.stride == 1 and layer.groups == 1 else [""]


def program_of(layer: Layer, isa: str, algorithm: str) -> _core.Program:
    random = np.random.default_rng(0)
    weight = random.standard_normal((layer.filters, layer.channels // layer.groups, layer.kernel, layer.kernel), dtype=np.float32)
    graph = _core.Graph()
    x = graph.input("x", (1, layer.channels, layer.height, layer.width))
    inputs = [x, graph.parameter(_core.Parameter(weight), "weight"), graph.parameter(_core.Parameter(weight[:, 0, 0, 0].copy()), "bias")]
    attributes = {
        "stride": [layer.stride] * 2,
        "padding": [layer.padding] * 4,
        "dilation": [1, 1],
        "groups": layer.groups,
        "activation": "relu",
        "activation_a": 0.0,
        "activation_b": 0.0,
    } | ({"algorithm": algorithm} if algorithm else {})
    graph.outputs(graph.add("conv2d", inputs, attributes, layer.name))
    return _core.Program(graph, isa=isa)


def best_step(program: _core.Program, x: np.ndarray, threads: int) -> dict:
    """The convolution's row of the profile, at its fastest."""
    steps: list[dict] = []
    end = time.perf_counter() + LEAST_SECONDS
    while len(steps) < LEAST_PROFILES or time.perf_counter() < end:
        steps.append(max(program.profile([x], threads=threads), key=lambda step: step["flops"]))
    return min(steps, key=lambda step: step["seconds"])


@pytest.mark.parametrize("threads", THREADS)
@pytest.mark.parametrize("isa", _core.available_isas())
@pytest.mark.parametrize(("layer", "algorithm"), [(layer, algorithm) for layer in layers() for algorithm in algorithms(layer)], ids=str)
def bench_convolution(benchmark, report_row, layer, algorithm, isa, threads):
    program = program_of(layer, isa, algorithm)
    x = np.random.default_rng(1).standard_normal((1, layer.channels, layer.height, layer.width), dtype=np.float32)
    out = program.run([x], threads=threads)
    benchmark(program.run, [x], out, threads=threads)
    step = best_step(program, x, threads)
    gflops = step["flops"] / step["seconds"] * 1e-9
    floor = max(step["flops"] / peak(isa, threads), layer.bytes / bandwidth(isa, threads, layer.bytes)) * 1e-9
    benchmark.extra_info.update(
        layer=layer.name,
        isa=isa,
        threads=threads,
        algorithm=step["algorithm"],
        layer_ms=1e3 * step["seconds"],
        gflops=gflops,
        share=gflops / peak(isa, threads),
        share_of_floor=floor / step["seconds"],
    )
    report_row(
        layer.name,
        step["algorithm"],
        isa,
        f"{threads} threads",
        f"{1e3 * step['seconds']:9.4f} ms",
        f"{gflops:7.1f} GFLOP/s",
        f"{gflops / peak(isa, threads):4.0%} of peak",
        f"{floor / step['seconds']:4.0%} of floor",
    )
