"""The line of the user's code that an error in forward() is about."""

from __future__ import annotations

import linecache
import sys
from types import FrameType

__all__ = ["is_ours", "line_of", "raised_here", "user_line"]


def user_line() -> str:
    """Returns the innermost line outside this package: "at model.py:12, `if x > 0:`"."""
    frame = sys._getframe(1)
    while frame.f_back is not None and is_ours(frame):
        frame = frame.f_back
    return line_of(frame)


def line_of(frame: FrameType) -> str:
    """Returns the line that a frame is at: "at model.py:12, `if x > 0:`"."""
    name = frame.f_code.co_filename
    line = frame.f_lineno
    code = linecache.getline(name, line, frame.f_globals).strip()
    return f"at {name}:{line}" + (f", `{code}`" if code else "")


def raised_here(error: BaseException) -> bool:
    """Returns whether this package raised the error, not the user's own code."""
    step = error.__traceback__
    while step is not None and step.tb_next is not None:
        step = step.tb_next
    return step is not None and is_ours(step.tb_frame)


def is_ours(frame: FrameType) -> bool:
    """Returns whether a frame runs code of this package."""
    return str(frame.f_globals.get("__name__", "")).partition(".")[0] == __name__.partition(".")[0]
