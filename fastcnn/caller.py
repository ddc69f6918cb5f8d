"""Where the user's code is: what an error says that is about a line of forward()."""

from __future__ import annotations

import linecache
import sys

__all__ = ["user_line"]


def user_line() -> str:
    """The line outside this package that called: "at model.py:12, `if x > 0:`"."""
    frame = sys._getframe(1)
    package = __name__.partition(".")[0]
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] == package:
        frame = frame.f_back
    name, line = frame.f_code.co_filename, frame.f_lineno
    code = linecache.getline(name, line, frame.f_globals).strip()
    return f"at {name}:{line}" + (f", `{code}`" if code else "")
