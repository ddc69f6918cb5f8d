"""The machine that a benchmark ran on: its name, its ISA, and the measured speed limits of its multiply-adds and caches."""

from __future__ import annotations

import functools
import platform
from pathlib import Path
from typing import Any

import fastcnn as fc
from fastcnn import _core

THREADS = sorted({1, fc.get_num_threads()})


@functools.cache
def peak(isa: str, threads: int) -> float:
    """GFLOP/s of a multiply-add loop, measured once a run."""
    return _core.measure_peak(isa, threads)


@functools.cache
def bandwidth(isa: str, threads: int, size: int) -> float:
    """GB/s of a loop that copies, with `size` bytes read and written in all: that of the cache which holds them."""
    return _core.measure_bandwidth(size, isa, threads)


def cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def machine() -> dict[str, Any]:
    isa = _core.default_isa()
    peaks = {str(threads): round(peak(isa, threads), 1) for threads in THREADS}
    return {"cpu": cpu_name(), "isa": isa, "threads": THREADS, "peak_gflops": peaks}
