"""History: what fit has seen, epoch by epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fastcnn.support.figure import COLOURS, figure_of
from fastcnn.support.tables import table

__all__ = ["History", "training_curves"]

_MOST_MARKS = 60  # points that can be told apart on a curve


class History(dict[str, list[float]]):
    """loss, accuracy, val_loss, val_accuracy (where there are any) and seconds: lists with one entry an epoch. Printed as a table."""

    def add(self, **values: float) -> None:
        for name, value in values.items():
            self.setdefault(name, []).append(value)

    @property
    def epochs(self) -> int:
        return len(self.get("seconds", []))

    def plot(self) -> Any:
        """A matplotlib figure: loss and accuracy against the epoch."""
        return training_curves(self)

    def __repr__(self) -> str:
        rows = [[str(epoch + 1), *(f"{column[epoch]:.4g}" for column in self.values())] for epoch in range(self.epochs)]
        return table(["epoch", *self], rows)


def training_curves(history: Mapping[str, Sequence[float]]) -> Any:
    """Loss and, where there is one, accuracy against the epoch, of training and of validation."""
    panels = [name for name in ("loss", "accuracy") if history.get(name)]
    if not panels:
        raise ValueError("[plot] the history must have an epoch at least. Got none.")
    figure = figure_of(5.0 * len(panels), 3.4)
    for axis, name in zip(np.ravel(figure.subplots(1, len(panels))), panels, strict=True):
        for key, label, colour in ((name, "training", COLOURS[0]), (f"val_{name}", "validation", COLOURS[1])):
            if history.get(key):
                values = history[key]
                marker = "o" if len(values) <= _MOST_MARKS else None
                axis.plot(range(1, len(values) + 1), values, marker=marker, markersize=3, label=label, color=colour)
        axis.set(xlabel="epoch", ylabel=name)
        if len(history[name]) == 1:  # a single point has no range of its own
            axis.set_xlim(0, 2)
        axis.xaxis.get_major_locator().set_params(integer=True)
        axis.grid(alpha=0.3)
        axis.legend(frameon=False, loc="upper right" if name == "loss" else "lower right")
    return figure
