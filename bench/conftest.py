"""What all benchmarks share: the machine in the header and in the JSON, and a table of the measured rows at the end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from machine import machine

import fastcnn as fc

_rows: list[tuple[str, ...]] = []


def pytest_report_header() -> str:
    found = machine()
    peaks = ", ".join(f"{value} GFLOP/s ({threads} threads)" for threads, value in found["peak_gflops"].items())
    return f"fastcnn {fc.__version__} on {found['cpu']}, ISA {found['isa']}, measured peak: {peaks}"


def pytest_benchmark_update_machine_info(machine_info: dict[str, Any]) -> None:
    machine_info["fastcnn"] = machine()


@pytest.fixture
def report_row() -> Callable[..., None]:
    """Call it with the cells of one line of the table that is printed at the end."""
    return lambda *cells: _rows.append(tuple(str(cell) for cell in cells))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    if not _rows:
        return
    terminalreporter.section("layers and networks")
    widths = [max(len(row[column]) for row in _rows if column < len(row)) for column in range(max(map(len, _rows)))]
    for row in _rows:
        terminalreporter.write_line("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=False)))
