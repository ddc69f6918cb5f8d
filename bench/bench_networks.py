"""Whole networks, batch 1, measured by pytest-benchmark: the engines, files and processes of compare/, one after the other.

PEERS names the environment with the peers; without it fastcnn runs alone. `python bench/compare` is the comparison, in which the engines
take turns. Each engine measures the time in its own process, so the stored statistics do not include the communication between processes.
"""

from __future__ import annotations

import os

import numpy as np
import pytest
from compare.contest import TOLERANCE, Place, difference, trial
from compare.convert import Conversions
from compare.engines import DEFAULT_ENGINES, ENGINES
from compare.networks import NETWORKS
from compare.process import EngineError, Worker
from machine import THREADS

PEERS = os.environ.get("PEERS")
ROUND_SECONDS = 0.02
ROUNDS = 30
FORMS = [(engine, form) for engine in DEFAULT_ENGINES for form in ENGINES[engine].forms if PEERS or engine == "fastcnn"]
_clock = 0.0


def engine_clock() -> float:
    """The seconds of a call, added over the rounds so far: the clock of pytest-benchmark."""
    return _clock


@pytest.fixture(scope="module")
def answers() -> dict[str, np.ndarray]:
    """The first engine's answers: those of the others must be the same."""
    return {}


def started(place: Place, conversions: Conversions, engine: str, form: str, name: str, threads: int) -> Worker:
    """Starts an engine. Skips the benchmark, with the cause, where the engine cannot run the network."""
    file = ENGINES[engine].forms[form]
    unmade = conversions.of(name, print)
    if file in unmade:
        pytest.skip(unmade[file])
    try:
        return place.worker(engine, name, file, threads)
    except EngineError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize(("engine", "form"), FORMS, ids=lambda part: part.replace(" ", "_"))
@pytest.mark.parametrize("threads", THREADS)
@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.benchmark(timer=engine_clock)
def bench_network(benchmark, report_row, place, conversions, answers, name, threads, engine, form):
    worker = started(place, conversions, engine, form, name, threads)

    def round_() -> None:
        global _clock
        seconds = worker.time(calls)
        _clock += sum(seconds) / calls

    try:
        answer = worker.answer(place.logs / "answer.npy")
        assert difference(answer, answers.setdefault(name, answer)) <= TOLERANCE
        calls = max(1, int(ROUND_SECONDS / trial(worker)))
        benchmark.pedantic(round_, rounds=ROUNDS, iterations=1)
    finally:
        worker.close()
    benchmark.extra_info.update(network=NETWORKS[name].title, threads=threads, engine=engine, form=form)
    row = (NETWORKS[name].title, ENGINES[engine].title, form, f"{threads} threads", f"{1e3 * benchmark.stats.stats.median:9.4f} ms")
    report_row(*row)
