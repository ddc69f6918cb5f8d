"""The machine that a benchmark ran on: its name, its ISA, and the measured speed limits of its multiply-adds and caches."""

from __future__ import annotations

import functools
from typing import Any

import fastcnn as fc
from fastcnn import _core
from fastcnn.running.machine import cpu_name

THREADS = sorted({1, fc.get_num_threads()})


@functools.cache
def peak(isa: str, threads: int) -> float:
    """GFLOP/s of a multiply-add loop, measured once in a run."""
    return _core.measure_peak(isa, threads)


@functools.cache
def bandwidth(isa: str, threads: int, size: int) -> float:
    """GB/s of a loop that copies, with `size` bytes read and written in total: the bandwidth of the cache that holds them."""
    return _core.measure_bandwidth(size, isa, threads)


def machine() -> dict[str, Any]:
    isa = _core.default_isa()
    peaks = {str(threads): round(peak(isa, threads), 1) for threads in THREADS}
    return {"cpu": cpu_name(), "isa": isa, "threads": THREADS, "peak_gflops": peaks}
