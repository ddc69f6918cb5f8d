"""Tables and sizes as text."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Sequence

__all__ = ["count_text", "fitted", "size_text", "table", "terminal_width"]


def size_text(count: float) -> str:
    """Bytes as B, KB, MB or GB, by 1024: "25.7 MB"."""
    if count < 1024:
        return f"{count:.0f} B"
    power = 1 if count < 1024**2 else 2 if count < 1024**3 else 3
    return f"{count / 1024**power:.1f} {('KB', 'MB', 'GB')[power - 1]}"


def count_text(count: float) -> str:
    """A count by 1000: "138.4 M"."""
    if count < 1000:
        return f"{count:.0f}"
    power = 1 if count < 999_950 else 2 if count < 999_950_000 else 3
    return f"{count / 1000**power:.1f} {('k', 'M', 'G')[power - 1]}"


def terminal_width() -> int:
    """Columns of the terminal, or what COLUMNS says; 80 where there is none. Not below 40: text needs some."""
    return max(40, shutil.get_terminal_size().columns)


def table(header: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> str:
    """Columns two blanks apart, the first `left` of them flush left, the others flush right; a line under the header."""
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    lines = [list(header), ["-" * width for width in widths], *rows]
    texts = []
    for line in lines:
        cells = zip(line, widths, strict=True)
        texts.append("  ".join(cell.ljust(width) if i < left else cell.rjust(width) for i, (cell, width) in enumerate(cells)).rstrip())
    return "\n".join(texts)


def fitted(text: str, width: int, spare: Sequence[str] = ()) -> str:
    """A table() no wider than `width`: without the columns `spare`, the first first, as far as need be; then with shorter names in front.

    What was left out is said below it.
    """
    lines = text.splitlines()
    ends = [i for i, character in enumerate(lines[1]) if character == "-" and lines[1][i + 1 : i + 2] != "-"]
    starts = [0, *(end + 3 for end in ends[:-1])]
    cells = [[line[start : end + 1] for start, end in zip(starts, ends, strict=True)] for line in lines]
    left = []
    for name in spare:
        if _width(cells) <= width:
            break
        place = next((i for i, cell in enumerate(cells[0]) if cell.strip() == name), None)
        if place is not None:
            left.append(name)
            cells = [row[:place] + row[place + 1 :] for row in cells]
    longest = max(8, len(cells[1][0]) - max(0, _width(cells) - width))
    rows = [[_short(row[0], longest), *row[1:]] for row in cells]
    note = textwrap.wrap(f"for want of room without: {', '.join(left)}", width) if left else []
    return "\n".join([*("  ".join(row).rstrip() for row in rows), *note])


def _width(cells: list[list[str]]) -> int:
    return sum(map(len, cells[1])) + 2 * (len(cells[1]) - 1)


def _short(cell: str, length: int) -> str:
    """A name without its middle."""
    if len(cell) <= length:
        return cell
    name = cell.rstrip() if set(cell) != {"-"} else cell[:length]
    half = (length - 2) // 2
    return (name if len(name) <= length else f"{name[:half]}..{name[half + 2 - length :]}").ljust(length)
