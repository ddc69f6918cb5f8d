"""One engine with one network in a process of its own: `python -m compare.worker ENGINE FILE THREADS`.

It computes one answer and prints {"base": bytes}; then it runs the commands that it reads, one in a line:
    time CALLS WARMUP   -> [seconds of each call after the warm-up]
    save FILE           -> null, after it has written an answer to this .npy file
    peak                -> bytes of resident memory, the most since the engine was imported
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np


def memory_of(field: str) -> int:
    """VmRSS (the resident memory) or VmHWM (its maximum so far) of this process, in bytes."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith(field))


def forget_peak() -> None:
    """Sets VmHWM to VmRSS."""
    with open("/proc/self/clear_refs", "w") as clear:
        clear.write("5")


def seconds_of(call: Any, calls: int, warmup: int) -> list[float]:
    for _ in range(warmup):
        call()
    seconds = []
    for _ in range(calls):
        start = perf_counter()
        call()
        seconds.append(perf_counter() - start)
    return seconds


def main(engine: str, file: str, threads: str) -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # some engines print
    load = importlib.import_module(f"compare.engines.{engine}").load
    forget_peak()
    base = memory_of("VmRSS")
    path = Path(file)
    call = load(path, np.load(path.with_name("input.npy")), int(threads))
    call()
    reply: Any = {"base": base}
    while True:
        print(json.dumps(reply), file=answers, flush=True)
        command, *words = sys.stdin.readline().split() or ["end"]
        if command == "end":
            break
        if command == "time":
            reply = seconds_of(call, *map(int, words))
        elif command == "save":
            reply = np.save(words[0], call())
        elif command == "peak":
            reply = memory_of("VmHWM")
    answers.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
