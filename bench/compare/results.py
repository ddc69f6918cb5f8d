"""Measurements, and the ratios and means computed from them. Pure, except for reading and writing the file of a run."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

__all__ = ["Measurement", "Row", "fastest_peer", "geometric_mean", "merged", "percentile", "ratio", "read_rows", "write_rows"]


@dataclass(frozen=True)
class Measurement:
    """An engine on a network. Times in seconds, memory in bytes."""

    form: str  # the file that it had loaded, as ENGINES names it
    median: float
    p99: float
    calls: int
    memory: int  # at the peak, above the engine's import
    start: float  # of a whole process, to the first answer
    difference: float  # from fastcnn's answer: max |difference| / max |y|
    idle: float  # share of a core that it used while others were timed


@dataclass
class Row:
    """A network with a number of threads."""

    network: str
    threads: int
    date: str
    measured: dict[str, Measurement] = field(default_factory=dict)  # by engine
    failures: dict[str, str] = field(default_factory=dict)  # by engine: why it has no measurement
    notes: list[str] = field(default_factory=list)  # forms that an engine could not load
    unrest: float = 0.0  # p99 / median of a loop of fixed work that takes as long as fastcnn's call, in the same rounds


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that is not exceeded by at least this share of all values."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def fastest_peer(row: Row) -> str | None:
    peers = {engine: entry.median for engine, entry in row.measured.items() if engine != "fastcnn"}
    return min(peers, key=peers.__getitem__) if peers else None


def ratio(row: Row) -> float | None:
    """fastcnn's time / the fastest peer's; None where one of them is missing."""
    peer = fastest_peer(row)
    if peer is None or "fastcnn" not in row.measured:
        return None
    return row.measured["fastcnn"].median / row.measured[peer].median


def geometric_mean(values: Iterable[float]) -> float | None:
    """None where there are no values."""
    logs = [math.log(value) for value in values]
    return math.exp(math.fsum(logs) / len(logs)) if logs else None


def merged(old: Iterable[Row], new: Iterable[Row], order: Sequence[str]) -> list[Row]:
    """The new rows, and the old rows of other networks or threads, in the order of the networks, then of the threads."""
    rows = {(row.network, row.threads): row for row in [*old, *new]}
    return sorted(rows.values(), key=lambda row: (order.index(row.network), row.threads))


def write_rows(path: Path, rows: Iterable[Row]) -> None:
    path.write_text(json.dumps([asdict(row) for row in rows], indent=1))


def read_rows(path: Path) -> list[Row]:
    rows = [Row(**entry) for entry in json.loads(path.read_text())]
    for row in rows:
        row.measured = {engine: Measurement(**entry) for engine, entry in dict(row.measured).items()}  # type: ignore[arg-type]
    return rows
