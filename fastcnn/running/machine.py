"""Threads, and what this build and this machine are."""

from __future__ import annotations

import platform
from typing import Any

from fastcnn._core import available_isas, build_info, default_isa
from fastcnn._core import get_num_threads as core_get_num_threads
from fastcnn._core import set_num_threads as core_set_num_threads
from fastcnn.support.arguments import whole
from fastcnn.support.version import __version__

__all__ = ["cpu_name", "get_num_threads", "info", "set_num_threads"]


def set_num_threads(threads: int) -> None:
    """Sets how many threads a run uses by default, at least 1. Results do not depend on it."""
    core_set_num_threads(whole("set_num_threads", "threads", threads, 1))


def get_num_threads() -> int:
    """How many threads a run uses by default: if never set, OMP_NUM_THREADS, else the processors that this process may run on."""
    return core_get_num_threads()


def cpu_name() -> str:
    """The name of the processor, as the system reports it."""
    try:
        with open("/proc/cpuinfo") as file:
            names = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
    except OSError:
        names = []
    return names[0] if names else platform.processor() or platform.machine()


def info() -> dict[str, Any]:
    """isa: that of the kernels in use (FASTCNN_ISA chooses another), isas: those of this machine, threads, and how the core was built."""
    import numpy

    machine = {"isa": default_isa(), "isas": available_isas(), "threads": core_get_num_threads()}
    return {"version": __version__, **machine, "numpy": numpy.__version__, **build_info()}
