"""Runs code in a fresh interpreter that sees the same modules as this one, with a time limit. Not for what can run in the test process."""

from __future__ import annotations

import os
import subprocess
import sys

TIMEOUT = 60


def python(code: str, check: bool = True, **environment: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join(p for p in sys.path if p)
    command = [sys.executable, "-W", "error", "-c", code]
    environment = {"PYTHONPATH": path, **environment}
    without = {name: value for name, value in os.environ.items() if name not in ("FASTCNN_ISA", "OMP_NUM_THREADS")}
    result = subprocess.run(command, env=without | environment, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    assert not check or result.returncode == 0, f"exit code {result.returncode}\n{result.stdout}\n{result.stderr}"
    return result
