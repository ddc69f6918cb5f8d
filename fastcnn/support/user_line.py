"""The line of the user's code that an error in forward() is about."""

from __future__ import annotations

import linecache
import sys
from types import FrameType

__all__ = ["raised_here", "user_line"]


def user_line() -> str:
    """Returns the innermost line outside this package: "at model.py:12, `if x > 0:`"."""
    frame = sys._getframe(1)
    while frame.f_back is not None and _is_ours(frame):
        frame = frame.f_back
    name = frame.f_code.co_filename
    line = frame.f_lineno
    code = linecache.getline(name, line, frame.f_globals).strip()
    return f"at {name}:{line}" + (f", `{code}`" if code else "")


def raised_here(error: BaseException) -> bool:
    """Returns whether this package raised the error, not the user's own code."""
    step = error.__traceback__
    while step is not None and step.tb_next is not None:
        step = step.tb_next
    return step is not None and _is_ours(step.tb_frame)


def _is_ours(frame: FrameType) -> bool:
    return str(frame.f_globals.get("__name__", "")).partition(".")[0] == __name__.partition(".")[0]
