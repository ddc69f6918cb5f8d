"""The coordinator's side: starts the process of an engine, which answers once, and sends commands to it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import threading
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

__all__ = ["BENCH", "EngineError", "Worker", "environment", "last_line"]

BENCH = Path(__file__).parents[1]  # where `compare` can be imported from, and the sources of fastcnn cannot
PATIENCE = 600  # seconds for an answer


class EngineError(Exception):
    """The message of an engine that failed, in one line."""


def environment(threads: int) -> dict[str, str]:
    """Sets OMP_NUM_THREADS for libraries without a setting of their own."""
    return {**os.environ, "OMP_NUM_THREADS": str(threads), "PYTHONDONTWRITEBYTECODE": "1"}


def last_line(log: Path) -> str:
    """The last line that is not empty: for a Python program that failed, the exception."""
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1][:200] if lines else "no message"


class Worker:
    """An engine in a process of its own. `started` is the time from the start of the process to the first answer, in seconds."""

    def __init__(self, python: Path, engine: str, file: Path, threads: int, log: Path) -> None:
        self.engine = engine
        self._log = log
        command = [str(python), "-m", "compare.worker", engine, str(file.resolve()), str(threads)]
        begin = perf_counter()
        with log.open("w") as errors:
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True, cwd=BENCH, env=environment(threads)
            )
        self._base = self._answer()["base"]
        self.started = perf_counter() - begin

    def _answer(self) -> Any:
        assert self._process.stdout
        watch = threading.Timer(PATIENCE, self._process.kill)
        watch.start()
        line = self._process.stdout.readline()
        watch.cancel()
        if not line:
            status = self.close()
            cause = f"ended by signal {-status}" if status < 0 else last_line(self._log)
            raise EngineError(cause)
        return json.loads(line)

    def rest(self) -> None:
        """Stops all threads of the process until the next command: some spin for 40 ms after their work, or without end."""
        self._process.send_signal(signal.SIGSTOP)

    def _ask(self, command: str) -> Any:
        self._process.send_signal(signal.SIGCONT)
        assert self._process.stdin
        with contextlib.suppress(BrokenPipeError):  # the process has ended: _answer raises the error
            self._process.stdin.write(command + "\n")
            self._process.stdin.flush()
        return self._answer()

    def time(self, calls: int, warmup: int = 0) -> list[float]:
        """The seconds of each call."""
        return self._ask(f"time {calls} {warmup}")

    def answer(self, file: Path) -> np.ndarray:
        self._ask(f"save {file.resolve()}")
        return np.load(file)

    def memory(self) -> int:
        """Bytes at the peak, above what the interpreter, NumPy and the engine's import had taken."""
        return self._ask("peak") - self._base

    def cpu_seconds(self) -> float:
        """The CPU time of all threads of the process so far."""
        total = 0
        for task in Path(f"/proc/{self._process.pid}/task").iterdir():
            total += int((task / "schedstat").read_text().split()[0])
        return total * 1e-9

    def close(self) -> int:
        """Ends the process and returns its exit status. An engine that does not end by itself is killed."""
        assert self._process.stdin and self._process.stdout
        self._process.send_signal(signal.SIGCONT)
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            status = self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            status = self._process.wait()
        self._process.stdout.close()
        return status
