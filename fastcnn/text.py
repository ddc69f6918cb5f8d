"""Tables and sizes as text."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["size_text", "table"]


def size_text(count: float) -> str:
    """Bytes as B, KB, MB or GB, by 1024: "25.7 MB"."""
    if count < 1024:
        return f"{count:.0f} B"
    power = 1 if count < 1024**2 else 2 if count < 1024**3 else 3
    return f"{count / 1024**power:.1f} {('KB', 'MB', 'GB')[power - 1]}"


def table(header: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> str:
    """Columns two blanks apart, the first `left` of them flush left, the others flush right; a line under the header."""
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    lines = [list(header), ["-" * width for width in widths], *rows]
    texts = []
    for line in lines:
        cells = zip(line, widths, strict=True)
        texts.append("  ".join(cell.ljust(width) if i < left else cell.rjust(width) for i, (cell, width) in enumerate(cells)).rstrip())
    return "\n".join(texts)
