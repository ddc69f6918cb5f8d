"""The page of results from the rows of a run: tables of Markdown. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from compare.engines import ENGINES, FASTCNN, PYTORCH
from compare.networks import GEOMETRIC_MEAN_TARGET, NETWORKS
from compare.results import Measurement, Row, fastest_peer, geometric_mean, ratio

__all__ = ["Machine", "page", "summary"]

MARKS = {FASTCNN: " F", PYTORCH: " P"}


class Machine(NamedTuple):
    cpu: str
    isa: str
    versions: dict[str, str | None]  # by engine; None: not installed


def page(rows: Sequence[Row], machine: Machine) -> str:
    parts = [HEAD.format(dates=_dates(rows), cpu=machine.cpu, isa=machine.isa, versions=_versions(machine))]
    for threads in sorted({row.threads for row in rows}):
        chosen = [row for row in rows if row.threads == threads]
        parts.append(f"## {'1 thread' if threads == 1 else f'{threads} threads'}\n\n{_times(chosen)}\n\n{summary(chosen)}")
        for title, cell in DETAILS.items():
            parts.append(f"### {title}\n\n{_detail(chosen, cell)}")
    parts.append("## Failures, and CPU time of stopped engines\n\n" + _troubles(rows))
    return "\n\n".join(parts) + "\n"


HEAD = """# fastcnn beside its peers

Written by `make compare`, {dates}, on {cpu}, fastcnn's kernels for {isa}. {versions}.

One image, float32. Each engine runs in a process of its own; in each round all of them are timed in turn, the others stopped.
Peers load fastcnn's ONNX export (F) or PyTorch's own export of the same network (P), whichever was the faster in a trial; ncnn and MNN load
what their converters make of them (ncnn's P comes from TorchScript). PyTorch runs the network itself. Every engine's answer is compared
with fastcnn's."""

Cell = Callable[[Row, Measurement], str]

DETAILS: dict[str, Cell] = {
    "99th percentile, ms (x the median)": lambda row, entry: f"{_ms(entry.p99)} (x{entry.p99 / entry.median:.2f})",
    "Peak resident memory above the engine's import, MB": lambda row, entry: f"{entry.memory / 2**20:.1f}",
    "Cold start: whole process, from import to the first answer, ms": lambda row, entry: f"{1e3 * entry.start:.0f}",
    "Largest difference from fastcnn's answer / its largest number": lambda row, entry: f"{entry.difference:.0e}",
    "Timed calls": lambda row, entry: str(entry.calls),
}


def _ms(seconds: float) -> str:
    """Three digits."""
    value = 1e3 * seconds
    return f"{value:.3f}" if value < 1 else f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:.0f}"


def _table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    rule = ["---", *["---:"] * (len(head) - 1)]
    return "\n".join("| " + " | ".join(line) + " |" for line in [head, rule, *lines])


def _engines(rows: Sequence[Row]) -> list[str]:
    """The engines that were asked for, in the order of ENGINES."""
    return [engine for engine in ENGINES if any(engine in row.measured or engine in row.failures for row in rows)]


def _times(rows: Sequence[Row]) -> str:
    engines = _engines(rows)
    head = ["Median, ms", *(ENGINES[engine].title for engine in engines), "fastest peer", "fastcnn / it", "target", "reached"]
    lines = []
    for row in rows:
        peer = fastest_peer(row)
        found = ratio(row)
        target = NETWORKS[row.network].target
        verdict = "-" if found is None else "yes" if found <= target else "no"
        times = [_time(row, engine) for engine in engines]
        name = ENGINES[peer].title if peer else "-"
        lines.append([NETWORKS[row.network].title, *times, name, _two(found), f"{target:.2f}", verdict])
    return _table(head, lines)


def _time(row: Row, engine: str) -> str:
    if engine not in row.measured:
        return "failed" if engine in row.failures else "-"
    return _ms(row.measured[engine].median) + MARKS.get(row.measured[engine].form, "")


def _two(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def summary(rows: Sequence[Row]) -> str:
    """The geometric mean, and how many targets were reached."""
    found = {row.network: value for row in rows if (value := ratio(row)) is not None}
    reached = sum(value <= NETWORKS[name].target for name, value in found.items())
    mean = _two(geometric_mean(found.values()))
    return (
        f"Geometric mean of fastcnn / fastest peer over {len(found)} of {len(NETWORKS)} networks: **{mean}** "
        f"(target {GEOMETRIC_MEAN_TARGET:.2f}). Targets reached: {reached} of {len(found)}."
    )


def _detail(rows: Sequence[Row], cell: Cell) -> str:
    engines = _engines(rows)
    percentiles = cell is next(iter(DETAILS.values()))
    head = ["", *(ENGINES[engine].title for engine in engines), *(["loop of fixed work"] if percentiles else [])]
    lines = []
    for row in rows:
        cells = [cell(row, row.measured[engine]) if engine in row.measured else "-" for engine in engines]
        lines.append([NETWORKS[row.network].title, *cells, *([f"x{row.unrest:.2f}"] if percentiles else [])])
    return _table(head, lines)


def _troubles(rows: Sequence[Row]) -> str:
    notes: dict[str, list[str]] = {}  # each failure once, with all its networks
    for row in rows:
        causes = [f"{ENGINES[engine].title} failed: {cause}" for engine, cause in row.failures.items()]
        for note in [*causes, *row.notes]:
            notes.setdefault(note, []).append(f"{NETWORKS[row.network].title} ({row.threads})")
    lines = [f"- {note}. {', '.join(networks)}" for note, networks in notes.items()] or ["- Every engine ran everything."]
    idle = {engine: max((row.measured[engine].idle for row in rows if engine in row.measured), default=0.0) for engine in _engines(rows)}
    shares = ", ".join(f"{ENGINES[engine].title} {share:.2%}" for engine, share in idle.items())
    return "\n".join([*lines, f"- Share of a core that an engine used while others were timed, at the worst: {shares}."])


def _dates(rows: Sequence[Row]) -> str:
    dates = sorted({row.date for row in rows})
    return dates[0] if len(dates) == 1 else f"{dates[0]} to {dates[-1]}" if dates else "without rows"


def _versions(machine: Machine) -> str:
    known = [f"{ENGINES[engine].title} {version}" for engine, version in machine.versions.items() if version]
    missing = [ENGINES[engine].title for engine, version in machine.versions.items() if not version]
    return ", ".join(known) + (f"; not installed: {', '.join(missing)}" if missing else "")
