"""The command: its options say what to compare. Results go to a page, a picture and a file, to which a later run can add."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from compare.contest import Budget, Contest, Place
from compare.convert import Conversions
from compare.engines import DEFAULT_ENGINES, ENGINES
from compare.networks import NETWORKS
from compare.plot import draw
from compare.process import BENCH
from compare.report import Machine, page, summary
from compare.results import Row, merged, read_rows, write_rows

__all__ = ["conversions_of", "main", "place_of"]

VERSIONS = """
import importlib.metadata as m, json, sys
found = {}
for name in sys.argv[1:]:
    try: found[name] = m.version(name)
    except m.PackageNotFoundError: found[name] = None
print(json.dumps(found))
"""


def options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("compare", description="fastcnn beside its peers, each in a process of its own, in turn.")
    parser.add_argument("--peers", type=Path, help="virtual environment with the peers")
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS), metavar="NAME", help=", ".join(NETWORKS))
    parser.add_argument("--engines", nargs="+", choices=ENGINES, default=DEFAULT_ENGINES, metavar="NAME", help=", ".join(ENGINES))
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=2.0, help="of timed calls an engine, in all rounds")
    parser.add_argument("--starts", type=int, default=3, help="processes for the cold start")
    parser.add_argument("--convert", action="store_true", help="only make the files that engines load")
    parser.add_argument("--add", action="store_true", help="keep the other rows of the last run")
    parser.add_argument("--build", type=Path, default=BENCH.parent / "build" / "compare", help="folder of converted files and results.json")
    parser.add_argument("--page", type=Path, default=BENCH / "RESULTS.md")
    parser.add_argument("--picture", type=Path, default=BENCH.parent / "docs" / "compare.png")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str]) -> None:
    chosen = options(arguments)
    engines = ["fastcnn", *(engine for engine in chosen.engines if engine != "fastcnn")]
    place = place_of(chosen.build, chosen.peers)
    versions = versions_of(place, engines)
    conversions = conversions_of(place)
    stored = chosen.build / "results.json"
    rows = []
    kept = read_rows(stored) if chosen.add and stored.exists() else []
    unmade = {network: conversions.of(network, say) for network in chosen.networks}
    if chosen.convert:
        return
    for network in chosen.networks:
        for threads in chosen.threads:
            contest = Contest(place, network, threads, Budget(chosen.rounds, chosen.seconds, chosen.starts), unmade[network])
            rows.append(contest.run(engines, say))
            write_rows(stored, merged(kept, rows, list(NETWORKS)))
    finish(merged(kept, rows, list(NETWORKS)), machine_of(versions), chosen.page, chosen.picture)


def finish(rows: list[Row], machine: Machine, result: Path, picture: Path) -> None:
    result.write_text(page(rows, machine))
    draw(rows, picture)
    for threads in sorted({row.threads for row in rows}):
        say(f"[compare] threads {threads}: {summary([row for row in rows if row.threads == threads])}")
    say(f"[compare] {result}, {picture}")


def say(line: str) -> None:
    print(line, flush=True)


def place_of(build: Path, peers: Path | None) -> Place:
    python = None if peers is None else peers.absolute() / "bin" / "python"  # not resolved: it is a link out of the environment
    if python is not None and not python.exists():
        sys.exit(f"[compare] --peers must be a virtual environment. Got {peers}.")
    place = Place(build / "models", build / "logs", Path(sys.executable), python)
    for folder in (place.models, place.logs):
        folder.mkdir(parents=True, exist_ok=True)
    return place


def conversions_of(place: Place) -> Conversions:
    return Conversions(place.models, place.peers_python and place.peers_python.parent, json.dumps(versions_of(place, list(ENGINES))))


def versions_of(place: Place, engines: Sequence[str]) -> dict[str, str | None]:
    """The version of each engine; None where it is not installed."""
    found: dict[str, str | None] = {}
    for engine in engines:
        python = place.own_python if engine == "fastcnn" else place.peers_python
        found[engine] = None
        if python is not None:
            command = [str(python), "-c", VERSIONS, ENGINES[engine].package]
            found[engine] = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)[ENGINES[engine].package]
    return found


def machine_of(versions: dict[str, str | None]) -> Machine:
    from machine import cpu_name

    from fastcnn import _core

    git = ["git", "-C", str(BENCH), "rev-parse", "--short", "HEAD"]
    commit = subprocess.run(git, capture_output=True, text=True, check=False).stdout.strip()
    ours = f"{versions['fastcnn']}" + (f" (commit {commit})" if commit else "")
    return Machine(cpu_name(), _core.default_isa(), {**versions, "fastcnn": ours})
