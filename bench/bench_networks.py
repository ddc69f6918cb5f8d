"""Whole networks, batch 1, beside PyTorch and ONNX Runtime where they are installed: each engine in a process of its own, in turn.

The time is the engine's own, sent back by its process, so the stored statistics are those of a call without the way there.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from engine import ENGINES
from machine import THREADS
from measured import NETWORKS

ROUND_SECONDS = 0.02
ROUNDS = 50
_clock = 0.0


def engine_clock() -> float:
    """Seconds a call, summed over the rounds so far: what pytest-benchmark takes for the time."""
    return _clock


class Engine:
    def __init__(self, engine: str, name: str, threads: int) -> None:
        command = [sys.executable, str(Path(__file__).with_name("engine.py")), engine, name, str(threads)]
        environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
        self.answer = np.array(json.loads(self._line()))
        self.calls = 1
        while (seconds := self._seconds(self.calls)) < ROUND_SECONDS:  # also warms it up
            self.calls = max(self.calls + 1, int(self.calls * min(10, 1.2 * ROUND_SECONDS / seconds)))

    def _line(self) -> str:
        assert self.process.stdout
        line = self.process.stdout.readline()
        assert line, "the engine's process ended, see its message above"
        return line

    def _seconds(self, calls: int) -> float:
        assert self.process.stdin
        self.process.stdin.write(f"{calls}\n")
        self.process.stdin.flush()
        return float(self._line())

    def round(self) -> None:
        global _clock
        _clock += self._seconds(self.calls) / self.calls

    def close(self) -> None:
        self.process.communicate()


def installed(engine: str) -> bool:
    needs = {"onnxruntime": ["onnxruntime", "onnx"]}.get(engine, [engine])
    return all(importlib.util.find_spec(package) for package in needs)


@pytest.fixture(scope="module")
def answers() -> dict[str, np.ndarray]:
    """The first engine's answers: the others must say the same."""
    return {}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("threads", THREADS)
@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.benchmark(timer=engine_clock)
def bench_network(benchmark, report_row, answers, name, threads, engine):
    if not installed(engine):
        pytest.skip(f"{engine} is not installed")
    process = Engine(engine, name, threads)
    try:
        expected = answers.setdefault(name, process.answer)
        np.testing.assert_allclose(process.answer, expected, rtol=0, atol=1e-4 * np.abs(expected).max())
        benchmark.pedantic(process.round, rounds=ROUNDS, iterations=1)
    finally:
        process.close()
    benchmark.extra_info.update(network=name, threads=threads, engine=engine)
    report_row(name, engine, f"{threads} threads", f"{1e3 * benchmark.stats.stats.median:9.4f} ms")
