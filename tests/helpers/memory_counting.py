"""Runs code in a fresh interpreter where tests/cpp/memory_counter.cpp stands in for malloc and mmap: what is counted is what is called,
not what fastcnn says of itself. The code sees `counter`, and prints what it found as one line of JSON."""

from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

SOURCE = Path(__file__).parents[1] / "cpp" / "memory_counter.cpp"
TIMEOUT = 200

PRELUDE = """
import ctypes, json, resource, sys
import numpy as np
import fastcnn as fc

class Counter:
    def __init__(self):
        library = ctypes.CDLL(None)
        library.memory_counter_watch.argtypes = [ctypes.c_size_t, ctypes.c_size_t]
        for name in ("calls", "held", "most"):
            function = getattr(library, f"memory_counter_{name}")
            function.restype = ctypes.c_int64
            setattr(self, name, function)
        self.forget_most = library.memory_counter_forget_most
        lines = [line.split() for line in open("/proc/self/maps") if fc._core.__file__ in line]
        places = [int(place, 16) for line in lines for place in line[0].split("-")]
        library.memory_counter_watch(min(places), max(places))

    @staticmethod
    def faults():
        return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

    @staticmethod
    def resident(field="VmRSS"):
        with open("/proc/self/status") as status:
            return next(int(line.split()[1]) * 1024 for line in status if line.startswith(field))

    @staticmethod
    def forget_peak():
        with open("/proc/self/clear_refs", "w") as clear:
            clear.write("5")

def pages(size):
    return -(-size // 4096) * 4096

def buffer(size):
    "What an aligned buffer of so many bytes takes: whole pages from 2 MB on, whole cache lines below."
    return pages(size) if size >= 2 << 20 else -(-size // 64) * 64

counter = Counter()
"""


@functools.cache
def library() -> Path:
    """The counter, compiled once a process into a folder that goes with it."""
    compiler = os.environ.get("CXX") or shutil.which("c++")
    if not compiler or not sys.platform.startswith("linux"):
        pytest.skip("there is no C++ compiler, or this is no Linux")
    if os.environ.get("LD_PRELOAD"):
        pytest.skip("a sanitizer counts already")
    folder = tempfile.TemporaryDirectory(prefix="memory_counter")
    library.folder = folder  # type: ignore[attr-defined]  # removed when the process ends
    path = Path(folder.name) / "memory_counter.so"
    subprocess.run([compiler, "-std=c++20", "-O2", "-shared", "-fPIC", "-o", str(path), str(SOURCE)], check=True, timeout=TIMEOUT)
    return path


def counted(code: str, *arguments: str, **environment: str) -> Any:
    """What the code printed, from JSON."""
    without = {name: value for name, value in os.environ.items() if name not in ("FASTCNN_ISA", "OMP_NUM_THREADS")}
    path = os.pathsep.join(p for p in sys.path if p)
    environment = {**without, "PYTHONPATH": path, "LD_PRELOAD": str(library()), **environment}
    command = [sys.executable, "-W", "error", "-c", PRELUDE + code, *arguments]
    done = subprocess.run(command, cwd=SOURCE.parent, env=environment, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return json.loads(done.stdout.splitlines()[-1])
