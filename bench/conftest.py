"""Fixtures and hooks of all benchmarks: the machine in the header and in the JSON, a table of the measured rows, files for the peers."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from compare.command import conversions_of, place_of
from compare.contest import Place
from compare.convert import Conversions
from compare.process import BENCH
from machine import machine

import fastcnn as fc

_rows: list[tuple[str, ...]] = []


def pytest_report_header() -> str:
    found = machine()
    peaks = ", ".join(f"{value} GFLOP/s ({threads} threads)" for threads, value in found["peak_gflops"].items())
    return f"fastcnn {fc.__version__} on {found['cpu']}, ISA {found['isa']}, measured peak: {peaks}"


def pytest_benchmark_update_machine_info(machine_info: dict[str, Any]) -> None:
    machine_info["fastcnn"] = machine()


@pytest.fixture(scope="session")
def place() -> Place:
    """The folders of the networks' files, for the engines of the environment PEERS, or for fastcnn alone."""
    peers = os.environ.get("PEERS")
    return place_of(BENCH.parent / "build" / ("compare" if peers else "bench"), Path(peers) if peers else None)


@pytest.fixture(scope="session")
def conversions(place: Place) -> Conversions:
    return conversions_of(place)


@pytest.fixture
def report_row() -> Callable[..., None]:
    """A function that adds a line, given by its cells, to the table that is printed at the end."""
    return lambda *cells: _rows.append(tuple(str(cell) for cell in cells))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    if not _rows:
        return
    terminalreporter.section("layers and networks")
    widths = [max(len(row[column]) for row in _rows if column < len(row)) for column in range(max(map(len, _rows)))]
    for row in _rows:
        terminalreporter.write_line("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=False)))
