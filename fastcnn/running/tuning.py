"""Tuning: the algorithm of each convolution on this machine, measured instead of estimated.

For each algorithm the whole network is compiled, with that algorithm in every convolution that can take it, and its steps are timed: each
candidate is measured with the caches, layouts and neighbours that it will have. The fastest are kept in a small JSON file for this
processor and this ISA, by shape. They hold for every network and any number of threads: a shape is measured once, and the bits stay the
same.
"""

from __future__ import annotations

import json
import os
import re
import warnings
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from statistics import median
from threading import get_ident

import numpy as np

from fastcnn._core import Program, conv2d_algorithms, default_isa
from fastcnn.running.machine import cpu_name
from fastcnn.support.arrays import Shape
from fastcnn.support.records import TimedStep
from fastcnn.support.version import __version__

__all__ = ["cache_file", "tuned_choices"]

_RUNS = 15  # timed runs of each algorithm
_LEAST_GAIN = 0.03  # the share of time that an algorithm must save against the cost model's choice: less may be noise

_WORTH = {"winograd_f6": 0.93}  # has the largest error: it must save a tenth, as in the cost model

Compile = Callable[[dict[str, str]], Program]  # compiles the network with these choices: algorithms by problem


def cache_file() -> Path:
    """The file of this processor and ISA, in the folder FASTCNN_CACHE, else $XDG_CACHE_HOME/fastcnn, else ~/.cache/fastcnn."""
    folder = os.environ.get("FASTCNN_CACHE")
    if not folder:
        folder = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "fastcnn")
    return Path(folder) / (re.sub(r"[^a-z0-9]+", "-", f"{cpu_name()} {default_isa()}".lower()).strip("-") + ".json")


def tuned_choices(compile_: Compile, shapes: Sequence[Shape], threads: int) -> dict[str, str]:
    """The fastest algorithm of each convolution, by the text of its problem: from the file, or measured and added to it."""
    model = compile_({})
    problems = {step["problem"] for step in model.steps if "problem" in step}
    known = _read()
    if not problems <= known.keys():
        measured = _measured(compile_, model, shapes, threads)
        known = {**measured, **_read(warn=False)}  # entries of the file stay: other programs were compiled with them
        _write(known)
    return {problem: known[problem] for problem in problems if problem in known}


def _measured(compile_: Compile, model: Program, shapes: Sequence[Shape], threads: int) -> dict[str, str]:
    """The fastest algorithm of each problem. model: the program with the choices of the cost model."""
    times = _times(model, shapes, threads)
    best = {problem: min(taken.items(), key=lambda item: item[1]) for problem, taken in times.items()}
    limit = {problem: (1 - _LEAST_GAIN) * seconds for problem, (_, seconds) in best.items()}
    for name in conv2d_algorithms():
        program = compile_({"*": name})
        if [step.get("choice") for step in program.steps] == [step.get("choice") for step in model.steps]:
            continue
        for problem, taken in _times(program, shapes, threads).items():
            seconds = taken.get(name)
            if problem not in best:  # the model's program computes it within a larger step
                continue
            if seconds is not None and seconds < min(limit[problem] * _WORTH.get(name, 1.0), best[problem][1]):
                best[problem] = name, seconds
    return {problem: name for problem, (name, _) in best.items()}


def _times(program: Program, shapes: Sequence[Shape], threads: int) -> dict[str, dict[str, float]]:
    """The seconds of a convolution, by problem and algorithm: the median over runs of the mean over steps with both."""
    inputs = [np.zeros(shape, np.int32) for shape in shapes]  # inputs of every type take integers, indices among them
    program.run(inputs, None, threads)  # prepares weights and touches every page
    runs = [_run_times(program.profile(inputs, threads)) for _ in range(_RUNS)]
    times: dict[str, dict[str, float]] = defaultdict(dict)
    for problem, name in runs[0]:
        times[problem][name] = median(run[problem, name] for run in runs)
    return times


def _run_times(steps: list[TimedStep]) -> dict[tuple[str, str], float]:
    """The mean seconds of a convolution in one run, with a copy right before it and a pooling right after it.

    Some algorithms do the pooling in the same step.
    """
    found: dict[tuple[str, str], list[float]] = defaultdict(list)  # by problem and algorithm
    last: list[float] | None = None
    copied = 0.0
    for step in steps:
        if "problem" in step:
            last = found[step["problem"], step["choice"]]
            last.append(step["seconds"] + copied)
        elif last is not None and step["op"] == "max_pool":
            last[-1] += step["seconds"]
            last = None
        else:
            last = None
        copied = step["seconds"] if step["op"] == "reorder" else 0.0
    return {key: sum(seconds) / len(seconds) for key, seconds in found.items()}


def _read(warn: bool = True) -> dict[str, str]:
    """The choices in the file, if this version of fastcnn wrote it: others may have other algorithms. warn: if the file is broken."""
    try:
        content = json.loads(cache_file().read_text())
        if content["version"] == __version__:
            return {str(problem): str(name) for problem, name in content["choices"].items()}
    except (FileNotFoundError, NotADirectoryError):
        pass
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        if warn:
            warnings.warn(f"[compile] the tuning file cannot be read and is made anew. Got {cache_file()}: {error}.", stacklevel=2)
    return {}


def _write(choices: dict[str, str]) -> None:
    """Writes the file, whole or not at all. Where that fails, a warning: the choices hold for this program alone."""
    path = cache_file()
    part = path.with_name(f"{path.name}.{os.getpid()}.{get_ident()}.part")
    content = {"cpu": cpu_name(), "isa": default_isa(), "version": __version__, "choices": dict(sorted(choices.items()))}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(json.dumps(content, indent=1) + "\n")
        part.replace(path)
    except OSError as error:
        with suppress(OSError):
            part.unlink()
        warnings.warn(f"[compile] what was measured could not be kept. Got {path}: {error}.", stacklevel=2)
