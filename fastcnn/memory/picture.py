"""The arena of a plan as a picture: offset against step, a box for each tensor."""

from __future__ import annotations

import os
from typing import Any

from fastcnn.memory.layers import Arena, Box
from fastcnn.support.figure import figure_of
from fastcnn.support.tables import brief, shortened, size_text

__all__ = ["plot"]

_COLOURS = {"activation": "#7fb3d5", "gradient": "#f0b27a", "parameter gradient": "#e6866a", "workspace": "#c8c8c8"}
_WIDTH, _HEIGHT = 12.0, 6.5  # inches
_LETTER = 0.075  # inches, the width of a letter of the labels
_LINE = 0.13  # inches, the height of a line of the labels
_MOST_TICKS = 60
_LONGEST = 32  # letters of a name under the axis


def _label(axes: Any, box: Box, inch_x: float, inch_y: float) -> None:
    """Writes name and size into a box where they fit, rotated in a narrow one."""
    width, height = (box.last - box.first + 1) * inch_x, box.bytes * inch_y
    name = brief(box.name) or box.op
    size = size_text(box.bytes)
    for along, across, rotation in ((width, height, 0), (height, width, 90)):
        for text in (f"{name}\n{size}", name):
            lines = text.split("\n")
            if max(map(len, lines)) * _LETTER <= along and len(lines) * _LINE <= across:
                middle = (box.first + box.last + 1) / 2, box.offset + box.bytes / 2
                axes.text(*middle, text, ha="center", va="center", rotation=rotation, fontsize=7, linespacing=1.0)
                return


def _ticks(axes: Any, steps: tuple[str, ...]) -> None:
    """Names the layers under the steps, as many as can be read. The label of the axis says which part is named."""
    every = -(-len(steps) // _MOST_TICKS)
    places = range(0, len(steps), every)
    names = [shortened(brief(steps[place]), _LONGEST) for place in places]
    axes.set_xticks([place + 0.5 for place in places], names, rotation=90, fontsize=7)
    axes.set_xlim(0, len(steps))
    named = f", one in {every} named" if every > 1 else ""
    axes.set_xlabel(f"step, by its layer{named}")


def _sizes(axes: Any, top: int) -> None:
    """Labels the offsets, all in one unit: B, KB, MB, GB or TB."""
    from matplotlib.ticker import MaxNLocator

    power = max(0, (top.bit_length() - 2) // 10)
    unit = 1024**power
    name = ("B", "KB", "MB", "GB", "TB")[power]
    places = [place for place in MaxNLocator(8).tick_values(0, 1.05 * top / unit) if 0 <= place <= 1.05 * top / unit]
    axes.set_yticks([unit * place for place in places], [f"{place:g} {name}" for place in places])
    axes.set_ylim(0, 1.05 * top)
    axes.set_ylabel("offset in the arena")


def _draw(axes: Any, boxes: tuple[Box, ...]) -> None:
    from matplotlib.patches import Rectangle

    width = 0.5 if len(boxes) < 200 else 0.2
    for box in boxes:
        steps = box.last - box.first + 1
        colour = _COLOURS[box.kind]
        axes.add_patch(Rectangle((box.first, box.offset), steps, box.bytes, facecolor=colour, edgecolor="#303030", linewidth=width))


def plot(arena: Arena, path: str | os.PathLike[str] | None) -> Any:
    """See MemoryReport.plot."""
    figure = figure_of(_WIDTH, _HEIGHT)
    from matplotlib.patches import Patch

    axes = figure.subplots()
    top = max(arena.size, 1)
    bound = arena.lower_bound
    _draw(axes, arena.boxes)
    lines = [axes.axhline(bound, color="#b03030", linestyle="--", linewidth=1, label=f"lower bound {size_text(bound)}")]
    if backward := min((box.first for box in arena.boxes if box.kind == "gradient"), default=0):
        lines.append(axes.axvline(backward, color="#606060", linestyle=":", linewidth=1, label="backward from here"))
    _ticks(axes, arena.steps)
    _sizes(axes, top)
    axes.set_title(f"arena: {size_text(arena.size)}, without release {size_text(arena.without_release)}", fontsize=10)
    kinds = {box.kind for box in arena.boxes}
    handles = [Patch(facecolor=colour, edgecolor="#303030", label=kind) for kind, colour in _COLOURS.items() if kind in kinds]
    figure.legend(handles=[*handles, *lines], loc="outside upper right", ncols=5, fontsize=8, frameon=False)
    figure.draw_without_rendering()  # lays out the axes: their extent is read next
    place = axes.get_window_extent().transformed(figure.dpi_scale_trans.inverted())
    for box in arena.boxes:
        _label(axes, box, place.width / max(len(arena.steps), 1), place.height / (1.05 * top))
    if path is not None:
        figure.savefig(path, dpi=130)
    return figure
