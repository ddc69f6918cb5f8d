"""Random numbers that forward() draws from np.random or random: drawn once, at the trace, they are constants of the program.

Nothing can draw them anew in each call, so there is a warning that names the line. The states of the two global generators are compared
before and after a trace, if a class of the user is in the network and the modules are loaded (importing numpy.random takes 8 ms). Only if
they differ, forward() runs once more, line by line, to find out where; so what another thread draws meanwhile is no reason to warn.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from fastcnn.network.network import Network
from fastcnn.support.user_line import is_ours, line_of

__all__ = ["told_of_drawn_numbers"]

_OURS = __name__.partition(".")[0]


@contextmanager
def told_of_drawn_numbers(net: Network, again: Callable[[], object]) -> Iterator[None]:
    """RuntimeWarning if what is done inside draws from a global generator. again: does it once more."""
    watched = any(type(part).__module__.partition(".")[0] != _OURS for part in net.modules())
    before = _states() if watched else {}
    yield
    after = _states() if watched else {}
    drawn = [name for name, state in after.items() if name in before and before[name] != state]
    if not drawn:
        return
    where = f"in forward() of {type(net).__name__}" if sys.gettrace() is not None else _drawing_line(again, after)
    if where:
        rule = "a number that forward() draws is drawn once for each shape and stays as it is: what is random comes from fc.dropout, or "
        rule += "from an input"
        warnings.warn(f"[forward] {rule}. Got {' and '.join(drawn)} {where}.", RuntimeWarning, stacklevel=3)


def _states() -> dict[str, Any]:
    """Returns the states of the global generators that are there, in a form that can be compared."""
    states: dict[str, Any] = {}
    numpy_random: Any = sys.modules.get("numpy.random")
    random: Any = sys.modules.get("random")
    if hasattr(numpy_random, "get_state"):
        name, *state = numpy_random.get_state()
        states["np.random"] = [name, *(part.tobytes() if hasattr(part, "tobytes") else part for part in state)]
    if hasattr(random, "getstate"):
        states["random"] = random.getstate()
    return states


class _Found(BaseException):
    """Ends the second run. Not an Exception: forward() may catch these."""


def _drawing_line(again: Callable[[], object], after: dict[str, Any]) -> str:
    """Returns the first line outside this package that changes the state of a generator; "" if there is none. States stay as they are."""
    last = after
    line = ""

    def local(frame: FrameType, event: str, _: object) -> Any:
        nonlocal line
        if _states() != last:
            raise _Found
        line = line_of(frame)
        return local

    def entered(frame: FrameType, event: str, argument: object) -> Any:
        return None if is_ours(frame) else local(frame, event, argument)

    sys.settrace(entered)
    try:
        again()
    except _Found:
        return line
    except Exception:  # the first run told of it, or it fails at random
        return ""
    finally:
        sys.settrace(None)
        _restore(after)
    return ""


def _restore(states: dict[str, Any]) -> None:
    if "np.random" in states:
        import numpy as np

        name, key, *rest = states["np.random"]
        np.random.set_state((name, np.frombuffer(key, np.uint32), *rest))  # noqa: NPY002
    if "random" in states:
        sys.modules["random"].setstate(states["random"])
