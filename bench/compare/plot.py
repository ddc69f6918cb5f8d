"""The picture of a comparison: for each network fastcnn's time relative to the fastest peer's, with a bar for each number of threads."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from compare.networks import NETWORKS
from compare.results import Row, geometric_mean, ratio

__all__ = ["draw"]

COLOURS = ("#1f6fb2", "#8fc1e3", "#c6dbef", "#deebf7")


def draw(rows: Sequence[Row], path: Path) -> None:
    """Writes a PNG; rows without a ratio have no bar."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    threads = sorted({row.threads for row in rows})
    names = [name for name in NETWORKS if any(row.network == name for row in rows)]
    found = {(row.network, row.threads): ratio(row) for row in rows}
    figure, axes = plt.subplots(figsize=(8, 1.5 + 0.3 * len(names)), dpi=90)
    height = 0.8 / len(threads)
    for index, count in enumerate(threads):
        places = [row + (index - (len(threads) - 1) / 2) * height for row in range(len(names))]
        values = [found.get((name, count)) or 0.0 for name in names]
        mean = geometric_mean(value for value in values if value)
        label = f"{count} thread{'s' if count > 1 else ''}" + (f", geometric mean {mean:.2f}" if mean else "")
        bars = axes.barh(places, values, height, color=COLOURS[index % len(COLOURS)], label=label)
        axes.bar_label(bars, [f"{value:.2f}" if value else "" for value in values], padding=2, fontsize=7)
    axes.axvline(1, color="#c0392b", linewidth=1.2)
    axes.set_yticks(range(len(names)), [NETWORKS[name].title for name in names])
    axes.invert_yaxis()
    axes.set_xlabel("fastcnn's time / the fastest peer's (the line): shorter is faster")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, 1.12 if len(names) > 6 else 1.35), ncols=len(threads), frameon=False, fontsize=8)
    figure.savefig(path, bbox_inches="tight", metadata={"Software": None})
    plt.close(figure)
