"""The arena of a plan as a picture: offset against step, a box for each tensor."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from fastcnn.plot import figure_of
from fastcnn.text import size_text

if TYPE_CHECKING:
    from fastcnn.memory import MemoryReport
    from fastcnn.memory_layers import Box

__all__ = ["plot"]

_COLOURS = {"activation": "#7fb3d5", "gradient": "#f0b27a", "workspace": "#c8c8c8"}
_WIDTH, _HEIGHT = 12.0, 6.5  # inches
_LETTER, _LINE = 0.075, 0.13  # inches that a letter and a line of the labels take
_MARGINS = 1.6, 1.9  # inches that axes and legend take from width and height
_MOST_TICKS = 60


def _label(axes: Any, box: Box, inch_x: float, inch_y: float) -> None:
    """Writes name and size into a box where they fit, upright in a narrow one."""
    width, height = (box.last - box.first + 1) * inch_x, box.bytes * inch_y
    name, size = box.name or box.op, size_text(box.bytes)
    short, upright = (width, height), (height, width)
    for (along, across), rotation in ((short, 0), (upright, 90)):
        for text in (f"{name}\n{size}", name):
            lines = text.split("\n")
            if max(map(len, lines)) * _LETTER <= along and len(lines) * _LINE <= across:
                middle = (box.first + box.last + 1) / 2, box.offset + box.bytes / 2
                axes.text(*middle, text, ha="center", va="center", rotation=rotation, fontsize=7, linespacing=1.0)
                return


def _ticks(axes: Any, steps: tuple[str, ...]) -> None:
    """The layers under the steps, as many as can be read."""
    every = -(-len(steps) // _MOST_TICKS)
    places = range(0, len(steps), every)
    axes.set_xticks([place + 0.5 for place in places], [steps[place] for place in places], rotation=90, fontsize=7)
    axes.set_xlim(0, len(steps))


def plot(report: MemoryReport, path: str | os.PathLike[str] | None) -> Any:
    """See MemoryReport.plot."""
    figure = figure_of(_WIDTH, _HEIGHT)
    from matplotlib.patches import Patch, Rectangle
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axes = figure.subplots()
    top = max(report.arena, 1)
    inch_x, inch_y = (_WIDTH - _MARGINS[0]) / max(len(report.steps), 1), (_HEIGHT - _MARGINS[1]) / (1.05 * top)
    for box in report.boxes:
        axes.add_patch(
            Rectangle(
                (box.first, box.offset),
                box.last - box.first + 1,
                box.bytes,
                facecolor=_COLOURS[box.kind],
                edgecolor="#303030",
                linewidth=0.5 if len(report.boxes) < 200 else 0.2,
            )
        )
        _label(axes, box, inch_x, inch_y)
    line = axes.axhline(
        report.lower_bound, color="#b03030", linestyle="--", linewidth=1, label=f"lower bound {size_text(report.lower_bound)}"
    )
    _ticks(axes, report.steps)
    axes.set_ylim(0, 1.05 * top)
    unit = 1024 ** max(0, (top.bit_length() - 2) // 10)  # of the labels: B, KB, MB or GB
    places = [unit * place for place in MaxNLocator(8).tick_values(0, 1.05 * top / unit)]
    axes.set_yticks([place for place in places if 0 <= place <= 1.05 * top])
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: size_text(value)))
    axes.set_ylabel("offset in the arena")
    axes.set_xlabel("step")
    axes.set_title(f"arena: {size_text(report.arena)}, without release {size_text(report.without_release)}", fontsize=10)
    kinds = {box.kind for box in report.boxes}
    handles = [Patch(facecolor=colour, edgecolor="#303030", label=kind) for kind, colour in _COLOURS.items() if kind in kinds]
    figure.legend(handles=[*handles, line], loc="outside upper right", ncols=4, fontsize=8, frameon=False)
    if path is not None:
        figure.savefig(path, dpi=130)
    return figure
