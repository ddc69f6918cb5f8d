"""The tables of supported operators, by op type: handlers that append nodes of the core, and handlers that compute by NumPy.

@operator("Softmax", since=13)      appends nodes of the core; from this opset on, up to the next entry of the same name
@fold("Range")                      computes by NumPy where all inputs are constants
@mover("Squeeze")                   does both
"""

from __future__ import annotations

from collections.abc import Callable

from fastcnn.onnx.call import Call, Results
from fastcnn.tracing.value import Value

__all__ = ["NEWEST_OPSET", "OLDEST_OPSET", "Handler", "fold", "folder_of", "handler_of", "mover", "operator"]

OLDEST_OPSET, NEWEST_OPSET = 7, 28

Handler = Callable[[Call], Results]
_handlers: dict[str, dict[int, Handler]] = {}
_folders: dict[str, Handler] = {}


def operator(*names: str, since: int = 1) -> Callable[[Handler], Handler]:
    """Enters a handler that appends nodes of the core."""

    def enter(handler: Handler) -> Handler:
        for name in names:
            _handlers.setdefault(name, {})[since] = handler
        return handler

    return enter


def fold(*names: str) -> Callable[[Handler], Handler]:
    """Enters a handler that computes constants by NumPy."""

    def enter(handler: Handler) -> Handler:
        for name in names:
            _folders[name] = handler
        return handler

    return enter


def mover(*names: str) -> Callable[[Handler], Handler]:
    """Enters one handler in both tables. It takes its input by Call.data and moves it with functions of symbolic.py, which take values and
    arrays. Outputs are bool if the input is.
    """

    def enter(handler: Handler) -> Handler:
        def marked(call: Call) -> Results:
            results = handler(call)
            if not call.folds and call.is_boolean(0):
                for value in results if isinstance(results, tuple) else (results,):
                    if isinstance(value, Value):
                        call.boolean(value)
            return results

        operator(*names)(marked)
        return fold(*names)(handler)

    return enter


def handler_of(name: str, opset: int) -> Handler | None:
    """The handler of an operator in files of this opset; None if there is none."""
    versions = _handlers.get(name, {})
    since = max((version for version in versions if version <= opset), default=None)
    return None if since is None else versions[since]


def folder_of(name: str) -> Handler | None:
    """The handler that computes an operator by NumPy; None if there is none."""
    return _folders.get(name)
