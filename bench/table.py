"""Writes the README's table of layers from a benchmark run: ``python bench/table.py build/bench.json README.md``.

The table replaces the text between the lines <!-- speed: begin --> and <!-- speed: end -->.
"""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path
from typing import Any

README_LAYERS = ("resnet50/stage3_1x1", "resnet50/stage1_3x3", "resnet50/stage3_3x3", "mobilenet_v2/depthwise_14")


def rows_to_markdown(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def layer_table(benchmarks: list[dict[str, Any]]) -> str:
    rows = [
        [f"`{b['layer']}`", b["algorithm"], b["isa"], str(b["threads"]), f"{b['layer_ms']:.3f}", f"{b['gflops']:.0f}", f"{b['share']:.0%}"]
        for b in benchmarks
        if b["layer"] in README_LAYERS and b["isa"] != "baseline"
    ]
    return rows_to_markdown(["Convolution (bench/shapes)", "Algorithm", "ISA", "Threads", "ms", "GFLOP/s", "Share of peak"], rows)


def text_of(run: dict[str, Any]) -> str:
    machine = run["machine_info"]["fastcnn"]
    peaks = ", ".join(f"{value} GFLOP/s ({threads} threads)" for threads, value in machine["peak_gflops"].items())
    head = f"{machine['cpu']}, {machine['isa']}; peak of a multiply-add loop in the same run: {peaks}. `make bench` measures yours."
    rows = [benchmark["extra_info"] for benchmark in run["benchmarks"]]
    return f"{head}\n\n{layer_table([row for row in rows if 'layer' in row])}\n"


def replace(page: str, name: str, text: str) -> None:
    """Replaces the text between the lines <!-- name: begin --> and <!-- name: end --> of a file. The file is replaced atomically."""
    path = Path(page)
    begin = f"<!-- {name}: begin -->\n"
    end = f"<!-- {name}: end -->"
    found, count = re.subn(rf"{begin}.*?{end}", lambda _: begin + text + end, path.read_text(), flags=re.DOTALL)
    if count != 1:
        sys.exit(f"[table] {page} must have one pair of lines {begin.strip()} and {end}. Got {count}.")
    part = path.with_suffix(".part")
    part.write_text(found)
    os.replace(part, path)


def main(result: str, readme: str) -> None:
    replace(readme, "speed", text_of(json.loads(Path(result).read_text())))


if __name__ == "__main__":
    main(*sys.argv[1:])
