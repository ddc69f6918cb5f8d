"""Empty figures of matplotlib (pip install fastcnn[plot]), and the colours of curves and bars."""

from __future__ import annotations

from typing import Any

__all__ = ["COLOURS", "LONGEST_NAME", "figure_of"]

# The palette of Okabe and Ito: readers with red-green colour blindness can tell the colours apart
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#000000")
LONGEST_NAME = 40  # characters of a name beside a bar


def figure_of(width: float, height: float) -> Any:
    """Returns an empty figure; width and height in inches. ImportError, with what to install, if matplotlib is missing."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError("[plot] matplotlib draws pictures: pip install fastcnn[plot].") from error
    return Figure(figsize=(width, height), layout="constrained")
