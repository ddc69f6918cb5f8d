"""One network with one number of threads, all engines in turn: while one is timed, the processes of the others are stopped."""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import NamedTuple

import numpy as np

from compare.engines import ENGINES
from compare.process import EngineError, Worker
from compare.results import Measurement, Row, percentile

__all__ = ["Budget", "Contest", "Place", "difference", "trial"]

SETTLE = 0.005  # seconds between two turns, in which the system stops the other processes
TRIAL = 0.2  # seconds of warm-up, and of the trial after it
WARM = 0.02  # seconds of warm-up at each turn: the caches hold another engine's data
MOST_CALLS = 2000
TOLERANCE = 5e-3  # relative to max |y|: a different network differs by 0.1 and more, MNN's arithmetic by up to 1e-3


class Budget(NamedTuple):
    rounds: int
    seconds: float  # of timed calls, for each engine
    starts: int  # processes for the cold start


class Place(NamedTuple):
    """Folders, and the interpreters of the two environments."""

    models: Path  # has a folder for each network
    logs: Path
    own_python: Path
    peers_python: Path | None

    def worker(self, engine: str, network: str, file: str, threads: int) -> Worker:
        python = self.own_python if engine == "fastcnn" else self.peers_python
        if python is None:
            raise EngineError("no environment with the peers was given")
        log = self.logs / f"{network}_{engine}_{threads}.log"
        return Worker(python, engine, self.models / network / file, threads, log)


@dataclass(eq=False)
class Contestant:
    engine: str
    form: str
    worker: Worker
    call: float  # seconds, as the trial measured
    difference: float
    seconds: list[float] = field(default_factory=list)
    idle_cpu: float = 0.0
    idle_wall: float = 0.0
    memory: int = 0
    starts: list[float] = field(default_factory=list)


def difference(answer: np.ndarray, reference: np.ndarray) -> float:
    """max |answer - reference| / max |reference|; infinite for an answer of another size or with NaN."""
    if answer.size != reference.size:
        return float("inf")
    worst = np.abs(answer.ravel() - reference.ravel()).max() / np.abs(reference).max()
    return float(worst) if np.isfinite(worst) else float("inf")


def trial(worker: Worker) -> float:
    """Warms an engine up and returns the median seconds of a call."""
    first = worker.time(1)[0]
    worker.time(1, warmup=min(MOST_CALLS, int(TRIAL / first)))
    return median(worker.time(1 + min(MOST_CALLS, int(TRIAL / first))))


class FixedLoop:
    """A loop that does the same work each time and takes about `seconds`. Its percentiles show the noise of the machine itself."""

    def __init__(self, seconds: float) -> None:
        self._steps = 1000
        self._steps = max(1, int(self._steps * seconds / median(self.time(20))))

    def time(self, calls: int) -> list[float]:
        found = []
        for _ in range(calls):
            start = time.perf_counter()
            for _ in range(self._steps):
                pass
            found.append(time.perf_counter() - start)
        return found


class Contest:
    def __init__(self, place: Place, network: str, threads: int, budget: Budget, unmade: dict[str, str]) -> None:
        """unmade: for each file of this network that is missing, the cause."""
        self._place = place
        self._network = network
        self._threads = threads
        self._budget = budget
        self._unmade = unmade
        self.row = Row(network, threads, datetime.date.today().isoformat())
        self._contestants: list[Contestant] = []
        self._reference: np.ndarray | None = None

    def run(self, engines: list[str], report: Callable[[str], None]) -> Row:
        """fastcnn must come first: its answer is the reference."""
        try:
            for engine in engines:
                report(f"[compare] {self._network}, threads {self._threads}: {ENGINES[engine].title}")
                self._enter(engine)
            self._rounds()
            for entry in list(self._contestants):
                self._attempt(entry, self._weigh)
        finally:
            for entry in self._contestants:
                entry.worker.close()
        for entry in self._budget.starts * self._contestants:  # in turn; the files are in the system's cache
            self._attempt(entry, self._cold_start)
        for entry in self._contestants:
            self.row.measured[entry.engine] = measurement(entry)
        return self.row

    def _attempt(self, entry: Contestant, action: Callable[[Contestant], None]) -> None:
        """Runs the action. An engine that fails takes no further part."""
        if entry in self._contestants:
            try:
                action(entry)
            except EngineError as error:
                self._contestants.remove(entry)
                self.row.failures[entry.engine] = str(error)

    def _enter(self, engine: str) -> None:
        """Lets the engine's fastest form take part. Forms that fail are noted."""
        entries = []
        causes = []
        for form, file in ENGINES[engine].forms.items():
            try:
                entries.append(self._contestant(engine, form, file))
            except EngineError as error:
                causes.append(str(error))
                self.row.notes.append(f"{ENGINES[engine].title}, {form}: {error}")
        entries.sort(key=lambda entry: entry.call)
        for entry in entries[1:]:
            entry.worker.close()
        self._contestants += entries[:1]
        if not entries:
            self.row.failures[engine] = causes[0]

    def _contestant(self, engine: str, form: str, file: str) -> Contestant:
        if file in self._unmade:
            raise EngineError(self._unmade[file])
        worker = self._place.worker(engine, self._network, file, self._threads)
        try:
            answer = worker.answer(self._place.logs / "answer.npy")
            if self._reference is None:
                self._reference = answer
            far = difference(answer, self._reference)
            if far > TOLERANCE:
                raise EngineError(f"another answer than the first engine's, by {far:.1e} of the largest number")
            entry = Contestant(engine, form, worker, trial(worker), far)
            worker.rest()
            return entry
        except EngineError:
            worker.close()
            raise

    def _rounds(self) -> None:
        """Each round begins with another engine, so that no engine always follows the same one."""
        ours = next((entry for entry in self._contestants if entry.engine == "fastcnn"), None)
        loop = FixedLoop(ours.call) if ours else None
        unrest: list[float] = []
        for number in range(self._budget.rounds):
            shift = number % max(1, len(self._contestants))
            for entry in self._contestants[shift:] + self._contestants[:shift]:
                self._attempt(entry, self._turn)
            if ours and loop:
                unrest += loop.time(self._calls(ours))
        self.row.unrest = percentile(unrest, 0.99) / median(unrest) if unrest else 0.0

    def _calls(self, entry: Contestant) -> int:
        most = -(-MOST_CALLS // self._budget.rounds)
        return max(1, min(most, round(self._budget.seconds / self._budget.rounds / entry.call)))

    def _turn(self, entry: Contestant) -> None:
        time.sleep(SETTLE)
        others = [other for other in self._contestants if other is not entry]
        before = [other.worker.cpu_seconds() for other in others]
        begin = time.perf_counter()
        entry.seconds += entry.worker.time(self._calls(entry), warmup=1 + min(MOST_CALLS, int(WARM / entry.call)))
        wall = time.perf_counter() - begin
        entry.worker.rest()
        for other, cpu in zip(others, before, strict=True):
            other.idle_cpu += other.worker.cpu_seconds() - cpu
            other.idle_wall += wall

    def _weigh(self, entry: Contestant) -> None:
        entry.memory = entry.worker.memory()

    def _cold_start(self, entry: Contestant) -> None:
        worker = self._place.worker(entry.engine, self._network, ENGINES[entry.engine].forms[entry.form], self._threads)
        entry.starts.append(worker.started)
        worker.close()


def measurement(entry: Contestant) -> Measurement:
    return Measurement(
        form=entry.form,
        median=median(entry.seconds),
        p99=percentile(entry.seconds, 0.99),
        calls=len(entry.seconds),
        memory=entry.memory,
        start=median(entry.starts) if entry.starts else 0.0,
        difference=entry.difference,
        idle=entry.idle_cpu / entry.idle_wall if entry.idle_wall else 0.0,
    )
