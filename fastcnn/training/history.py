"""History: losses and accuracies of fit, by epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fastcnn.support.figure import COLOURS, figure_of
from fastcnn.support.tables import table

__all__ = ["History", "training_curves"]

_MOST_MARKS = 60  # points of a curve that can be told apart


class History(dict[str, list[float]]):
    """What Module.fit returns: loss, accuracy, val_loss, val_accuracy (where there are any) and seconds, lists of an entry for each epoch.

    print() shows a table.

    >>> import numpy as np
    >>> import fastcnn as fc
    >>> net = fc.Sequential(fc.Flatten(), fc.Linear(16, 2))
    >>> history = net.fit(np.ones((8, 1, 4, 4)), np.zeros(8, int), epochs=3, optimizer="sgd", progress=False)
    >>> list(history), history.epochs
    (['loss', 'accuracy', 'seconds'], 3)
    """

    def add(self, **values: float) -> None:
        """Appends the values of one epoch."""
        for name, value in values.items():
            self.setdefault(name, []).append(value)

    @property
    def epochs(self) -> int:
        """The number of epochs."""
        return len(self.get("seconds", []))

    def plot(self) -> Any:
        """A matplotlib figure of loss and accuracy by epoch. ImportError where matplotlib is not installed."""
        return training_curves(self)

    def __repr__(self) -> str:
        rows = [[str(epoch + 1), *(f"{column[epoch]:.4g}" for column in self.values())] for epoch in range(self.epochs)]
        return table(["epoch", *self], rows)


def training_curves(history: Mapping[str, Sequence[float]]) -> Any:
    """A matplotlib figure of loss and, where there is one, accuracy by epoch, for training and validation data."""
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
