"""History: what fit has seen, epoch by epoch."""

from __future__ import annotations

from typing import Any

from fastcnn.text import table

__all__ = ["History"]


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
        from fastcnn.plot import training_curves

        return training_curves(self)

    def __repr__(self) -> str:
        rows = [[str(epoch + 1), *(f"{column[epoch]:.4g}" for column in self.values())] for epoch in range(self.epochs)]
        return table(["epoch", *self], rows)
