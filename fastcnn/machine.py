"""Threads, and what this build and this machine are."""

from __future__ import annotations

import platform
from typing import Any

from fastcnn import _core
from fastcnn.arguments import whole

__all__ = ["cpu_name", "get_num_threads", "info", "set_num_threads"]


def set_num_threads(threads: int) -> None:
    """How many threads a run uses where nothing else is said. Results do not depend on it."""
    _core.set_num_threads(whole("set_num_threads", "threads", threads, 1))


def get_num_threads() -> int:
    """OMP_NUM_THREADS, else the processors that this process may run on, if it was never set."""
    return _core.get_num_threads()


def cpu_name() -> str:
    """As the system calls the processor."""
    try:
        with open("/proc/cpuinfo") as file:
            names = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
    except OSError:
        names = []
    return names[0] if names else platform.processor() or platform.machine()


def info() -> dict[str, Any]:
    """isa: whose kernels run (FASTCNN_ISA chooses another), isas: those that this machine has, threads, and how the core was built."""
    import numpy

    from fastcnn import __version__

    machine = {"isa": _core.default_isa(), "isas": _core.available_isas(), "threads": _core.get_num_threads()}
    return {"version": __version__, **machine, "numpy": numpy.__version__, **_core.build_info()}
