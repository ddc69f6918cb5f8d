"""Tables and sizes as text."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Mapping, Sequence

__all__ = ["brief", "count_text", "fitted", "shortened", "size_text", "sizes_text", "table", "terminal_width"]

_NAME = 20  # characters that a name keeps as long as a column can be left out instead


def size_text(count: float) -> str:
    """Formats bytes as B, KB, MB or GB, by 1024: "25.7 MB"."""
    if count < 1024:
        return f"{count:.0f} B"
    power = 1 if count < 1024**2 else 2 if count < 1024**3 else 3
    return f"{count / 1024**power:.1f} {('KB', 'MB', 'GB')[power - 1]}"


def count_text(count: float) -> str:
    """Formats a count by 1000: "138.4 M"."""
    if count < 1000:
        return f"{count:.0f}"
    power = 1 if count < 999_950 else 2 if count < 999_950_000 else 3
    return f"{count / 1000**power:.1f} {('k', 'M', 'G')[power - 1]}"


def sizes_text(sizes: Sequence[int]) -> str:
    """Formats a shape: "64x112x112"."""
    return "x".join(map(str, sizes))


def brief(name: str) -> str:
    """Shortens the name of a fused step: a common prefix appears once. "block.2.conv + block.3.conv" becomes "block.2.conv + 3.conv"."""
    first, *others = name.split(" + ")
    parts = first.split(".")
    rest = []
    for other in others:
        own = other.split(".")
        common = next((i for i, (a, b) in enumerate(zip(parts, own, strict=False)) if a != b), 0)
        rest.append(".".join(own[common:]))
    return " + ".join([first, *rest])


def shortened(name: str, length: int) -> str:
    """Cuts a name to `length` characters and keeps its end, which distinguishes layers of a block and files of a folder."""
    return name if len(name) <= length else f"..{name[2 - length :].lstrip('.')}"


def terminal_width() -> int:
    """Returns the columns of the terminal, or the value of COLUMNS, 80 if neither is known; at least 40."""
    return max(40, shutil.get_terminal_size().columns)


def table(header: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> str:
    """Formats a table with a line under its header. Columns are two blanks apart: the first `left` flush left, the others flush right."""
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    lines = [list(header), ["-" * width for width in widths], *rows]
    texts = []
    for line in lines:
        cells = zip(line, widths, strict=True)
        texts.append("  ".join(cell.ljust(width) if i < left else cell.rjust(width) for i, (cell, width) in enumerate(cells)).rstrip())
    return "\n".join(texts)


def fitted(text: str, width: int, spare: Sequence[str] = (), legend: Mapping[str, str] | None = None) -> str:
    """Makes a table() no wider than `width`: leaves out columns of `spare`, in their order, and cuts the names of the first column.

    Names are cut to 20 characters before more than the first column of `spare` is left out. Lines below the table explain the words of
    `legend` that it has, and name the columns that were left out.
    """
    lines = text.splitlines()
    ends = [i for i, character in enumerate(lines[1]) if character == "-" and lines[1][i + 1 : i + 2] != "-"]
    starts = [0, *(end + 3 for end in ends[:-1])]
    cells = [[line[start : end + 1] for start, end in zip(starts, ends, strict=True)] for line in lines]
    excess = max(0, len(cells[1][0]) - _NAME)  # what the names can be cut by
    left_out: list[str] = []
    for name in spare:
        if _width(cells) - (excess if left_out else 0) <= width:
            break
        place = next((i for i, cell in enumerate(cells[0]) if cell.strip() == name), None)
        if place is not None:
            left_out.append(name)
            cells = [row[:place] + row[place + 1 :] for row in cells]
    longest = max(8, len(cells[1][0]) - max(0, _width(cells) - width))
    rows = [[_cut(row[0], longest), *row[1:]] for row in cells]
    there = {cell.strip() for row in cells for cell in row}
    notes = [f"{word}: {meaning}" for word, meaning in (legend or {}).items() if word in there]
    missing = [f"for want of room without: {', '.join(left_out)}"] if left_out else []
    under = [line for note in ["; ".join(notes), *missing] for line in textwrap.wrap(note, width)]
    return "\n".join([*("  ".join(row).rstrip() for row in rows), *under])


def _width(cells: list[list[str]]) -> int:
    return sum(map(len, cells[1])) + 2 * (len(cells[1]) - 1)


def _cut(cell: str, length: int) -> str:
    """Cuts a cell of the first column to `length` characters."""
    if set(cell) == {"-"} or len(cell) <= length:
        return cell[:length]
    return shortened(cell.rstrip(), length).ljust(length)
