"""Padding: adds entries at the ends of axes, or cuts entries off."""

from __future__ import annotations

from collections.abc import Sequence

from fastcnn.support.arguments import number, whole
from fastcnn.tracing.batch_size import concrete
from fastcnn.tracing.value import Value, add_node, must_be_value

__all__ = ["pad"]

# The mode in torch -> the mode in NumPy
_MODES = {"constant": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}


def pad(x: Value, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Value:
    """Pads the last axes of x. pad: (before, after) for the last axis, then for the one before it, and so on; negative numbers cut off.

    mode: "constant" (filled with `value`, None for 0), "reflect" (without repeating the border), "replicate" or "circular".
    """
    must_be_value("pad", x)
    if mode not in _MODES:
        raise ValueError(f"[pad] mode must be one of {', '.join(_MODES)}. Got mode={mode!r}.")
    if mode != "constant" and value is not None and value != 0:
        raise ValueError(f"[pad] a value belongs to mode='constant'. Got mode={mode!r}, value={value!r}.")
    if not isinstance(pad, (tuple, list)):
        raise TypeError(f"[pad] pad must be a tuple of integers, two for each axis. Got {pad!r}.")
    widths = [whole("pad", "pad", width, -(2**31)) for width in pad]
    if len(widths) % 2 or len(widths) > 2 * x.ndim:
        raise ValueError(f"[pad] pad must have two entries for each axis, at most {2 * x.ndim}. Got {tuple(pad)}.")
    filling = 0.0 if value is None else number("pad", "value", value, finite=False)
    for i in range(0, len(widths), 2):
        x = _padded_axis(x, x.ndim - 1 - i // 2, widths[i], widths[i + 1], mode, filling)
    return x


def _padded_axis(x: Value, axis: int, before: int, after: int, mode: str, filling: float) -> Value:
    if before == after == 0:
        return x
    from fastcnn.tracing.resampling import padded

    size = concrete(x.shape)[axis]
    most = {"reflect": size - 1, "circular": size}.get(mode)
    if most is not None and max(before, after) > most:
        raise ValueError(f"[pad] mode={mode!r} must add at most {most} to an axis of {size}. Got ({before}, {after}).")
    indices = padded(size, before, after, _MODES[mode]).tolist()
    return add_node("take", [x], {"axis": axis, "indices": indices, "value": filling})
